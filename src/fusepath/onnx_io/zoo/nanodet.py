"""A detector like NanoDet: ShuffleNetV2, a neck of depthwise convolutions, three light heads.

Widths, heads and outputs of NanoDet-m (80 classes of COCO, 8 bins per side of a box); the neck is
that of a path aggregation network with nearest Resize and Concat, so the counts are its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.zoo.blocks import conv_bn_relu
from fusepath.onnx_io.zoo.shufflenet import shufflenet_stages
from fusepath.onnx_io.zoo.weights import LINEAR_GAIN

if TYPE_CHECKING:
    from fusepath.onnx_io.zoo.builder import GraphBuilder
    from fusepath.onnx_io.zoo.graph import Value

WIDTH = 96
OUTPUTS = 80 + 4 * 8
HEAD_DEPTH = 2


def nanodet(g: GraphBuilder) -> tuple[Value, ...]:
    """Classes and boxes at strides 8, 16 and 32, shape (1, 112, S/stride, S/stride)."""
    small, middle, large = (
        conv_bn_relu(g, f"neck/lateral{index}", x, WIDTH, kernel=1)
        for index, x in enumerate(shufflenet_stages(g), start=1)
    )
    middle = _join(g, "neck/fpn16", g.upsample("neck/up16", large), middle)
    small = _join(g, "neck/fpn8", g.upsample("neck/up8", middle), small)
    middle = _join(g, "neck/pan16", _separable(g, "neck/down16", small, stride=2), middle)
    large = _join(g, "neck/pan32", _separable(g, "neck/down32", middle, stride=2), large)
    return tuple(_head(g, f"head{i}", x) for i, x in enumerate((small, middle, large), start=1))


def _join(g: GraphBuilder, name: str, a: Value, b: Value) -> Value:
    return _separable(g, name, g.concat(f"{name}/concat", a, b), stride=1)


def _separable(g: GraphBuilder, name: str, x: Value, *, stride: int) -> Value:
    channels = x.channels
    x = conv_bn_relu(
        g, f"{name}/depthwise", x, channels, kernel=3, stride=stride, pad=1, groups=channels
    )
    return conv_bn_relu(g, f"{name}/pointwise", x, WIDTH, kernel=1)


def _head(g: GraphBuilder, name: str, x: Value) -> Value:
    for index in range(1, HEAD_DEPTH + 1):
        x = _separable(g, f"{name}/tower{index}", x, stride=1)
    return g.conv(name, x, OUTPUTS, kernel=1, gain=LINEAR_GAIN)
