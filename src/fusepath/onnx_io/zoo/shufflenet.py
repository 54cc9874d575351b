"""ShuffleNetV2, width 1.0: Ma et al., arXiv:1807.11164, Table 5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.zoo.blocks import conv_bn_relu
from fusepath.onnx_io.zoo.weights import CLASSIFIER_GAIN, STEM_GAIN

if TYPE_CHECKING:
    from fusepath.onnx_io.zoo.builder import GraphBuilder
    from fusepath.onnx_io.zoo.graph import Value

STAGES = ((116, 4), (232, 8), (464, 4))


def shufflenetv2(g: GraphBuilder) -> Value:
    """Logits, shape (1, 1000)."""
    *_, x = shufflenet_stages(g)
    x = conv_bn_relu(g, "conv5", x, 1024, kernel=1)
    x = g.global_average_pool("pool5", x)
    x = g.flatten("flatten", x)
    return g.gemm("fc", x, 1000, gain=CLASSIFIER_GAIN)


def shufflenet_stages(g: GraphBuilder) -> list[Value]:
    """The maps at strides 8, 16 and 32, which detectors read too."""
    x = conv_bn_relu(g, "conv1", g.image, 24, kernel=3, stride=2, pad=1, gain=STEM_GAIN)
    x = g.max_pool("pool1", x, kernel=3, stride=2, pad_begin=1, pad_end=1)
    maps = []
    for stage, (channels, count) in enumerate(STAGES, start=2):
        x = _halving(g, f"stage{stage}/unit1", x, channels // 2)
        for index in range(2, count + 1):
            name = f"stage{stage}/unit{index}"
            kept, y = g.halves(f"{name}/split", x)
            y = _branch(g, f"{name}/branch2", y, channels // 2, stride=1)
            x = g.shuffle(f"{name}/shuffle", g.concat(f"{name}/concat", kept, y), groups=2)
        maps.append(x)
    return maps


def _halving(g: GraphBuilder, name: str, x: Value, channels: int) -> Value:
    """The unit that halves the map: both branches read all channels."""
    y = _depthwise(g, f"{name}/branch1/depthwise", x, stride=2)
    y = conv_bn_relu(g, f"{name}/branch1/project", y, channels, kernel=1)
    z = _branch(g, f"{name}/branch2", x, channels, stride=2)
    return g.shuffle(f"{name}/shuffle", g.concat(f"{name}/concat", y, z), groups=2)


def _branch(g: GraphBuilder, name: str, x: Value, channels: int, *, stride: int) -> Value:
    x = conv_bn_relu(g, f"{name}/expand", x, channels, kernel=1)
    x = _depthwise(g, f"{name}/depthwise", x, stride=stride)
    return conv_bn_relu(g, f"{name}/project", x, channels, kernel=1)


def _depthwise(g: GraphBuilder, name: str, x: Value, *, stride: int) -> Value:
    return g.conv_bn(name, x, x.channels, kernel=3, stride=stride, pad=1, groups=x.channels)
