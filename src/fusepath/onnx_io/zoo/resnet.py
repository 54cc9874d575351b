"""ResNet-18, -50 and -101: He et al., arXiv:1512.03385, Table 1, in the form known as v1.5.

v1.5 halves the map in the 3×3 convolution of a bottleneck, the paper in the 1×1 before it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fusepath.onnx_io.zoo.weights import (
    CLASSIFIER_GAIN,
    DEEP_RESIDUAL_SCALE,
    LINEAR_GAIN,
    RESIDUAL_SCALE,
    STEM_GAIN,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.onnx_io.zoo.builder import GraphBuilder
    from fusepath.onnx_io.zoo.graph import Value


def resnet18(g: GraphBuilder) -> Value:
    """Logits, shape (1, 1000)."""
    return _resnet(g, branch=_basic, blocks=(2, 2, 2, 2), expansion=1)


def resnet50(g: GraphBuilder) -> Value:
    """Logits, shape (1, 1000)."""
    return _resnet(g, branch=_bottleneck, blocks=(3, 4, 6, 3), expansion=4)


def resnet101(g: GraphBuilder) -> Value:
    """Logits, shape (1, 1000)."""
    deep = partial(_bottleneck, scale=DEEP_RESIDUAL_SCALE)
    return _resnet(g, branch=deep, blocks=(3, 4, 23, 3), expansion=4)


def _resnet(
    g: GraphBuilder,
    *,
    branch: Callable[[GraphBuilder, str, Value, int, int], Value],
    blocks: tuple[int, ...],
    expansion: int,
) -> Value:
    x = g.conv_bn("conv1", g.image, 64, kernel=7, stride=2, pad=3, gain=STEM_GAIN)
    x = g.relu("conv1/relu", x)
    x = g.max_pool("pool1", x, kernel=3, stride=2, pad_begin=1, pad_end=1)
    for stage, count in enumerate(blocks, start=1):
        width = 32 << stage
        for index in range(1, count + 1):
            name = f"layer{stage}/block{index}"
            stride = 2 if stage > 1 and index == 1 else 1
            y = branch(g, name, x, width, stride)
            if x.shape != y.shape:
                x = g.conv_bn(
                    f"{name}/project",
                    x,
                    width * expansion,
                    kernel=1,
                    stride=stride,
                    gain=LINEAR_GAIN,
                )
            x = g.relu(f"{name}/relu", g.add(f"{name}/add", y, x))
    x = g.global_average_pool("pool5", x)
    x = g.flatten("flatten", x)
    return g.gemm("fc", x, 1000, gain=CLASSIFIER_GAIN)


def _basic(g: GraphBuilder, name: str, x: Value, width: int, stride: int) -> Value:
    x = g.conv_bn(f"{name}/conv1", x, width, kernel=3, stride=stride, pad=1)
    x = g.relu(f"{name}/conv1/relu", x)
    return g.conv_bn(f"{name}/conv2", x, width, kernel=3, pad=1, scale=RESIDUAL_SCALE)


def _bottleneck(
    g: GraphBuilder,
    name: str,
    x: Value,
    width: int,
    stride: int,
    *,
    scale: float = RESIDUAL_SCALE,
) -> Value:
    x = g.conv_bn(f"{name}/conv1", x, width, kernel=1)
    x = g.relu(f"{name}/conv1/relu", x)
    x = g.conv_bn(f"{name}/conv2", x, width, kernel=3, stride=stride, pad=1)
    x = g.relu(f"{name}/conv2/relu", x)
    return g.conv_bn(f"{name}/conv3", x, 4 * width, kernel=1, scale=scale)
