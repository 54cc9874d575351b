"""YOLOv5n and YOLOv8n of Ultralytics: backbone, FPN and PAN neck, three heads, 80 classes of COCO.

The layers of ``yolov5n.yaml`` (release 6.0 and later) and ``yolov8n.yaml`` up to the last
convolutions; decoding boxes from them is left to the reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.zoo.blocks import conv_bn_silu
from fusepath.onnx_io.zoo.weights import LINEAR_GAIN, STEM_GAIN

if TYPE_CHECKING:
    from typing import Protocol

    from fusepath.onnx_io.zoo.builder import GraphBuilder
    from fusepath.onnx_io.zoo.graph import Value

    class _Stage(Protocol):
        """A block of `count` bottlenecks."""

        def __call__(
            self, g: GraphBuilder, name: str, x: Value, channels: int, count: int, *, shortcut: bool
        ) -> Value: ...


WIDTHS = (32, 64, 128, 256)
CLASSES = 80
ANCHORS = 3
BOX_BINS = 4 * 16
"""Of the distribution that YOLOv8 has for each side of a box."""


def yolov5n(g: GraphBuilder) -> tuple[Value, ...]:
    """Predictions at strides 8, 16 and 32, shape (1, 255, S/stride, S/stride)."""
    stem = conv_bn_silu(g, "conv0", g.image, 16, kernel=6, stride=2, pad=2, gain=STEM_GAIN)
    small, middle, large = _backbone(g, stem, _c3, depths=(1, 2, 3, 1))
    top = conv_bn_silu(g, "neck/reduce32", large, 128, kernel=1)
    middle = g.concat("neck/cat16", g.upsample("neck/up16", top), middle)
    middle = _c3(g, "neck/fpn16", middle, 128, 1, shortcut=False)
    side = conv_bn_silu(g, "neck/reduce16", middle, 64, kernel=1)
    small = g.concat("neck/cat8", g.upsample("neck/up8", side), small)
    small = _c3(g, "neck/fpn8", small, 64, 1, shortcut=False)
    heads = _downwards(g, small, (side, top), _c3)
    outputs = ANCHORS * (5 + CLASSES)
    return tuple(
        g.conv(f"head{index}", x, outputs, kernel=1, gain=LINEAR_GAIN)
        for index, x in enumerate(heads, start=1)
    )


def yolov8n(g: GraphBuilder) -> tuple[Value, ...]:
    """Boxes and classes at strides 8, 16 and 32, shape (1, 144, S/stride, S/stride)."""
    stem = conv_bn_silu(g, "conv0", g.image, 16, kernel=3, stride=2, pad=1, gain=STEM_GAIN)
    small, middle, large = _backbone(g, stem, _c2f, depths=(1, 2, 2, 1))
    middle = g.concat("neck/cat16", g.upsample("neck/up16", large), middle)
    middle = _c2f(g, "neck/fpn16", middle, 128, 1, shortcut=False)
    small = g.concat("neck/cat8", g.upsample("neck/up8", middle), small)
    small = _c2f(g, "neck/fpn8", small, 64, 1, shortcut=False)
    heads = _downwards(g, small, (middle, large), _c2f)
    return tuple(_decoupled(g, f"head{index}", x) for index, x in enumerate(heads, start=1))


def _backbone(
    g: GraphBuilder, x: Value, stage: _Stage, *, depths: tuple[int, ...]
) -> tuple[Value, Value, Value]:
    """The maps at strides 8, 16 and 32."""
    maps = []
    for index, (channels, count) in enumerate(zip(WIDTHS, depths, strict=True), start=1):
        x = conv_bn_silu(g, f"conv{index}", x, channels, kernel=3, stride=2, pad=1)
        x = stage(g, f"stage{index}", x, channels, count, shortcut=True)
        maps.append(x)
    small, middle, large = maps[1:]
    return small, middle, _sppf(g, "sppf", large)


def _downwards(g: GraphBuilder, x: Value, sides: tuple[Value, Value], stage: _Stage) -> list[Value]:
    """The path that carries strong positions down again: three maps, each half as high."""
    maps = [x]
    for stride, side in zip((16, 32), sides, strict=True):
        x = conv_bn_silu(g, f"neck/down{stride}", x, x.channels, kernel=3, stride=2, pad=1)
        x = g.concat(f"neck/back{stride}", x, side)
        x = stage(g, f"neck/pan{stride}", x, 8 * stride, 1, shortcut=False)
        maps.append(x)
    return maps


def _c3(
    g: GraphBuilder, name: str, x: Value, channels: int, count: int, *, shortcut: bool
) -> Value:
    """Half of the channels through bottlenecks, half past them."""
    y = conv_bn_silu(g, f"{name}/cv1", x, channels // 2, kernel=1)
    for index in range(1, count + 1):
        y = _bottleneck(g, f"{name}/m{index}", y, kernel=1, shortcut=shortcut)
    z = conv_bn_silu(g, f"{name}/cv2", x, channels // 2, kernel=1)
    return conv_bn_silu(g, f"{name}/cv3", g.concat(f"{name}/concat", y, z), channels, kernel=1)


def _c2f(
    g: GraphBuilder, name: str, x: Value, channels: int, count: int, *, shortcut: bool
) -> Value:
    """As `_c3`, with what every bottleneck gives kept for the last convolution."""
    kept = [*g.halves(f"{name}/split", conv_bn_silu(g, f"{name}/cv1", x, channels, kernel=1))]
    for index in range(1, count + 1):
        kept.append(_bottleneck(g, f"{name}/m{index}", kept[-1], kernel=3, shortcut=shortcut))
    return conv_bn_silu(g, f"{name}/cv2", g.concat(f"{name}/concat", *kept), channels, kernel=1)


def _bottleneck(g: GraphBuilder, name: str, x: Value, *, kernel: int, shortcut: bool) -> Value:
    y = conv_bn_silu(g, f"{name}/cv1", x, x.channels, kernel=kernel, pad=kernel // 2)
    y = conv_bn_silu(g, f"{name}/cv2", y, x.channels, kernel=3, pad=1)
    return g.add(f"{name}/add", x, y) if shortcut else y


def _sppf(g: GraphBuilder, name: str, x: Value) -> Value:
    """Maxima over 5×5, 9×9 and 13×13 beside the map itself."""
    pyramid = [conv_bn_silu(g, f"{name}/cv1", x, x.channels // 2, kernel=1)]
    for index in (1, 2, 3):
        pool = g.max_pool(
            f"{name}/pool{index}", pyramid[-1], kernel=5, stride=1, pad_begin=2, pad_end=2
        )
        pyramid.append(pool)
    y = g.concat(f"{name}/concat", *pyramid)
    return conv_bn_silu(g, f"{name}/cv2", y, x.channels, kernel=1)


def _decoupled(g: GraphBuilder, name: str, x: Value) -> Value:
    """Boxes and classes by convolutions of their own."""
    parts = []
    for part, width, outputs in (("box", 64, BOX_BINS), ("class", CLASSES, CLASSES)):
        y = conv_bn_silu(g, f"{name}/{part}1", x, width, kernel=3, pad=1)
        y = conv_bn_silu(g, f"{name}/{part}2", y, width, kernel=3, pad=1)
        parts.append(g.conv(f"{name}/{part}3", y, outputs, kernel=1, gain=LINEAR_GAIN))
    return g.concat(name, *parts)
