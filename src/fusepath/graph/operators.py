"""What one operator does to space, without knowing any file format.

A feature map is ``(N, C, H, W)``; index 0 of an axis is its first row or column.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from fusepath.graph.footprint import POINT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.graph.footprint import Footprint


class Kind(StrEnum):
    """How an output element depends on positions of the input maps."""

    WINDOW = "window"
    """Positions of one input map, as the footprints say: convolution, pooling, resampling."""
    POINTWISE = "pointwise"
    """The same position in every input; channels may mix (Concat, LRN, BatchNormalization)."""
    BARRIER = "barrier"
    """Anything else: it needs whole maps, and a tile cannot pass it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What computing costs, counted, before any convention turns it into operations.

    For an operator over space the counts are per position (one ``(h, w)``, all channels) of its
    output; for a barrier they are for the whole operator.
    """

    macs: int = 0
    pool_taps: int = 0
    elements: int = 0
    per_input: bool = False
    """Counts are per position of the input: a transposed convolution multiplies each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One node of the network; ``inputs`` are activations only, weights are not listed."""

    name: str
    op_type: str
    kind: Kind
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    work: Work = Work()
    rows: Footprint = POINT
    cols: Footprint = POINT
    weight_bytes: int = 0
    """Constants that it reads; one that several operators read is counted for each."""
    barrier_reason: str = ""

    @property
    def footprints(self) -> tuple[Footprint, Footprint]:
        """How outputs depend on the input along (rows, cols)."""
        return self.rows, self.cols

    @property
    def counted(self) -> str:
        """The map whose positions `work` is counted for."""
        return self.inputs[0] if self.work.per_input else self.outputs[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An activation: its name, its static shape and its element type (a numpy type name)."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def is_map(self) -> bool:
        """True for a batch-1 feature map (1, C, H, W)."""
        return len(self.shape) == 4 and self.shape[0] == 1

    @property
    def is_float(self) -> bool:
        """Whether it may be made of pixels, whose values divided by something are no integers."""
        return self.dtype in {"float16", "float32", "float64"}

    @property
    def is_quantised(self) -> bool:
        """Whether it holds bytes, with which no operator but a few computes as they are."""
        return self.dtype in {"int8", "uint8"}

    @property
    def elements(self) -> int:
        """Number of elements."""
        return product(self.shape)

    @property
    def channels(self) -> int:
        """C of a feature map."""
        return self.shape[1]

    def size(self, axis: int) -> int:
        """Extent along rows (axis 0) or columns (axis 1) of a feature map."""
        return self.shape[2 + axis]


INPUT_DTYPES = frozenset(
    {"bool", "float16", "float32", "float64", "int32", "int64", "int8", "uint8"}
)
"""Element types of inputs that can be sent, by their numpy names."""


def product(values: Sequence[int]) -> int:
    """Product of integers; 1 for none."""
    result = 1
    for value in values:
        result *= value
    return result
