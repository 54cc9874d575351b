"""VGG-16 and VGG-19, configurations D and E: Simonyan and Zisserman, arXiv:1409.1556, Table 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.zoo.weights import CLASSIFIER_GAIN, STEM_GAIN

if TYPE_CHECKING:
    from fusepath.onnx_io.zoo.builder import GraphBuilder
    from fusepath.onnx_io.zoo.graph import Value

WIDTHS = (64, 128, 256, 512, 512)


def vgg16(g: GraphBuilder) -> Value:
    """Class probabilities, shape (1, 1000)."""
    return _vgg(g, convolutions=(2, 2, 3, 3, 3))


def vgg19(g: GraphBuilder) -> Value:
    """Class probabilities, shape (1, 1000)."""
    return _vgg(g, convolutions=(2, 2, 4, 4, 4))


def _vgg(g: GraphBuilder, *, convolutions: tuple[int, ...]) -> Value:
    x = g.image
    for stage, (channels, count) in enumerate(zip(WIDTHS, convolutions, strict=True), start=1):
        for position in range(1, count + 1):
            name = f"conv{stage}_{position}"
            gain = STEM_GAIN if x is g.image else 1.0
            x = g.conv(name, x, channels, kernel=3, pad=1, gain=gain)
            x = g.relu(f"{name}/relu", x)
        x = g.max_pool(f"pool{stage}", x, kernel=2, stride=2)
    x = g.flatten("flatten", x)
    for index in (6, 7):
        x = g.gemm(f"fc{index}", x, 4096)
        x = g.relu(f"fc{index}/relu", x)
        x = g.dropout(f"drop{index}", x)
    x = g.gemm("fc8", x, 1000, gain=CLASSIFIER_GAIN)
    return g.softmax("prob", x)
