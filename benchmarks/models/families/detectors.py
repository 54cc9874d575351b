"""Networks that find things, with the tails that their exporters write: rows of boxes."""

from __future__ import annotations

import numpy as np

from fusepath.onnx_io.zoo import yolo_necks
from fusepath.onnx_io.zoo.blocks import conv_bn_relu, conv_bn_relu6
from fusepath.onnx_io.zoo.nanodet import nanodet as nanodet_heads
from fusepath.onnx_io.zoo.ssd import ssd_mobilenet as ssd_heads
from fusepath.onnx_io.zoo.weights import LINEAR_GAIN, STEM_GAIN

ANCHORS = ((10, 13, 16, 30, 33, 23), (30, 61, 62, 45, 59, 119), (116, 90, 156, 198, 373, 326))


def yolov5n(g):
    """Every head: rows of boxes, decoded beside a grid of corners."""
    rows = []
    for level, x in enumerate(yolo_necks.yolov5n(g)):
        name, (_, _, h, w) = f"detect{level}", x.shape
        y = g.reshape(f"{name}/view", x, (1, 3, 85, h, w))
        y = g.unary("Sigmoid", f"{name}/sigmoid", g.transpose(f"{name}/p", y, (0, 1, 3, 4, 2)))
        centre, extent, scores = g.split(f"{name}/split", y, (2, 2, 81), axis=4)
        corners = np.stack(np.meshgrid(np.arange(w), np.arange(h)), axis=-1) - 0.5
        grid = np.broadcast_to(corners, (1, 3, h, w, 2))
        anchors = np.reshape(ANCHORS[level], (1, 3, 1, 1, 2))
        centre = g.times(f"{name}/twice", centre, 2.0)
        centre = g.with_array("Add", f"{name}/grid", centre, grid)
        centre = g.times(f"{name}/stride", centre, 8 << level)
        extent = g.with_array("Pow", f"{name}/square", g.times(f"{name}/twice1", extent, 2.0), 2)
        extent = g.with_array(
            "Mul", f"{name}/anchor", extent, np.broadcast_to(anchors, (1, 3, h, w, 2))
        )
        y = g.join(f"{name}/cat", [centre, extent, scores], axis=4)
        rows.append(g.reshape(name, y, (1, 3 * h * w, 85)))
    return g.join("boxes", rows, axis=1)


def yolov8n(g):
    """All heads joined, boxes as expected distances to four sides."""
    heads = yolo_necks.yolov8n(g)
    count = sum(x.shape[2] * x.shape[3] for x in heads)
    flat = [
        g.reshape(f"view{i}", x, (1, 144, x.shape[2] * x.shape[3])) for i, x in enumerate(heads)
    ]
    boxes, scores = g.split("split", g.join("cat", flat, axis=2), (64, 80), axis=1)
    y = g.reshape("dfl/view", boxes, (1, 4, 16, count))
    y = g.softmax("dfl/softmax", g.transpose("dfl/p", y, (0, 2, 1, 3)), axis=1)
    y = g.conv("dfl/conv", y, 1, kernel=1, bias=False)
    y = g.reshape("dfl/distances", y, (1, 4, count))
    near, far = g.split("chunk", y, (2, 2), axis=1)
    anchors = np.concatenate(
        [
            np.stack(np.meshgrid(np.arange(w), np.arange(h))).reshape(1, 2, -1) + 0.5
            for _, _, h, w in (x.shape for x in heads)
        ],
        axis=2,
    )
    anchor = g._const(np.float32(anchors))  # noqa: SLF001 - read from the left, too
    first = g._add("Sub", "first", [anchor, near.name], near.shape)  # noqa: SLF001
    second = g.with_array("Add", "second", far, anchors)
    middle = g.times("half", g.add("sum", first, second), 0.5)
    extent = g._add("Sub", "extent", [second.name, first.name], far.shape)  # noqa: SLF001
    strides = np.concatenate(
        [np.full((1, 1, x.shape[2] * x.shape[3]), 8 << i) for i, x in enumerate(heads)], axis=2
    )
    y = g.with_array("Mul", "pixels", g.join("xywh", [middle, extent], axis=1), strides)
    return g.join("predictions", [y, g.unary("Sigmoid", "scores", scores)], axis=1)


def nanodet(g):
    """Scores and box distributions of three scales, one row per position."""
    rows = []
    for level, x in enumerate(nanodet_heads(g)):
        scores, boxes = g.split(f"split{level}", x, (80, 32), axis=1)
        y = g.join(f"cat{level}", [g.unary("Sigmoid", f"sig{level}", scores), boxes], axis=1)
        rows.append(g.reshape(f"flat{level}", y, (1, 112, x.shape[2] * x.shape[3])))
    return g.transpose("rows", g.join("cat", rows, axis=2), (0, 2, 1))


def ssd_mobilenet(g):
    """Six heads as rows of corners and classes."""
    rows = [g.rows(f"rows{i}", x, 95) for i, x in enumerate(ssd_heads(g))]
    corners, classes = g.split("split", g.join("cat", rows, axis=1), (4, 91), axis=2)
    return g.unary("Identity", "corners", corners), g.unary("Sigmoid", "scores", classes)


def ultraface(g):
    """RFB-320: four heads of separable convolutions, softmax over two classes."""
    x = conv_bn_relu(g, "conv0", g.image, 16, kernel=3, stride=2, pad=1, gain=STEM_GAIN)
    for index, (channels, stride) in enumerate(
        ((32, 1), (32, 2), (32, 1), (64, 2), (64, 1), (64, 1)), start=1
    ):
        x = _separable(g, f"conv{index}", x, channels, stride)
    maps = [_receptive_field(g, "rfb", x)]
    for name, widths in {"a": (128, 128, 128), "b": (256, 256)}.items():
        x = maps[-1]
        for index, channels in enumerate(widths):
            x = _separable(g, f"stage_{name}{index}", x, channels, 2 if index == 0 else 1)
        maps.append(x)
    y = g.relu("extra/reduce/relu", g.conv("extra/reduce", x, 64, kernel=1))
    maps.append(g.relu("extra/relu", _light(g, "extra", y, 256, stride=2)))
    scores, boxes = [], []
    for level, x in enumerate(maps):
        count = 3 if level in (0, 3) else 2
        scores.append(g.rows(f"scores{level}", _light(g, f"cls{level}", x, 2 * count), 2))
        boxes.append(g.rows(f"boxes{level}", _light(g, f"reg{level}", x, 4 * count), 4))
    return (
        g.softmax("scores", g.join("scores/cat", scores, axis=1), axis=2),
        g.join("boxes", boxes, axis=1),
    )


def _separable(g, name, x, channels, stride):
    x = conv_bn_relu(
        g, f"{name}/dw", x, x.channels, kernel=3, stride=stride, pad=1, groups=x.channels
    )
    return conv_bn_relu(g, f"{name}/pw", x, channels, kernel=1)


def _light(g, name, x, channels, *, stride=1):
    window = {"kernel": 3, "stride": stride, "pad": 1, "groups": x.channels}
    y = g.relu(f"{name}/dw/relu", g.conv(f"{name}/dw", x, x.channels, **window))
    return g.conv(f"{name}/pw", y, channels, kernel=1, gain=LINEAR_GAIN)


def _receptive_field(g, name, x):
    branches = []
    for dilation in (2, 3, 5):
        y = g.conv_bn(f"{name}/in{dilation}", x, 8, kernel=1)
        y = conv_bn_relu(g, f"{name}/mid{dilation}", y, 16, kernel=3, pad=1)
        window = {"kernel": 3, "pad": dilation, "dilation": dilation}
        branches.append(g.conv_bn(f"{name}/out{dilation}", y, 16, **window))
    y = g.conv_bn(f"{name}/linear", g.concat(f"{name}/cat", *branches), 64, kernel=1, scale=0.5)
    shortcut = g.conv_bn(f"{name}/shortcut", x, 64, kernel=1)
    return g.relu(f"{name}/relu", g.add(f"{name}/add", y, shortcut))


def yunet(g):
    """A face detector of 75,000 weights: pointwise–depthwise units, a neck of sums, 12 outputs."""
    x = conv_bn_relu(g, "stem", g.image, 16, kernel=3, stride=2, pad=1, gain=STEM_GAIN)
    x = _unit(g, "stem/unit", x, 16)
    maps = []
    for stage, channels in enumerate((64, 64, 64, 64), start=1):
        x = g.max_pool(f"pool{stage}", x, kernel=2, stride=2)
        x = _unit(g, f"stage{stage}/a", x, channels)
        x = _unit(g, f"stage{stage}/b", x, channels)
        maps.append(x)
    _, small, middle, large = maps
    large = _unit(g, "neck32", large, 64)
    middle = _unit(g, "neck16", g.add("sum16", g.upsample("up16", large), middle), 64)
    small = _unit(g, "neck8", g.add("sum8", g.upsample("up8", middle), small), 64)
    outputs = []
    for stride, x in ((8, small), (16, middle), (32, large)):
        y = _unit(g, f"head{stride}", x, 64)
        for kind, channels in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            name = f"{kind}_{stride}"
            z = g.conv(f"{name}/pw", y, channels, kernel=1, gain=LINEAR_GAIN)
            z = g.conv(f"{name}/dw", z, channels, kernel=3, pad=1, groups=channels)
            z = g.rows(f"{name}/rows", z, channels)
            scored = kind in ("cls", "obj")
            outputs.append(g.unary("Sigmoid" if scored else "Identity", name, z))
    return tuple(outputs)


def _unit(g, name, x, channels):
    x = g.conv(f"{name}/pw", x, channels, kernel=1)
    return conv_bn_relu(g, f"{name}/dw", x, channels, kernel=3, pad=1, groups=channels)


def blazeface(g):
    """MediaPipe's face detector: channels padded beside a maximum, 896 rows of two scales."""
    x = g.conv("conv0", g.image, 24, kernel=5, stride=2, pad=2, gain=STEM_GAIN)
    x = g.relu("conv0/relu", x)
    plan = ((24, 1), (28, 1), (32, 2), (36, 1), (42, 1), (48, 2), (56, 1), (64, 1), (72, 1))
    plan += ((80, 1), (88, 1), (96, 2), (96, 1), (96, 1), (96, 1), (96, 1))
    fine = x
    for index, (channels, stride) in enumerate(plan, start=1):
        if channels == 96 and stride == 2:
            fine = x
        x = _blaze(g, f"block{index}", x, channels, stride)
    rows = {
        kind: [
            g.rows(f"{kind}{i}", g.conv(f"{kind}{i}/conv", y, anchors * per_row, kernel=1), per_row)
            for i, (y, anchors) in enumerate(((fine, 2), (x, 6)))
        ]
        for kind, per_row in (("regressors", 16), ("classificators", 1))
    }
    return tuple(g.join(kind, parts, axis=1) for kind, parts in rows.items())


def _blaze(g, name, x, channels, stride):
    window = {"kernel": 3, "stride": stride, "pad": 1, "groups": x.channels}
    y = g.conv(f"{name}/dw", x, x.channels, **window)
    y = g.conv(f"{name}/pw", y, channels, kernel=1, gain=LINEAR_GAIN)
    if stride == 2:
        x = g.max_pool(f"{name}/pool", x, kernel=2, stride=2)
    if channels > x.channels:
        x = g.pad(f"{name}/channels", x, (0, 0, 0, 0), channels=channels - x.channels)
    return g.relu(f"{name}/relu", g.add(f"{name}/add", y, x))


def hand_landmarks(g):
    """MediaPipe's 21 points of a hand: inverted residuals, a mean, four small linear layers."""
    x = conv_bn_relu6(g, "conv0", g.image, 24, kernel=3, stride=2, pad=1, gain=STEM_GAIN)
    plan = ((16, 1, 1), (24, 2, 2), (40, 2, 2), (80, 3, 2), (112, 3, 1), (192, 4, 2), (320, 1, 1))
    for stage, (channels, count, first_stride) in enumerate(plan):
        for index in range(count):
            name, stride = f"stage{stage}/block{index}", first_stride if index == 0 else 1
            y, width = x, x.channels * (1 if stage == 0 else 6)
            y = conv_bn_relu6(g, f"{name}/expand", y, width, kernel=1)
            window = {"kernel": 3, "stride": stride, "pad": 1, "groups": width}
            y = conv_bn_relu6(g, f"{name}/dw", y, width, **window)
            y = g.conv_bn(f"{name}/project", y, channels, kernel=1, gain=LINEAR_GAIN)
            x = g.add(f"{name}/add", y, x) if y.shape == x.shape else y
    x = conv_bn_relu6(g, "conv1", x, 1152, kernel=1)
    x = g.flatten("flatten", g.global_average_pool("pool", x))
    return (
        g.gemm("points", x, 63),
        g.unary("Sigmoid", "present", g.gemm("present/fc", x, 1)),
        g.unary("Sigmoid", "handedness", g.gemm("handedness/fc", x, 1)),
        g.gemm("world", x, 63),
    )
