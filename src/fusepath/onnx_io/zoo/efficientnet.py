"""EfficientNet-B0: Tan and Le, arXiv:1905.11946, Table 1.

Squeezed channels are a fourth of what the block reads, as in the authors' code and torchvision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.zoo.blocks import conv_bn_silu, squeeze_excite
from fusepath.onnx_io.zoo.weights import CLASSIFIER_GAIN, LINEAR_GAIN, STEM_GAIN

if TYPE_CHECKING:
    from fusepath.onnx_io.zoo.builder import GraphBuilder
    from fusepath.onnx_io.zoo.graph import Value

# Expansion, kernel, stride of the first block, output channels, blocks.
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


def efficientnet_b0(g: GraphBuilder) -> Value:
    """Logits, shape (1, 1000)."""
    x = conv_bn_silu(g, "conv1", g.image, 32, kernel=3, stride=2, pad=1, gain=STEM_GAIN)
    block = 0
    for expansion, kernel, first_stride, channels, count in STAGES:
        for index in range(count):
            block += 1
            window = (kernel, first_stride if index == 0 else 1)
            x = _block(g, f"block{block}", x, channels, expansion=expansion, window=window)
    x = conv_bn_silu(g, "conv2", x, 1280, kernel=1)
    x = g.global_average_pool("pool", x)
    x = g.flatten("flatten", x)
    x = g.dropout("drop", x)
    return g.gemm("fc", x, 1000, gain=CLASSIFIER_GAIN)


def _block(
    g: GraphBuilder,
    name: str,
    x: Value,
    channels: int,
    *,
    expansion: int,
    window: tuple[int, int],
) -> Value:
    kernel, stride = window
    y, width = x, expansion * x.channels
    if expansion > 1:
        y = conv_bn_silu(g, f"{name}/expand", y, width, kernel=1)
    y = conv_bn_silu(
        g,
        f"{name}/depthwise",
        y,
        width,
        kernel=kernel,
        stride=stride,
        pad=kernel // 2,
        groups=width,
    )
    y = squeeze_excite(g, f"{name}/se", y, x.channels // 4, inner=g.silu, gate=g.sigmoid)
    y = g.conv_bn(f"{name}/project", y, channels, kernel=1, gain=LINEAR_GAIN)
    return g.add(f"{name}/add", y, x) if y.shape == x.shape else y
