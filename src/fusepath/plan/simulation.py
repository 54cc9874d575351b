"""A plan played event by event on the machines of a setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.plan.timing import Timing
from fusepath.plan.verify import check_plan
from fusepath.schedule import play

if TYPE_CHECKING:
    from fusepath.plan.plan import Plan
    from fusepath.plan.setting import Setting
    from fusepath.timeline import Timeline


def simulate(plan: Plan, setting: Setting) -> Timeline:
    """Predict what a plan does on the machines of a setting (which need not be the plan's own).

    Args:
        plan: order and cuts.
        setting: network, machines and link to play it on.

    Raises:
        FileFormatError: the plan is for another model.
    """
    return simulate_with(plan, Timing(setting))


def simulate_with(plan: Plan, timing: Timing) -> Timeline:
    """`simulate` for a setting whose times others share.

    Raises:
        FileFormatError: the plan is for another model.
    """
    check_plan(plan, timing.setting.graph)
    problem, cuts = timing.problem_of_plan(plan)
    return play(problem, [path - 1 for path in plan.order], cuts)
