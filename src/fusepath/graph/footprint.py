"""How an output element of an operator depends on its input, along one axis.

All of them are invariant to shifts: some number of input elements left out at the beginning leaves
out a proportional number of output elements there, and likewise at the end. That is what lets tiles
share a session (`fusepath.tiling.aligned`). ``step`` is that proportion, input elements per output
elements, as two integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fusepath.errors import SettingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A sliding window: convolution, pooling, space-to-depth.

    Output ``j`` covers input ``[j·stride − pad_begin, j·stride − pad_begin + extent)``, of which
    every ``dilation``-th element is read. ``ceil_mode`` and ``auto_pad`` are already resolved:
    the output size is stated by the tensor, never computed from the window. ``pad_begin`` below 0
    is how many elements at the beginning are not read.
    """

    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    pad_begin: int = 0
    pad_end: int = 0

    def __post_init__(self) -> None:
        if min(self.kernel, self.stride, self.dilation) < 1:
            raise SettingError(f"kernel, stride and dilation must be at least 1: {self}")

    @property
    def extent(self) -> int:
        """Input elements from the first to the last tap, both counted."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def step(self) -> tuple[int, int]:
        """Input elements per output elements."""
        return self.stride, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Transposed:
    """A window the other way round: transposed convolution, repetition, depth-to-space.

    Tap ``t`` of input ``i`` adds to output ``i·stride + t·dilation − pad_begin``. Elements that are
    repeated, or spread over a block, are a kernel as large as the stride.
    """

    kernel: int
    stride: int
    dilation: int = 1
    pad_begin: int = 0

    @property
    def extent(self) -> int:
        """Output elements from the first to the last tap, both counted."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def step(self) -> tuple[int, int]:
        """Input elements per output elements."""
        return 1, self.stride


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Resampling: ``outputs`` elements for every ``inputs``.

    Output ``j`` reads input ``⌊(2·j·inputs + low) / (2·outputs)⌋`` to
    ``⌊(2·j·inputs + high) / (2·outputs)⌋``, both included and held inside the map.
    """

    inputs: int
    outputs: int
    low: int
    high: int
    size: int
    """Of the map."""
    least: int = 1
    """Elements that a session must have of the map to resample them at all."""

    @property
    def step(self) -> tuple[int, int]:
        """Input elements per output elements."""
        return self.inputs, self.outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """A slice: output ``j`` reads input ``begin + j·stride``."""

    begin: int
    stride: int = 1

    @property
    def step(self) -> tuple[int, int]:
        """Input elements per output elements."""
        return self.stride, 1


class Border(StrEnum):
    """What is added at the border of a map."""

    CONSTANT = "constant"
    EDGE = "edge"
    """The outermost element, again and again."""
    MIRROR = "mirror"
    """The elements inside the outermost one, in reverse; the map must have more than are added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Padding:
    """Elements added at the border of a map of ``size``: output ``j`` reads input ``j − begin``."""

    begin: int
    end: int
    size: int
    border: Border = Border.CONSTANT

    @property
    def step(self) -> tuple[int, int]:
        """Input elements per output elements."""
        return 1, 1


Footprint = Window | Transposed | Sampling | Crop | Padding

POINT = Window()
"""An output reads its own position and no other, as in a 1×1 convolution."""
