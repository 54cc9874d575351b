"""U-Net: Ronneberger et al., arXiv:1505.04597, with padded convolutions and batch normalisation.

Sizes as in the brain segmentation model of the PyTorch hub: 32 channels at full size, four
halvings, one class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.zoo.blocks import conv_bn_relu
from fusepath.onnx_io.zoo.weights import CLASSIFIER_GAIN, STEM_GAIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.onnx_io.zoo.builder import GraphBuilder
    from fusepath.onnx_io.zoo.graph import Value

WIDTHS = (32, 64, 128, 256)
DEEPEST = 512


def unet(g: GraphBuilder) -> Value:
    """Probabilities of one class, shape (1, 1, S, S)."""
    return unet_with(
        g, lambda name, x: g.conv_transpose(f"{name}/up", x, x.channels // 2, kernel=2)
    )


def unet_with(g: GraphBuilder, up: Callable[[str, Value], Value]) -> Value:
    """`unet` with another way to double a map, which halves its channels."""
    x, skips = g.image, []
    for index, width in enumerate(WIDTHS, start=1):
        x = _twice(g, f"encoder{index}", x, width)
        skips.append(x)
        x = g.max_pool(f"pool{index}", x, kernel=2, stride=2)
    x = _twice(g, "bottleneck", x, DEEPEST)
    for index in range(len(WIDTHS), 0, -1):
        skip = skips.pop()
        x = g.concat(f"decoder{index}/concat", up(f"decoder{index}", x), skip)
        x = _twice(g, f"decoder{index}", x, skip.channels)
    return g.sigmoid("prob", g.conv("head", x, 1, kernel=1, gain=CLASSIFIER_GAIN))


def _twice(g: GraphBuilder, name: str, x: Value, channels: int) -> Value:
    for index in (1, 2):
        gain = STEM_GAIN if x is g.image else 1.0
        x = conv_bn_relu(g, f"{name}/conv{index}", x, channels, kernel=3, pad=1, gain=gain)
    return x
