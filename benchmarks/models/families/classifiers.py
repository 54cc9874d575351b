"""Networks that name what is in a picture: those of the zoo, and two more."""

from __future__ import annotations

from fusepath.onnx_io.zoo.blocks import conv_bn_relu, squeeze_excite
from fusepath.onnx_io.zoo.ssd import mobilenetv1 as mobilenetv1_maps
from fusepath.onnx_io.zoo.weights import CLASSIFIER_GAIN, LINEAR_GAIN, STEM_GAIN

REGNET_GROUP = 8
REGNET_STAGES = ((48, 1), (104, 3), (208, 6), (440, 6))


def mobilenetv1(g):
    _, x = mobilenetv1_maps(g)
    x = g.flatten("flatten", g.global_average_pool("pool", x))
    return g.gemm("fc", x, 1000, gain=CLASSIFIER_GAIN)


def regnet_y(g):
    """RegNetY-400MF: grouped bottlenecks with squeeze-and-excite."""
    x = conv_bn_relu(g, "stem", g.image, 32, kernel=3, stride=2, pad=1, gain=STEM_GAIN)
    for stage, (width, count) in enumerate(REGNET_STAGES, start=1):
        for index in range(1, count + 1):
            x = _regnet_block(g, f"stage{stage}/block{index}", x, width, 2 if index == 1 else 1)
    x = g.flatten("flatten", g.global_average_pool("pool", x))
    return g.gemm("fc", x, 1000, gain=CLASSIFIER_GAIN)


def _regnet_block(g, name, x, width, stride):
    y = conv_bn_relu(g, f"{name}/a", x, width, kernel=1)
    groups = width // REGNET_GROUP
    y = conv_bn_relu(g, f"{name}/b", y, width, kernel=3, stride=stride, pad=1, groups=groups)
    squeezed = round(x.channels / 4)
    y = squeeze_excite(g, f"{name}/se", y, squeezed, inner=g.relu, gate=g.sigmoid)
    y = g.conv_bn(f"{name}/c", y, width, kernel=1, scale=0.3)
    if x.shape != y.shape:
        x = g.conv_bn(f"{name}/project", x, width, kernel=1, stride=stride, gain=LINEAR_GAIN)
    return g.relu(f"{name}/relu", g.add(f"{name}/add", x, y))
