"""Reading: where text stands, and what a line of it says."""

from __future__ import annotations

from fusepath.onnx_io.zoo.blocks import conv_bn_relu, multiple_of_8, squeeze_excite
from fusepath.onnx_io.zoo.mobilenetv3 import BLOCKS
from fusepath.onnx_io.zoo.weights import LINEAR_GAIN, STEM_GAIN

CHARACTERS = 6625


def ppocr_det(g):
    """PP-OCR's detector: half of MobileNetV3 with SE, a pyramid with SE, doubled twice."""
    x = g.conv_bn("conv1", g.image, 8, kernel=3, stride=2, pad=1, gain=STEM_GAIN)
    x = g.hard_swish("conv1/act", x)
    maps = []
    for index, block in enumerate(BLOCKS, start=1):
        if block.stride == 2 and index > 2:
            maps.append(x)
        x = _mobile(g, f"block{index}", x, block)
    maps.append(g.hard_swish("conv2/act", g.conv_bn("conv2", x, 480, kernel=1)))
    levels = []
    for level in (3, 2, 1, 0):
        y = _excited(g, f"in{level}", g.conv(f"in{level}", maps[level], 96, kernel=1, bias=False))
        if levels:
            y = g.add(f"sum{level}", y, g.upsample(f"up{level}", levels[-1]))
        levels.append(y)
    parts = []
    for level, y in zip((3, 2, 1, 0), levels, strict=True):
        z = g.conv(f"out{level}", y, 24, kernel=3, pad=1, bias=False)
        z = _excited(g, f"out{level}", z)
        parts.append(g.upsample(f"spread{level}", z, factor=1 << level) if level else z)
    x = conv_bn_relu(g, "head/conv", g.concat("fuse", *parts), 24, kernel=3, pad=1)
    x = g.deconv("head/up1", x, 24, kernel=2, stride=2)
    x = g.relu("head/up1/relu", g.batch_norm("head/up1/bn", x))
    return g.sigmoid("map", g.deconv("head/up2", x, 1, kernel=2, stride=2))


def _mobile(g, name, x, block):
    act = g.hard_swish if block.swish else g.relu
    width, channels = (multiple_of_8(n / 2) for n in (block.expanded, block.channels))
    y = act(f"{name}/expand/act", g.conv_bn(f"{name}/expand", x, width, kernel=1))
    window = {"kernel": block.kernel, "stride": block.stride, "pad": block.kernel // 2}
    y = act(f"{name}/dw/act", g.conv_bn(f"{name}/dw", y, width, groups=width, **window))
    if block.excited:
        gates = {"inner": g.relu, "gate": g.hard_sigmoid}
        y = squeeze_excite(g, f"{name}/se", y, width // 4, **gates)
    y = g.conv_bn(f"{name}/project", y, channels, kernel=1, gain=LINEAR_GAIN)
    return g.add(f"{name}/add", x, y) if x.shape == y.shape else y


def _excited(g, name, x):
    gates = {"inner": g.relu, "gate": g.hard_sigmoid}
    y = squeeze_excite(g, f"{name}/se", x, x.channels // 4, **gates)
    return g.add(f"{name}/add", x, y)


def ppocr_rec(g):
    """PP-OCR's reader: a light network that halves rows alone, then a linear layer per column."""
    x = g.conv_bn("conv1", g.image, 16, kernel=3, stride=2, pad=1, gain=STEM_GAIN)
    x = g.hard_swish("conv1/act", x)
    plan = [(32, 3, 1), (64, 3, 1), (64, 3, 1), (128, 3, (2, 1)), (128, 3, 1), (256, 3, (2, 1))]
    plan += [(256, 5, 1)] * 5 + [(512, 5, (2, 1)), (512, 5, 1)]
    for index, (channels, kernel, stride) in enumerate(plan, start=1):
        window = {"kernel": kernel, "stride": stride, "pad": kernel // 2, "groups": x.channels}
        x = g.conv_bn(f"dw{index}", x, x.channels, **window)
        x = g.hard_swish(f"dw{index}/act", x)
        if channels == 512:
            gates = {"inner": g.relu, "gate": g.hard_sigmoid}
            x = squeeze_excite(g, f"se{index}", x, x.channels // 4, **gates)
        x = g.hard_swish(f"pw{index}/act", g.conv_bn(f"pw{index}", x, channels, kernel=1))
    x = g.average_pool("pool", x, kernel=2, stride=2)
    x = g.hard_swish("neck/act", g.conv_bn("neck", x, 120, kernel=1))
    columns = x.shape[2] * x.shape[3]
    x = g.transpose("columns", g.reshape("neck/flat", x, (1, 120, columns)), (0, 2, 1))
    return g.softmax("characters", g.linear("ctc", x, CHARACTERS), axis=2)
