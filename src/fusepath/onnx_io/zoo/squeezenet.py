"""SqueezeNet 1.0 and 1.1: Iandola et al., arXiv:1602.07360; 1.1 from the authors' repository.

Sizes as in torchvision: the first convolution is not padded, the poolings round up and the last
convolution is not padded either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.zoo.weights import CLASSIFIER_GAIN, STEM_GAIN

if TYPE_CHECKING:
    from fusepath.onnx_io.zoo.builder import GraphBuilder
    from fusepath.onnx_io.zoo.graph import Value


def squeezenet1_0(g: GraphBuilder) -> Value:
    """Class probabilities, shape (1, 1000)."""
    return _squeezenet(g, channels=96, kernel=7, pool_before=(2, 5, 9))


def squeezenet1_1(g: GraphBuilder) -> Value:
    """Class probabilities, shape (1, 1000); the same fire modules behind earlier poolings."""
    return _squeezenet(g, channels=64, kernel=3, pool_before=(2, 4, 6))


def _squeezenet(
    g: GraphBuilder, *, channels: int, kernel: int, pool_before: tuple[int, ...]
) -> Value:
    x = g.conv("conv1", g.image, channels, kernel=kernel, stride=2, gain=STEM_GAIN)
    x = g.relu("conv1/relu", x)
    for index, squeeze in enumerate((16, 16, 32, 32, 48, 48, 64, 64), start=2):
        if index in pool_before:
            x = g.max_pool(f"pool{index - 1}", x, kernel=3, stride=2, ceil=True)
        x = _fire(g, f"fire{index}", x, squeeze=squeeze)
    x = g.dropout("drop9", x)
    x = g.conv("conv10", x, 1000, kernel=1, gain=CLASSIFIER_GAIN)
    x = g.relu("conv10/relu", x)
    x = g.global_average_pool("pool10", x)
    x = g.flatten("flatten", x)
    return g.softmax("prob", x)


def _fire(g: GraphBuilder, name: str, x: Value, *, squeeze: int) -> Value:
    """Squeeze to `squeeze` channels, expand to four times as many by 1×1 and by 3×3."""
    x = g.conv(f"{name}/squeeze1x1", x, squeeze, kernel=1)
    x = g.relu(f"{name}/squeeze1x1/relu", x)
    narrow = g.conv(f"{name}/expand1x1", x, 4 * squeeze, kernel=1)
    narrow = g.relu(f"{name}/expand1x1/relu", narrow)
    wide = g.conv(f"{name}/expand3x3", x, 4 * squeeze, kernel=3, pad=1)
    wide = g.relu(f"{name}/expand3x3/relu", wide)
    return g.concat(f"{name}/concat", narrow, wide)
