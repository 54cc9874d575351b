"""With a lossless codec or without: plans of both kinds, of which the quickest counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fusepath.cost import quickest
from fusepath.errors import InfeasibleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fusepath.cost import Compression
    from fusepath.plan.plan import Plan
    from fusepath.plan.setting import Setting


def with_and_without(
    setting: Setting, candidates: Mapping[str, Iterable[Compression]]
) -> list[Setting]:
    """The setting without any codec, and, where codecs help, one with them.

    For each tensor the codec is taken that brings it over soonest on this link. That is no proof
    that the machine which encodes has the time, so plans should be made for both.

    Args:
        setting: network, machines and link.
        candidates: what codecs save and cost, by tensor.
    """
    chosen = quickest(candidates, up_bytes_per_s=setting.link.up_bytes_per_s)
    plain = replace(setting, compression={})
    return [plain, replace(setting, compression=chosen)] if chosen else [plain]


def plans_with_and_without(
    setting: Setting,
    candidates: Mapping[str, Iterable[Compression]],
    make: Callable[[Setting], Iterable[Plan]],
) -> list[Plan]:
    """Plans that send all tensors as they are, and plans that encode them; quick ones first.

    Args:
        setting: network, machines and link.
        candidates: what codecs save and cost, by tensor; without any no plan encodes.
        make: the planner.

    Raises:
        InfeasibleError: there are no plans of either kind.
    """
    plans: list[Plan] = []
    reason: InfeasibleError | None = None
    for variant in with_and_without(setting, candidates):
        try:
            plans += make(variant)
        except InfeasibleError as error:
            reason = reason or error
    if not plans:
        assert reason is not None
        raise reason
    # Plans of either kind were to be had, so only what none of them beats is a bound.
    bound_s = min(plan.lower_bound_s for plan in plans)
    plans = [plan.predicting(lower_bound_s=bound_s) for plan in plans]
    return sorted(plans, key=lambda plan: plan.makespan_s)
