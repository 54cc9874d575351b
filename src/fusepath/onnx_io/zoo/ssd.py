"""SSD on MobileNetV1: Howard et al., arXiv:1704.04861, Table 13; Liu et al., arXiv:1512.02325.

Six heads of 1×1 convolutions for 90 classes and the background, as in the object detection models
of TensorFlow; every head gives the corners and classes of its boxes as one map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.zoo.blocks import conv_bn_relu6
from fusepath.onnx_io.zoo.weights import LINEAR_GAIN, STEM_GAIN

if TYPE_CHECKING:
    from fusepath.onnx_io.zoo.builder import GraphBuilder
    from fusepath.onnx_io.zoo.graph import Value

# Stride and output channels of the depthwise separable layers.
BACKBONE = (
    *((1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)),
    *((1, 512), (1, 512), (1, 512), (1, 512), (1, 512), (2, 1024), (1, 1024)),
)
FIRST_HEAD = 11
"""The separable layer that the first head reads; the second reads the last."""
EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))
BOX_OUTPUTS = 4 + 91


def ssd_mobilenet(g: GraphBuilder) -> tuple[Value, ...]:
    """Boxes at six scales, shape (1, boxes · 95, h, w): 3 boxes per position, then 6."""
    first, x = mobilenetv1(g)
    maps = [first, x]
    for index, (reduced, channels) in enumerate(EXTRAS, start=1):
        x = conv_bn_relu6(g, f"extra{index}/reduce", x, reduced, kernel=1)
        x = conv_bn_relu6(g, f"extra{index}", x, channels, kernel=3, stride=2, pad=1)
        maps.append(x)
    return tuple(
        g.conv(f"head{i}", x, (3 if i == 1 else 6) * BOX_OUTPUTS, kernel=1, gain=LINEAR_GAIN)
        for i, x in enumerate(maps, start=1)
    )


def mobilenetv1(g: GraphBuilder) -> tuple[Value, Value]:
    """The maps at strides 16 and 32 of MobileNetV1, width 1.0."""
    x = first = conv_bn_relu6(g, "conv0", g.image, 32, kernel=3, stride=2, pad=1, gain=STEM_GAIN)
    for index, (stride, channels) in enumerate(BACKBONE, start=1):
        name, width = f"conv{index}", x.channels
        x = conv_bn_relu6(
            g, f"{name}/depthwise", x, width, kernel=3, stride=stride, pad=1, groups=width
        )
        x = conv_bn_relu6(g, f"{name}/pointwise", x, channels, kernel=1)
        if index == FIRST_HEAD:
            first = x
    return first, x
