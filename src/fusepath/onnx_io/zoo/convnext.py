"""ConvNeXt-Tiny: Liu et al., arXiv:2201.03545. Linear layers of channels are 1×1 convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.zoo.weights import CLASSIFIER_GAIN, RESIDUAL_SCALE, STEM_GAIN

if TYPE_CHECKING:
    from fusepath.onnx_io.zoo.builder import GraphBuilder
    from fusepath.onnx_io.zoo.graph import Value

STAGES = ((96, 3), (192, 3), (384, 9), (768, 3))
EXPANSION = 4


def convnext_tiny(g: GraphBuilder) -> Value:
    """Logits, shape (1, 1000)."""
    x = g.conv("stem", g.image, 96, kernel=4, stride=4, gain=STEM_GAIN)
    x = g.layer_norm("stem/norm", x)
    for stage, (channels, count) in enumerate(STAGES, start=1):
        if stage > 1:
            x = g.layer_norm(f"downsample{stage}/norm", x)
            x = g.conv(f"downsample{stage}", x, channels, kernel=2, stride=2)
        for index in range(1, count + 1):
            x = _block(g, f"stage{stage}/block{index}", x)
    x = g.global_average_pool("pool", x)
    x = g.layer_norm("norm", x)
    x = g.flatten("flatten", x)
    return g.gemm("fc", x, 1000, gain=CLASSIFIER_GAIN)


def _block(g: GraphBuilder, name: str, x: Value) -> Value:
    channels = x.channels
    y = g.conv(f"{name}/depthwise", x, channels, kernel=7, pad=3, groups=channels)
    y = g.channel_mlp(f"{name}/mlp", y, EXPANSION * channels, scale=RESIDUAL_SCALE)
    return g.add(f"{name}/add", y, x)
