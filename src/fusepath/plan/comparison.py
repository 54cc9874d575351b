"""Plans of several algorithms side by side, against what no plan of any of them can beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusepath.plan.fluid import fluid_bound_s
from fusepath.schedule.result import Status, relative_gap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.plan.plan import Plan
    from fusepath.plan.setting import Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPlan:
    """A plan, and how far it is from the best bound known of the problem.

    The bound, gap and status of the plan itself are those of its family: of all that its algorithm
    may choose. The only plan of its family is optimal there, however slow it is.
    """

    plan: Plan
    lower_bound_s: float
    """No plan of any family takes less."""

    @property
    def gap(self) -> float:
        """(makespan − lower bound) / makespan."""
        return relative_gap(self.plan.makespan_s, self.lower_bound_s)

    @property
    def status(self) -> Status:
        """``optimal`` where no plan of any family is faster."""
        return Status.OPTIMAL if self.plan.makespan_s <= self.lower_bound_s else Status.FEASIBLE


def compare_plans(setting: Setting, plans: Sequence[Plan]) -> tuple[ComparedPlan, ...]:
    """Plans of one setting, each against the best bound known of it.

    Args:
        setting: network, machines and link that all of them are for.
        plans: at least one.
    """
    # Whole nanoseconds can undercut the bound by rounding.
    bound_s = min(fluid_bound_s(setting) + setting.decode_s, *(plan.makespan_s for plan in plans))
    return tuple(ComparedPlan(plan=plan, lower_bound_s=bound_s) for plan in plans)
