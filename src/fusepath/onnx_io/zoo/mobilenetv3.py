"""MobileNetV3-Large: Howard et al., arXiv:1905.02244, Table 1.

Squeezed channels are a fourth of the expanded ones, rounded to a multiple of 8, as in torchvision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fusepath.onnx_io.zoo.blocks import multiple_of_8, squeeze_excite
from fusepath.onnx_io.zoo.weights import CLASSIFIER_GAIN, LINEAR_GAIN, STEM_GAIN

if TYPE_CHECKING:
    from fusepath.onnx_io.zoo.builder import GraphBuilder
    from fusepath.onnx_io.zoo.graph import Value


class Block(NamedTuple):
    """A row of Table 1."""

    kernel: int
    expanded: int
    channels: int
    excited: bool
    swish: bool
    stride: int


BLOCKS = (
    Block(3, 16, 16, False, False, 1),
    Block(3, 64, 24, False, False, 2),
    Block(3, 72, 24, False, False, 1),
    Block(5, 72, 40, True, False, 2),
    Block(5, 120, 40, True, False, 1),
    Block(5, 120, 40, True, False, 1),
    Block(3, 240, 80, False, True, 2),
    Block(3, 200, 80, False, True, 1),
    Block(3, 184, 80, False, True, 1),
    Block(3, 184, 80, False, True, 1),
    Block(3, 480, 112, True, True, 1),
    Block(3, 672, 112, True, True, 1),
    Block(5, 672, 160, True, True, 2),
    Block(5, 960, 160, True, True, 1),
    Block(5, 960, 160, True, True, 1),
)


def mobilenetv3_large(g: GraphBuilder) -> Value:
    """Logits, shape (1, 1000)."""
    x = g.conv_bn("conv1", g.image, 16, kernel=3, stride=2, pad=1, gain=STEM_GAIN)
    x = g.hard_swish("conv1/hswish", x)
    for index, block in enumerate(BLOCKS, start=1):
        x = _block(g, f"block{index}", x, block)
    x = g.hard_swish("conv2/hswish", g.conv_bn("conv2", x, 960, kernel=1))
    x = g.global_average_pool("pool", x)
    x = g.flatten("flatten", x)
    x = g.hard_swish("fc1/hswish", g.gemm("fc1", x, 1280))
    x = g.dropout("drop", x)
    return g.gemm("fc2", x, 1000, gain=CLASSIFIER_GAIN)


def _block(g: GraphBuilder, name: str, x: Value, block: Block) -> Value:
    activation = g.hard_swish if block.swish else g.relu
    y, width = x, block.expanded
    if width != x.channels:
        y = activation(f"{name}/expand/act", g.conv_bn(f"{name}/expand", y, width, kernel=1))
    y = g.conv_bn(
        f"{name}/depthwise",
        y,
        width,
        kernel=block.kernel,
        stride=block.stride,
        pad=block.kernel // 2,
        groups=width,
    )
    y = activation(f"{name}/depthwise/act", y)
    if block.excited:
        squeezed = multiple_of_8(width / 4)
        y = squeeze_excite(g, f"{name}/se", y, squeezed, inner=g.relu, gate=g.hard_sigmoid)
    y = g.conv_bn(f"{name}/project", y, block.channels, kernel=1, gain=LINEAR_GAIN)
    return g.add(f"{name}/add", y, x) if y.shape == x.shape else y
