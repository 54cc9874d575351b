"""YOLOv2 and Tiny YOLOv2 for the 20 classes of VOC: Redmon and Farhadi, arXiv:1612.08242.

The layers of Darknet's ``yolov2-voc.cfg`` and ``tiny-yolo-voc.cfg`` up to the last convolution;
decoding boxes from it is left to the reader. Darknet's reorg shuffles its elements differently
from SpaceToDepth; with weights that were never trained on either, size and reach are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.zoo.weights import LINEAR_GAIN, STEM_GAIN

if TYPE_CHECKING:
    from fusepath.onnx_io.zoo.builder import GraphBuilder
    from fusepath.onnx_io.zoo.graph import Value

ANCHORS = 5
CLASSES = 20
OUTPUT_CHANNELS = ANCHORS * (4 + 1 + CLASSES)

# Output channels of each stage; a maximum over 2×2 stands between stages. Kernels alternate
# between 3×3 and 1×1.
STAGES = (
    (32,),
    (64,),
    (128, 64, 128),
    (256, 128, 256),
    (512, 256, 512, 256, 512),
    (1024, 512, 1024, 512, 1024),
)


def yolov2(g: GraphBuilder) -> Value:
    """Box predictions, shape (1, 125, S/32, S/32)."""
    x = passthrough = g.image
    index = 0
    for stage, widths in enumerate(STAGES):
        if stage:
            passthrough = x
            x = g.max_pool(f"pool{stage}", x, kernel=2, stride=2)
        for position, channels in enumerate(widths):
            index += 1
            x = _block(g, index, x, channels, kernel=1 if position % 2 else 3)
    x = _block(g, 19, x, 1024)
    x = _block(g, 20, x, 1024)
    side = _block(g, 21, passthrough, 64, kernel=1)
    side = g.space_to_depth("reorg", side, block=2)
    x = g.concat("route", side, x)
    x = _block(g, 22, x, 1024)
    return g.conv("conv23", x, OUTPUT_CHANNELS, kernel=1, gain=LINEAR_GAIN)


def tiny_yolov2(g: GraphBuilder) -> Value:
    """Box predictions, shape (1, 125, S/32, S/32)."""
    x = g.image
    for index, channels in enumerate((16, 32, 64, 128, 256), start=1):
        x = _block(g, index, x, channels)
        x = g.max_pool(f"pool{index}", x, kernel=2, stride=2)
    x = _block(g, 6, x, 512)
    # Stride 1 with an even window keeps its size only if one side, the end, is padded.
    x = g.max_pool("pool6", x, kernel=2, stride=1, pad_end=1)
    x = _block(g, 7, x, 1024)
    x = _block(g, 8, x, 1024)
    return g.conv("conv9", x, OUTPUT_CHANNELS, kernel=1, gain=LINEAR_GAIN)


def _block(g: GraphBuilder, index: int, x: Value, channels: int, *, kernel: int = 3) -> Value:
    """Darknet's ``[convolutional]`` with ``batch_normalize=1`` and ``activation=leaky``."""
    gain = STEM_GAIN if index == 1 else 1.0
    x = g.conv_bn(f"conv{index}", x, channels, kernel=kernel, pad=kernel // 2, gain=gain)
    return g.leaky_relu(f"conv{index}/leaky", x)
