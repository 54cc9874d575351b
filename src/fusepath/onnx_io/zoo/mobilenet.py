"""MobileNetV2, width 1.0: Sandler et al., arXiv:1801.04381, Table 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.zoo.weights import CLASSIFIER_GAIN, LINEAR_GAIN, STEM_GAIN

if TYPE_CHECKING:
    from fusepath.onnx_io.zoo.builder import GraphBuilder
    from fusepath.onnx_io.zoo.graph import Value

# Expansion, output channels, blocks and stride of the first block: t, c, n, s in the paper.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenetv2(g: GraphBuilder) -> Value:
    """Logits, shape (1, 1000)."""
    x = g.conv_bn("conv1", g.image, 32, kernel=3, stride=2, pad=1, gain=STEM_GAIN)
    x = g.relu6("conv1/relu6", x)
    block = 0
    for expansion, channels, count, first_stride in STAGES:
        for index in range(count):
            block += 1
            stride = first_stride if index == 0 else 1
            x = _inverted_residual(
                g, f"block{block}", x, channels, expansion=expansion, stride=stride
            )
    x = g.conv_bn("conv2", x, 1280, kernel=1)
    x = g.relu6("conv2/relu6", x)
    x = g.global_average_pool("pool", x)
    x = g.flatten("flatten", x)
    x = g.dropout("drop", x)
    return g.gemm("fc", x, 1000, gain=CLASSIFIER_GAIN)


def _inverted_residual(
    g: GraphBuilder, name: str, x: Value, channels: int, *, expansion: int, stride: int
) -> Value:
    y, width = x, expansion * x.channels
    if expansion > 1:
        y = g.conv_bn(f"{name}/expand", y, width, kernel=1)
        y = g.relu6(f"{name}/expand/relu6", y)
    y = g.conv_bn(f"{name}/depthwise", y, width, kernel=3, stride=stride, pad=1, groups=width)
    y = g.relu6(f"{name}/depthwise/relu6", y)
    y = g.conv_bn(f"{name}/project", y, channels, kernel=1, gain=LINEAR_GAIN)
    return g.add(f"{name}/add", y, x) if y.shape == x.shape else y
