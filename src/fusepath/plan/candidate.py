"""What a search has found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fusepath.plan.recipe import TailPlace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusepath.schedule.schedule import Schedule
    from fusepath.tiling import Arrangement, Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The best schedule of an algorithm, and what it is known to be worth."""

    arrangement: Arrangement
    start: int = 0
    """Layers before all paths."""
    schedule: Schedule
    """Its paths are those of the arrangement; a strip has one cut, that of its segment."""
    lower_bound_ns: int
    """No schedule of any tiling that the algorithm may choose is faster; 0 where it knows none."""
    evaluated: int
    tail: TailPlace = TailPlace.EDGE
    forwards: bool = False
    """Whether the input is sent as the file that it comes in."""
    others: tuple[Candidate, ...] = ()
    """The next best of other tilings or segments, best first; as many as were asked for."""

    @property
    def all(self) -> tuple[Candidate, ...]:
        """This one and the others, best first."""
        return (replace(self, others=()), *self.others)

    def behind(self, layers: int, head_ns: int) -> Candidate:
        """This one and the others, once so many more layers have been computed before all paths."""
        return replace(
            self,
            arrangement=self.arrangement.moved(layers),
            start=self.start + layers,
            schedule=self.schedule.behind(layers, head_ns),
            lower_bound_ns=self.lower_bound_ns + head_ns if self.lower_bound_ns else 0,
            others=tuple(item.behind(layers, head_ns) for item in self.others),
        )

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
    def tau(self) -> int:
        """The fused layer."""
        return self.arrangement.tau

    @property
    def grid(self) -> Grid:
        """Rows and columns of paths."""
        return self.arrangement.grid

    @property
    def cuts(self) -> tuple[int, ...]:
        """First layer on the edge server, by path."""
        return self.arrangement.cuts_of(self.schedule.cuts)

    @property
    def likeness(self) -> tuple[object, ...]:
        """Equal for candidates that do the same."""
        return self.start, self.arrangement.likeness, self.cuts, self.tail, self.forwards


def ranked(found: Iterable[Candidate], top: int) -> Candidate:
    """The best of several, with the next best as its others; the first one wins ties.

    Args:
        found: at least one.
        top: how many are kept; of those that do the same the best.
    """
    best: dict[tuple[object, ...], Candidate] = {}
    every = [one for item in found for one in item.all]
    for one in sorted(every, key=lambda one: one.schedule.makespan_ns):
        best.setdefault(one.likeness, one)
    first, *others = list(best.values())[:top]
    return replace(first, others=tuple(others))
