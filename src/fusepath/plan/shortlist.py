"""What is worth preparing and trying: plans that could turn out best once they are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from fusepath.plan.auto import search_shortlist
from fusepath.plan.compressed import plans_with_and_without
from fusepath.plan.planner import plans_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fusepath.cost import Compression
    from fusepath.plan.plan import Plan
    from fusepath.plan.planner import PlanOptions
    from fusepath.plan.setting import Setting

_WORTH_A_REHEARSAL = 1.3


def shortlist(setting: Setting, **options: Unpack[PlanOptions]) -> list[Plan]:
    """``auto``'s plan and what could turn out better once measured, most promising first.

    Costs of layers add up only nearly to those of sub-models, so plans of other kinds that are
    predicted to take not much longer are worth rehearsing beside it (`offload.trials.choose`).

    Args:
        setting: network, machines, link and convention.
        options: of `make_plan`; grid and fused layer are left to the algorithms.

    Raises:
        InfeasibleError: nothing was found that keeps to the constraints.
    """
    different: dict[str, Plan] = {}
    for plan in plans_of(setting, "auto", search_shortlist, **options):
        different.setdefault(plan.recipe_sha256, plan)
    return _promising(different.values())


def worth_trying(
    setting: Setting,
    offered: Mapping[str, Iterable[Compression]],
    make: Callable[[Setting], Iterable[Plan]],
) -> list[Plan]:
    """What to prepare and try, with codecs and without, most promising first.

    One without codecs is always there: an edge server may lack them.

    Args:
        setting: network, machines and link.
        offered: what codecs save and cost, by tensor; without any no plan encodes.
        make: the planner, `shortlist` for instance.

    Raises:
        InfeasibleError: there are no plans of either kind.
    """
    every = plans_with_and_without(setting, offered, make)
    plans = _promising(every)
    if all(plan.codecs for plan in plans):
        plans += [plan for plan in every if not plan.codecs][:1]
    return plans


def _promising(plans: Iterable[Plan]) -> list[Plan]:
    """The best plan, and those that are predicted to take not much longer, in order."""
    found = sorted(plans, key=lambda plan: plan.makespan_s)
    limit_s = found[0].makespan_s * _WORTH_A_REHEARSAL
    return [plan for plan in found if plan.makespan_s <= limit_s]
