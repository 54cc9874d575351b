"""Plans of several algorithms side by side, against what no plan of any of them can beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusepath.plan.fluid import fluid_bound_s, row_bound_s
from fusepath.plan.setting import Setting
from fusepath.schedule.result import Status, relative_gap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.plan.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPlan:
    """A plan, and how far it is from the best bound known of the problem.

    The bound, gap and status of the plan itself are those of its family: of all that its algorithm
    may choose. The only plan of its family is optimal there, however slow it is.
    """

    plan: Plan
    lower_bound_s: float
    """No plan of any family takes less: the fluid bound."""
    row_bound_s: float | None = None
    """No plan of whole rows with this one's codecs takes less; None where nobody has asked, or it
    is no such plan."""

    @property
    def gap(self) -> float:
        """(makespan − lower bound) / makespan."""
        return relative_gap(self.plan.makespan_s, self.lower_bound_s)

    @property
    def out_of_reach(self) -> float | None:
        """Share of the gap that no plan of whole rows can close; None where that is not known."""
        if self.row_bound_s is None:
            return None
        open_s = self.plan.makespan_s - self.lower_bound_s
        return (self.row_bound_s - self.lower_bound_s) / open_s if open_s > 0 else 0.0

    @property
    def status(self) -> Status:
        """``optimal`` where no plan of any family is faster."""
        return Status.OPTIMAL if self.plan.makespan_s <= self.lower_bound_s else Status.FEASIBLE


def compare_plans(
    setting: Setting, plans: Sequence[Plan], *, rows: bool = False
) -> tuple[ComparedPlan, ...]:
    """Plans of one setting, each against the best bound known of it.

    Args:
        setting: network, machines and link that all of them are for.
        plans: at least one.
        rows: whether plans of whole rows are held against the row bound as well, which takes 5 to
            20 s of one core for each kind of codecs.
    """
    # Whole nanoseconds can undercut the bound by rounding.
    bound_s = min(fluid_bound_s(setting) + setting.decode_s, *(plan.makespan_s for plan in plans))
    bounds_s = _row_bounds_s(setting, plans) if rows else {}
    return tuple(
        ComparedPlan(plan=plan, lower_bound_s=bound_s, row_bound_s=bounds_s.get(plan.recipe_sha256))
        for plan in plans
    )


def _row_bounds_s(setting: Setting, plans: Sequence[Plan]) -> dict[str, float]:
    """Of plans of whole rows, by recipe, what none with the same codecs beats."""
    alike: dict[object, list[Plan]] = {}
    for plan in plans:
        if plan.arrangement.in_whole_rows and not plan.recipe.forwards:
            codecs = frozenset(plan.compression), frozenset(plan.back_compression)
            alike.setdefault(codecs, []).append(plan)
    found: dict[str, float] = {}
    for several in alike.values():
        bound_s = row_bound_s(Setting.of_plan(several[0], setting.graph)) + setting.decode_s
        bound_s = min(bound_s, *(plan.makespan_s for plan in several))
        found |= {plan.recipe_sha256: bound_s for plan in several}
    return found
