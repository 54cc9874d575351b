"""The scheduling problem that a plan answers, on any machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.plan.stream import strip_problem

if TYPE_CHECKING:
    from fusepath.plan.offload import Plan
    from fusepath.plan.problem import Problem
    from fusepath.plan.setting import Setting


def problem_of_plan(setting: Setting, plan: Plan) -> tuple[Problem, tuple[int, ...]]:
    """The problem, and which of its cuts (1-based, by path) the plan has chosen.

    A strip knows only the cut of its segment, so its problem has that one cut, number 1.

    Args:
        setting: the machines and the link, which need not be those that the plan was made for.
        plan: a plan that has been checked against the setting's network.
    """
    if plan.segments:
        return strip_problem(setting, plan.tau, plan.segments), (1,) * len(plan.cuts)
    return setting.problem(plan.tau, plan.tiles, plan.sizes), plan.cuts
