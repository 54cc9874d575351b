"""What a planner has found, and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusepath.errors import InfeasibleError, NoPlanError, UndecidedError
from fusepath.schedule.result import Status

if TYPE_CHECKING:
    from fusepath.errors import Exceeded
    from fusepath.plan.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult:
    """Plans, or why there are none."""

    status: Status
    """``optimal`` where nothing that the algorithm may choose is faster. ``infeasible`` where the
    search came to its end and nothing keeps to the constraints; ``unknown`` where its budget ended
    before it found anything."""
    plans: tuple[Plan, ...] = ()
    """Best first; fewer than were wanted where fewer were met."""
    lower_bound_s: float = 0.0
    """No plan that the algorithm may choose takes less; 0 where nothing is known."""
    shortfalls: tuple[Exceeded, ...] = ()
    """Limits that the closest plan exceeds, where there are no plans and that is known."""
    reason: str = ""
    """Why there are no plans, in one line."""
    seconds: float
    evaluations: int
    """What the search has spent."""

    @property
    def best(self) -> Plan:
        """The best plan.

        Raises:
            InfeasibleError: nothing keeps to the constraints.
            UndecidedError: the budget ended before anything was found.
        """
        if self.plans:
            return self.plans[0]
        if self.status is Status.UNKNOWN:
            raise UndecidedError(self.reason)
        raise InfeasibleError(self.reason, self.shortfalls)


def nothing_found(error: NoPlanError, *, seconds: float, evaluations: int) -> PlanResult:
    """The result of a search that ended with an error."""
    proven = isinstance(error, InfeasibleError)
    return PlanResult(
        status=Status.INFEASIBLE if proven else Status.UNKNOWN,
        shortfalls=error.shortfalls if isinstance(error, InfeasibleError) else (),
        reason=str(error),
        seconds=seconds,
        evaluations=evaluations,
    )
