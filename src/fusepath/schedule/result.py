"""What a solver found, and what it knows about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fusepath.schedule.schedule import Schedule


class Status(StrEnum):
    """How much a solver has proven."""

    OPTIMAL = "optimal"
    """No schedule is faster; proven."""
    FEASIBLE = "feasible"
    """A schedule and a bound, with a gap between them."""
    INFEASIBLE = "infeasible"
    """There is no schedule; proven."""
    UNKNOWN = "unknown"
    """Time ran out before anything was found."""


def relative_gap(makespan: float, lower_bound: float) -> float:
    """(makespan − bound) / makespan; 0 for what takes no time."""
    return (makespan - lower_bound) / makespan if makespan else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveResult:
    """The best schedule of a solver beside what no schedule can beat."""

    status: Status
    schedule: Schedule | None
    lower_bound_ns: int
    """No schedule of the problem ends earlier; 0 when nothing is known."""
    seconds: float
    solver: str

    @property
    def gap(self) -> float:
        """(makespan − bound) / makespan; 0 when proven optimal, 1 without a schedule."""
        if self.schedule is None:
            return 1.0
        return relative_gap(self.schedule.makespan_ns, self.lower_bound_ns)
