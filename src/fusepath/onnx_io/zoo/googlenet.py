"""GoogLeNet: Szegedy et al., arXiv:1409.4842, Table 1, as torchvision has it.

With batch normalisation, poolings that round up, and 3×3 where the paper has 5×5; without the
auxiliary classifiers, which only training has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.zoo.blocks import conv_bn_relu
from fusepath.onnx_io.zoo.weights import CLASSIFIER_GAIN, STEM_GAIN

if TYPE_CHECKING:
    from fusepath.onnx_io.zoo.builder import GraphBuilder
    from fusepath.onnx_io.zoo.graph import Value

# Channels of 1×1; of 3×3 behind a reduction; of "5×5" behind a reduction; behind the pooling.
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(g: GraphBuilder) -> Value:
    """Logits, shape (1, 1000)."""
    x = conv_bn_relu(g, "conv1", g.image, 64, kernel=7, stride=2, pad=3, gain=STEM_GAIN)
    x = g.max_pool("pool1", x, kernel=3, stride=2, ceil=True)
    x = conv_bn_relu(g, "conv2", x, 64, kernel=1)
    x = conv_bn_relu(g, "conv3", x, 192, kernel=3, pad=1)
    x = g.max_pool("pool2", x, kernel=3, stride=2, ceil=True)
    for name, widths in INCEPTIONS.items():
        if name == "4a":
            x = g.max_pool("pool3", x, kernel=3, stride=2, ceil=True)
        if name == "5a":
            x = g.max_pool("pool4", x, kernel=2, stride=2, ceil=True)
        x = _inception(g, f"inception{name}", x, widths)
    x = g.global_average_pool("pool5", x)
    x = g.flatten("flatten", x)
    x = g.dropout("drop", x)
    return g.gemm("fc", x, 1000, gain=CLASSIFIER_GAIN)


def _inception(g: GraphBuilder, name: str, x: Value, widths: tuple[int, ...]) -> Value:
    one, reduce_three, three, reduce_five, five, pooled = widths
    branches = [conv_bn_relu(g, f"{name}/branch1", x, one, kernel=1)]
    for index, reduced, channels in ((2, reduce_three, three), (3, reduce_five, five)):
        y = conv_bn_relu(g, f"{name}/branch{index}/reduce", x, reduced, kernel=1)
        branches.append(conv_bn_relu(g, f"{name}/branch{index}/conv", y, channels, kernel=3, pad=1))
    y = g.max_pool(f"{name}/branch4/pool", x, kernel=3, stride=1, pad_begin=1, pad_end=1)
    branches.append(conv_bn_relu(g, f"{name}/branch4/conv", y, pooled, kernel=1))
    return g.concat(f"{name}/concat", *branches)
