"""What a planner may choose, and what it has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusepath.tiling import Grid

if TYPE_CHECKING:
    from fusepath.plan.offload import Segment
    from fusepath.plan.schedule import Schedule
    from fusepath.tiling import TileSizes

WHOLE = Grid(1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a planner may choose: None leaves the choice to the algorithm."""

    grid: Grid | None = None
    tau: int | None = None
    unequal: bool = False
    """Choose the sizes of tiles as well."""
    first: tuple[int, Grid] | None = None
    """A fused layer and grid to try first: saves time if it is good, and changes nothing else."""
    time_limit_s: float | None = None
    """For searches that can be cut short: ``auto``, and the search of tile sizes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The best schedule of an algorithm, and what it is known to be worth."""

    tau: int
    grid: Grid
    schedule: Schedule
    lower_bound_ns: int
    """No schedule of any tiling that the algorithm may choose is faster."""
    evaluated: int
    sizes: TileSizes | None = None
    """Of unequal tiles."""
    segments: tuple[Segment, ...] = ()
    """Of a stream plan; its schedule's paths are the strips, which have one cut each."""

    @property
    def cuts(self) -> tuple[int, ...]:
        """First layer on the edge server, by path."""
        if self.segments:
            return tuple(item.cut for item in self.segments for _ in item.strips)
        return self.schedule.cuts
