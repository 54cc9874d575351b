"""What several networks are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.onnx_io.zoo.builder import GraphBuilder, Window
    from fusepath.onnx_io.zoo.graph import Value

    Activation = Callable[[str, Value], Value]


def conv_bn_relu(
    g: GraphBuilder,
    name: str,
    x: Value,
    channels: int,
    *,
    gain: float = 1.0,
    **window: Unpack[Window],
) -> Value:
    """Convolution, batch normalisation, rectifier."""
    return g.relu(f"{name}/relu", g.conv_bn(name, x, channels, gain=gain, **window))


def conv_bn_relu6(
    g: GraphBuilder,
    name: str,
    x: Value,
    channels: int,
    *,
    gain: float = 1.0,
    **window: Unpack[Window],
) -> Value:
    """Convolution, batch normalisation, rectifier that ends at 6."""
    return g.relu6(f"{name}/relu6", g.conv_bn(name, x, channels, gain=gain, **window))


def conv_bn_silu(
    g: GraphBuilder,
    name: str,
    x: Value,
    channels: int,
    *,
    gain: float = 1.0,
    **window: Unpack[Window],
) -> Value:
    """Convolution, batch normalisation, SiLU."""
    return g.silu(f"{name}/silu", g.conv_bn(name, x, channels, gain=gain, **window))


def squeeze_excite(
    g: GraphBuilder, name: str, x: Value, squeezed: int, *, inner: Activation, gate: Activation
) -> Value:
    """Every channel times a gate that depends on the means of all: Hu et al., arXiv:1709.01507."""
    y = g.global_average_pool(f"{name}/squeeze", x)
    y = inner(f"{name}/inner", g.conv(f"{name}/reduce", y, squeezed, kernel=1))
    y = gate(f"{name}/gate", g.conv(f"{name}/expand", y, x.channels, kernel=1))
    return g.mul(f"{name}/scale", x, y)


def multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8, at least 8, and not below 90 % of what was asked for."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
