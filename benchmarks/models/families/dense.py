"""Networks that answer with a map as large as the picture, or larger."""

from __future__ import annotations

from fusepath.onnx_io.zoo.blocks import conv_bn_relu, conv_bn_relu6
from fusepath.onnx_io.zoo.mobilenet import STAGES as MOBILENETV2_STAGES
from fusepath.onnx_io.zoo.unet import unet_with
from fusepath.onnx_io.zoo.weights import LINEAR_GAIN, STEM_GAIN


def unet_nearest(g):
    return unet_with(g, _doubled(g, "nearest"))


def unet_bilinear(g):
    return unet_with(g, _doubled(g, "linear"))


def _doubled(g, mode):
    def up(name, x):
        size = [2 * n for n in x.shape[2:]]
        y = g.resize(f"{name}/resize", x, size, mode=mode)
        return g.conv(f"{name}/up", y, x.channels // 2, kernel=1)

    return up


def fsrcnn(g):
    """Super-resolution by 2: a transposed convolution of 9×9 at the end."""
    x = g.prelu("prelu1", g.conv("extract", g.image, 56, kernel=5, pad=2, gain=STEM_GAIN))
    x = g.prelu("prelu2", g.conv("shrink", x, 12, kernel=1))
    for index in range(1, 5):
        x = g.prelu(f"prelu_map{index}", g.conv(f"map{index}", x, 12, kernel=3, pad=1))
    x = g.prelu("prelu3", g.conv("expand", x, 56, kernel=1))
    return g.deconv("deconv", x, 1, kernel=9, stride=2, pad=4, output_pad=1)


def espcn(g):
    """Super-resolution by 3: channels become pixels at the end."""
    x = g.unary("Tanh", "tanh1", g.conv("conv1", g.image, 64, kernel=5, pad=2, gain=STEM_GAIN))
    x = g.unary("Tanh", "tanh2", g.conv("conv2", x, 32, kernel=3, pad=1))
    return g.depth_to_space("shuffle", g.conv("conv3", x, 9, kernel=3, pad=1), block=3)


def deeplab(g):
    """DeepLabV3 on MobileNetV2 as on phones: dilated last blocks, the mean of the map beside it."""
    x = conv_bn_relu6(g, "conv1", g.image, 32, kernel=3, stride=2, pad=1, gain=STEM_GAIN)
    block = 0
    for expansion, channels, count, first_stride in MOBILENETV2_STAGES:
        dilation = 2 if channels >= 160 else 1
        for index in range(count):
            block += 1
            stride = first_stride if index == 0 and dilation == 1 else 1
            x = _residual(g, f"block{block}", x, channels, expansion, stride, dilation)
    size = x.shape[2:]
    mean = conv_bn_relu(g, "aspp/image", g.global_average_pool("aspp/mean", x), 256, kernel=1)
    mean = g.resize("aspp/spread", mean, size, mode="linear")
    x = g.concat("aspp/concat", mean, conv_bn_relu(g, "aspp/point", x, 256, kernel=1))
    x = conv_bn_relu(g, "aspp/project", x, 256, kernel=1)
    x = g.conv("logits", x, 21, kernel=1, gain=LINEAR_GAIN)
    return g.resize("resize", x, g.image.shape[2:], mode="linear")


def _residual(g, name, x, channels, expansion, stride, dilation):
    y, width = x, expansion * x.channels
    if expansion > 1:
        y = conv_bn_relu6(g, f"{name}/expand", y, width, kernel=1)
    window = {"kernel": 3, "stride": stride, "pad": dilation, "dilation": dilation}
    y = conv_bn_relu6(g, f"{name}/depthwise", y, width, groups=width, **window)
    y = g.conv_bn(f"{name}/project", y, channels, kernel=1, gain=LINEAR_GAIN)
    return g.add(f"{name}/add", y, x) if y.shape == x.shape else y


def fpn(g):
    """Semantic segmentation by a feature pyramid on ResNet-18."""
    maps = _resnet18_maps(g)
    top = None
    merged = None
    for level in range(4, 0, -1):
        x = g.conv(f"lateral{level}", maps[level - 1], 128, kernel=1)
        if top is not None:
            x = g.add(f"topdown{level}", x, g.upsample(f"up{level}", top))
        top = x
        y = conv_bn_relu(g, f"seg{level}", x, 64, kernel=3, pad=1)
        if level > 1:
            y = g.resize(f"seg{level}/resize", y, maps[0].shape[2:], mode="linear")
        merged = y if merged is None else g.add(f"merge{level}", merged, y)
    x = g.conv("classes", merged, 19, kernel=1, gain=LINEAR_GAIN)
    return g.resize("resize", x, g.image.shape[2:], mode="linear")


def _resnet18_maps(g):
    x = conv_bn_relu(g, "conv1", g.image, 64, kernel=7, stride=2, pad=3, gain=STEM_GAIN)
    x = g.max_pool("pool1", x, kernel=3, stride=2, pad_begin=1, pad_end=1)
    maps = []
    for stage in range(1, 5):
        width = 32 << stage
        for index in (1, 2):
            name, stride = f"layer{stage}/block{index}", 2 if stage > 1 and index == 1 else 1
            y = conv_bn_relu(g, f"{name}/conv1", x, width, kernel=3, stride=stride, pad=1)
            y = g.conv_bn(f"{name}/conv2", y, width, kernel=3, pad=1, scale=0.3)
            if y.shape != x.shape:
                x = g.conv_bn(f"{name}/project", x, width, kernel=1, stride=stride)
            x = g.relu(f"{name}/relu", g.add(f"{name}/add", y, x))
        maps.append(x)
    return maps


def style_transfer(g):
    """Fast neural style: reflected borders, instance normalisation, nearest doublings."""
    x = _styled(g, "conv1", g.image, 32, kernel=9, gain=STEM_GAIN)
    x = _styled(g, "conv2", x, 64, kernel=3, stride=2)
    x = _styled(g, "conv3", x, 128, kernel=3, stride=2)
    for index in range(1, 6):
        y = _styled(g, f"res{index}/conv1", x, 128, kernel=3)
        y = _reflected(g, f"res{index}/conv2", y, 128, kernel=3)
        x = g.add(f"res{index}/add", g.instance_norm(f"res{index}/in2", y), x)
    x = _styled(g, "deconv1", g.upsample("up1", x), 64, kernel=3)
    x = _styled(g, "deconv2", g.upsample("up2", x), 32, kernel=3)
    return _reflected(g, "deconv3", x, 3, kernel=9)


def _styled(g, name, x, channels, *, kernel, stride=1, gain=1.0):
    y = _reflected(g, name, x, channels, kernel=kernel, stride=stride, gain=gain)
    return g.relu(f"{name}/relu", g.instance_norm(f"{name}/in", y))


def _reflected(g, name, x, channels, *, kernel, stride=1, gain=1.0):
    y = g.pad(f"{name}/pad", x, (kernel // 2,) * 4, mode="reflect")
    return g.conv(name, y, channels, kernel=kernel, stride=stride, gain=gain)
