"""What a search has found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fusepath.tiling import Grid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusepath.plan.plan import Segment
    from fusepath.schedule.schedule import Schedule
    from fusepath.tiling import TileSizes

WHOLE = Grid(1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The best schedule of an algorithm, and what it is known to be worth."""

    tau: int
    grid: Grid
    schedule: Schedule
    lower_bound_ns: int
    """No schedule of any tiling that the algorithm may choose is faster; 0 where it knows none."""
    evaluated: int
    sizes: TileSizes | None = None
    """Of unequal tiles."""
    segments: tuple[Segment, ...] = ()
    """Of a stream plan; its schedule's paths are the strips, which have one cut each."""
    others: tuple[Candidate, ...] = ()
    """The next best of other tilings or segments, best first; as many as were asked for."""

    @property
    def all(self) -> tuple[Candidate, ...]:
        """This one and the others, best first."""
        return (replace(self, others=()), *self.others)

    def rated(self, bound_ns: int, evaluated: int) -> Candidate:
        """This one and the others as the outcome of one search.

        Args:
            bound_ns: a time that no plan beats, but by rounding.
            evaluated: how many plans were looked at in all.
        """
        least_ns = min(bound_ns, *(item.schedule.makespan_ns for item in self.all))
        first, *others = (
            replace(item, lower_bound_ns=least_ns, evaluated=evaluated) for item in self.all
        )
        return replace(first, others=tuple(others))

    @property
    def arrangement(self) -> tuple[object, ...]:
        """Equal for plans that do the same; of one path, its fused layer makes no difference."""
        tau = self.tau if self.grid.paths > 1 else 0
        return tau, self.grid, self.sizes, self.cuts, self.segments

    @property
    def cuts(self) -> tuple[int, ...]:
        """First layer on the edge server, by path."""
        if self.segments:
            return tuple(item.cut for item in self.segments for _ in item.strips)
        return self.schedule.cuts


def ranked(found: Iterable[Candidate], top: int) -> Candidate:
    """The best of several, with the next best as its others; the first one wins ties.

    Args:
        found: at least one.
        top: how many are kept; of equal arrangements the best.
    """
    best: dict[tuple[object, ...], Candidate] = {}
    every = [one for item in found for one in item.all]
    for one in sorted(every, key=lambda one: one.schedule.makespan_ns):
        best.setdefault(one.arrangement, one)
    first, *others = list(best.values())[:top]
    return replace(first, others=tuple(others))
