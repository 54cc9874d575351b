"""How many rows and columns of the fused layer each tile takes, where they are not all alike."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusepath.errors import GeometryError
from fusepath.tiling.interval import Intervals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.arrays import IntArray

Sizes = tuple[int, ...]
"""Rows (columns) of the fused layer that each grid row (column) takes; they add up to all."""


@dataclass(frozen=True, slots=True)
class TileSizes:
    """A grid of unequal tiles."""

    rows: Sizes
    cols: Sizes

    def __post_init__(self) -> None:
        for what, sizes in (("row", self.rows), ("column", self.cols)):
            if not sizes or min(sizes) < 1:
                raise GeometryError(f"tile sizes {self}: every {what} needs a size of at least 1")

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        return len(self.rows), len(self.cols)

    def along(self, axis: int) -> Sizes:
        """Sizes along rows (0) or columns (1)."""
        return self.rows if axis == 0 else self.cols

    def __str__(self) -> str:
        return "x".join("+".join(map(str, sizes)) for sizes in (self.rows, self.cols))


def even_sizes(size: int, parts: int) -> Sizes:
    """Sizes that differ by at most one, with the smaller ones spread among the larger."""
    return tuple((i + 1) * size // parts - i * size // parts for i in range(parts))


def even_ends(size: int, parts: Sequence[int]) -> IntArray:
    """Where parts of `even_sizes` begin and end, for several numbers of them one after the other.

    Returns:
        Shape (parts in all, 2), 0-based and half-open.
    """
    edges = [np.arange(count + 1, dtype=np.int64) * size // count for count in parts]
    return np.concatenate([np.stack([item[:-1], item[1:]], axis=1) for item in edges])


def scaled_intervals(
    ends: Sequence[tuple[int, int]] | IntArray, fused: int, size: int
) -> Intervals:
    """Parts of a map of ``size`` rows that stand for parts of a fused layer of ``fused`` rows.

    Several maps can leave the fused layer, and a larger one is divided in proportion. Neighbours
    stay neighbours, and no part is empty while ``size`` is at least ``fused``.

    Args:
        ends: 0-based, half-open.
        fused: rows of the smallest map that leaves the fused layer.
        size: rows of this map.
    """
    edges = np.array(ends, dtype=np.int64).reshape(-1, 2) * size // fused
    return Intervals(edges[:, 0], edges[:, 1])


def ends_of(sizes: Sizes) -> list[tuple[int, int]]:
    """Where parts of these sizes begin and end, 0-based and half-open."""
    return list(itertools.pairwise([0, *itertools.accumulate(sizes)]))
