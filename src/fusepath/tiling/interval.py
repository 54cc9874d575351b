"""Half-open integer intervals along one axis, one at a time or many at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusepath.errors import GeometryError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusepath.arrays import IntArray


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """``[start, stop)``, 0-based."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise GeometryError(f"[{self.start}, {self.stop}) is not a range of rows or columns")

    def __len__(self) -> int:
        return self.stop - self.start

    def contains(self, other: Interval) -> bool:
        """True when every index of ``other`` is in this interval."""
        return self.start <= other.start and other.stop <= self.stop

    def shifted(self, offset: int) -> Interval:
        """The same interval, ``offset`` further on."""
        return Interval(self.start + offset, self.stop + offset)

    def slice(self) -> slice:
        """For indexing an array."""
        return slice(self.start, self.stop)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of a feature map: all its channels, these rows and columns."""

    rows: Interval
    cols: Interval

    @property
    def area(self) -> int:
        """Number of positions."""
        return len(self.rows) * len(self.cols)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return len(self.rows), len(self.cols)

    def contains(self, other: Box) -> bool:
        """True when the other box lies within this one."""
        return self.rows.contains(other.rows) and self.cols.contains(other.cols)

    def within(self, outer: Box) -> tuple[slice, slice]:
        """Slices that pick this box out of an array that holds ``outer``."""
        if not outer.contains(self):
            raise GeometryError(f"{self} is not inside {outer}")
        return (
            self.rows.shifted(-outer.rows.start).slice(),
            self.cols.shifted(-outer.cols.start).slice(),
        )


@dataclass(frozen=True, slots=True)
class Intervals:
    """Many intervals of one axis as two arrays, so that all tiles are walked back at once."""

    start: IntArray
    stop: IntArray

    @classmethod
    def of(cls, intervals: Iterable[Interval]) -> Intervals:
        """Pack intervals, in order."""
        pairs = [(item.start, item.stop) for item in intervals]
        array = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        return cls(array[:, 0], array[:, 1])

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, index: int) -> Interval:
        return Interval(int(self.start[index]), int(self.stop[index]))

    @property
    def length(self) -> IntArray:
        """Elements in each interval."""
        return self.stop - self.start

    def hull(self, other: Intervals) -> Intervals:
        """The smallest interval that holds both, pair by pair."""
        return Intervals(np.minimum(self.start, other.start), np.maximum(self.stop, other.stop))
