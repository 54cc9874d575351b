"""AlexNet: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep CNNs", 2012.

The single-column sizes of Caffe's ``bvlc_alexnet``, in the order of the paper (Sec. 3.5):
convolution, rectifier, normalisation, pooling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.zoo.weights import CLASSIFIER_GAIN, STEM_GAIN

if TYPE_CHECKING:
    from fusepath.onnx_io.zoo.builder import GraphBuilder
    from fusepath.onnx_io.zoo.graph import Value


def alexnet(g: GraphBuilder) -> Value:
    """Class probabilities, shape (1, 1000)."""
    x = g.conv("conv1", g.image, 96, kernel=11, stride=4, gain=STEM_GAIN)
    x = g.relu("relu1", x)
    x = g.lrn("norm1", x)
    x = g.max_pool("pool1", x, kernel=3, stride=2)
    x = g.conv("conv2", x, 256, kernel=5, pad=2, groups=2)
    x = g.relu("relu2", x)
    x = g.lrn("norm2", x)
    x = g.max_pool("pool2", x, kernel=3, stride=2)
    for index, channels, groups in ((3, 384, 1), (4, 384, 2), (5, 256, 2)):
        x = g.conv(f"conv{index}", x, channels, kernel=3, pad=1, groups=groups)
        x = g.relu(f"relu{index}", x)
    x = g.max_pool("pool5", x, kernel=3, stride=2)
    x = g.flatten("flatten", x)
    for index in (6, 7):
        x = g.gemm(f"fc{index}", x, 4096)
        x = g.relu(f"relu{index}", x)
        x = g.dropout(f"drop{index}", x)
    x = g.gemm("fc8", x, 1000, gain=CLASSIFIER_GAIN)
    return g.softmax("prob", x)
