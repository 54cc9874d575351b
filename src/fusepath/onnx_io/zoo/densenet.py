"""DenseNet-121: Huang et al., arXiv:1608.06993, Table 1, growth 32, bottlenecks of 4 × 32."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.zoo.blocks import conv_bn_relu
from fusepath.onnx_io.zoo.weights import CLASSIFIER_GAIN, STEM_GAIN

if TYPE_CHECKING:
    from fusepath.onnx_io.zoo.builder import GraphBuilder
    from fusepath.onnx_io.zoo.graph import Value

BLOCKS = (6, 12, 24, 16)
GROWTH = 32
BOTTLENECK = 4 * GROWTH


def densenet121(g: GraphBuilder) -> Value:
    """Logits, shape (1, 1000)."""
    x = conv_bn_relu(g, "conv0", g.image, 64, kernel=7, stride=2, pad=3, gain=STEM_GAIN)
    x = g.max_pool("pool0", x, kernel=3, stride=2, pad_begin=1, pad_end=1)
    for block, count in enumerate(BLOCKS, start=1):
        if block > 1:
            name = f"transition{block - 1}"
            x = _preactivated(g, name, x, x.channels // 2, kernel=1)
            x = g.average_pool(f"{name}/pool", x, kernel=2, stride=2)
        for index in range(1, count + 1):
            name = f"block{block}/layer{index}"
            y = _preactivated(g, f"{name}/conv1", x, BOTTLENECK, kernel=1)
            y = _preactivated(g, f"{name}/conv2", y, GROWTH, kernel=3)
            x = g.concat(f"{name}/concat", x, y)
    x = g.relu("norm5/relu", g.batch_norm("norm5", x))
    x = g.global_average_pool("pool5", x)
    x = g.flatten("flatten", x)
    return g.gemm("fc", x, 1000, gain=CLASSIFIER_GAIN)


def _preactivated(g: GraphBuilder, name: str, x: Value, channels: int, *, kernel: int) -> Value:
    x = g.relu(f"{name}/relu", g.batch_norm(f"{name}/norm", x))
    return g.conv(name, x, channels, kernel=kernel, pad=kernel // 2, bias=False)
