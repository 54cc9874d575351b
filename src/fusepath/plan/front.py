"""Plans of which none is better in latency, energy and bytes at once; and the best by a goal.

Searches are for latency. What little energy takes is found by the same searches, when the device
may compute less, or send less, than the quickest plan does: those limits are drawn in step by step,
and all single cuts are looked at besides. So what is found is an upper bound of the best.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from fusepath.errors import InputError, NoPlanError
from fusepath.plan.algorithms import ALGORITHMS
from fusepath.plan.compressed import variants
from fusepath.plan.fluid import energy_bound_j
from fusepath.plan.objective import LATENCY, Energy, Weighted
from fusepath.plan.origin import UNKNOWN
from fusepath.plan.planner import (
    POWER_UNKNOWN,
    WHOLE,
    answer,
    check_request,
    drawing_at_most,
    usual_budget,
)
from fusepath.plan.request import DEFAULT_REQUEST
from fusepath.plan.result import PlanResult, nothing_found
from fusepath.plan.timing import Timing
from fusepath.schedule.budget import Budget
from fusepath.schedule.result import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusepath.plan.limits.constraints import Constraints
    from fusepath.plan.objective import Objective
    from fusepath.plan.origin import Origin
    from fusepath.plan.plan import Plan
    from fusepath.plan.request import PlanRequest
    from fusepath.plan.setting import Setting

_BESIDE = 16
"""Plans that each search gives."""
_SHARES = (0.75, 0.5, 0.25, 0.1)
"""Of what the quickest plan computes, and sends, that others may."""
_OF_A_SEARCH = 0.25
"""Of the budget of a search that each of the limited ones has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """Plans by rising latency; of the others that were met, each is no better in anything."""

    plans: tuple[Plan, ...]
    considered: int
    """Plans that were met."""
    latency_bound_s: float
    """No plan is done sooner."""
    energy_bound_j: float
    """No plan draws less."""


def make_front(
    setting: Setting, request: PlanRequest = DEFAULT_REQUEST, origin: Origin = UNKNOWN
) -> Front:
    """The front of latency, energy and bytes sent up, among all single cuts and what is found.

    Args:
        setting: network, machines and link; the device's power must be known.
        request: what the planner may choose, and what it must keep to.
        origin: what is written into the plans besides.

    Raises:
        InputError: as of `make_plan`, or the device's power is not known.
        InfeasibleError: nothing was found that keeps to the constraints.
        UndecidedError: the budget ended before anything was found.
    """
    timing = Timing(setting)
    check_request(request)
    pool = _pool(timing, request, origin)
    pool.best  # noqa: B018 - which raises why there is none
    plans = pool.plans
    found = [
        plan
        for at, plan in enumerate(plans)
        if not any(_dominates(other, plan, first=before < at) for before, other in enumerate(plans))
    ]
    return Front(
        plans=tuple(sorted(found, key=lambda plan: plan.makespan_s)),
        considered=len(plans),
        latency_bound_s=min(plan.lower_bound_s for plan in plans),
        energy_bound_j=_known(plans[0].energy_bound_j),
    )


def search_by_energy(timing: Timing, request: PlanRequest, origin: Origin) -> PlanResult:
    """The best plans by an objective in which energy counts, or within a limit of it.

    Args:
        timing: of network, machines and link.
        request: has been checked; its objective is no one of streams.
        origin: what is written into the plans besides.
    """
    found = _pool(timing, request, origin)
    if not found.plans:
        return found
    value = _value_of(request.objective)
    plans = sorted(found.plans, key=lambda plan: (value(plan), plan.makespan_s))[: request.top]
    best = plans[0]
    proven = value(best) <= _least_of(request.objective, best)
    return PlanResult(
        status=Status.OPTIMAL if proven else Status.FEASIBLE,
        plans=tuple(plans),
        lower_bound_s=best.lower_bound_s,
        seconds=found.seconds,
        evaluations=found.evaluations,
    )


def _value_of(objective: Objective) -> Callable[[Plan], float]:
    match objective:
        case Energy():
            return lambda plan: _known(plan.energy_j)
        case Weighted(seconds_per_joule=weight):
            return lambda plan: plan.makespan_s + weight * _known(plan.energy_j)
    return lambda plan: plan.makespan_s


def _least_of(objective: Objective, plan: Plan) -> float:
    """A value that no plan beats."""
    match objective:
        case Energy():
            return _known(plan.energy_bound_j)
        case Weighted(seconds_per_joule=weight):
            return plan.lower_bound_s + weight * _known(plan.energy_bound_j)
    return plan.lower_bound_s


def _known(joules: float | None) -> float:
    assert joules is not None, "plans of a pool are for a device whose power is known"
    return joules


def _dominates(other: Plan, plan: Plan, *, first: bool) -> bool:
    """Whether another plan is as good in everything, and better in something or met first."""
    values = [
        (item.makespan_s, _known(item.energy_j), float(item.up_bytes)) for item in (other, plan)
    ]
    as_good = all(a <= b for a, b in zip(*values, strict=True))
    return as_good and (values[0] != values[1] or first)


def _pool(timing: Timing, request: PlanRequest, origin: Origin) -> PlanResult:
    """Plans that may be the best by some weighing and keep to all limits, each once."""
    power = timing.setting.device.power
    if not power:
        raise InputError(f"energy cannot be planned for: {POWER_UNKNOWN}")
    limit_j = request.constraints.device_energy_j
    limits = msgspec.structs.replace(request.constraints, device_energy_j=None)
    free = msgspec.structs.replace(request, constraints=limits, objective=LATENCY)
    results = [_searched(timing, asked, origin) for asked in _searches(free)]
    quickest = min(
        (plan for result in results for plan in result.plans),
        key=lambda plan: plan.makespan_s,
        default=None,
    )
    if quickest is None:
        return results[-1]
    if request.algorithm not in WHOLE:
        for drawn_in in _drawn_in(quickest, limits):
            asked = msgspec.structs.replace(_limited(free), constraints=drawn_in, top=_BESIDE)
            with suppress(NoPlanError):
                results.append(_searched(timing, asked, origin))
    bound_j = energy_bound_j([item.setting for item in variants(timing, request)], power)
    unlike: dict[str, Plan] = {}
    for result in results:
        for plan in result.plans:
            unlike.setdefault(plan.recipe_sha256, plan)
    # A file that is forwarded has other bytes than the bound knows of.
    bound_j = min(bound_j, *(_known(plan.energy_j) for plan in unlike.values()))
    bound_s = min(plan.lower_bound_s for plan in unlike.values())
    seconds = sum(result.seconds for result in results)
    evaluations = sum(result.evaluations for result in results)
    kept = list(unlike.values())
    if limit_j is not None:
        kept, closest = drawing_at_most(kept, limit_j)
        if closest is not None:
            return nothing_found(closest, seconds=seconds, evaluations=evaluations)
    return PlanResult(
        status=Status.FEASIBLE,
        plans=tuple(
            msgspec.structs.replace(
                plan.predicting(lower_bound_s=bound_s, energy_bound_j=bound_j), request=request
            )
            for plan in kept
        ),
        lower_bound_s=bound_s,
        seconds=seconds,
        evaluations=evaluations,
    )


def _searched(timing: Timing, request: PlanRequest, origin: Origin) -> PlanResult:
    find = ALGORITHMS[request.algorithm].search
    return answer(timing, request, origin, find, most=sys.maxsize)


def _searches(request: PlanRequest) -> Iterator[PlanRequest]:
    asked = msgspec.structs.replace(request, top=max(request.top, _BESIDE))
    if request.algorithm in WHOLE:
        yield msgspec.structs.replace(asked, top=sys.maxsize)
        return
    if request.algorithm == "auto" and not request.start:
        yield msgspec.structs.replace(asked, algorithm="nfl", top=sys.maxsize)
    yield asked


def _limited(request: PlanRequest) -> PlanRequest:
    """The request with the budget of one of the limited searches."""
    budget = request.budget or usual_budget(request)
    left, seconds = budget.evaluations, budget.seconds
    part = Budget(
        evaluations=None if left is None else int(left * _OF_A_SEARCH),
        seconds=None if seconds is None else seconds * _OF_A_SEARCH,
    )
    return msgspec.structs.replace(request, budget=part)


def _drawn_in(plan: Plan, limits: Constraints) -> Iterator[Constraints]:
    """Limits by which the device computes, or sends, less than for a plan."""
    for share in _SHARES:
        for name, used in (("device_macs", plan.device_macs), ("upload_bytes", plan.up_bytes)):
            allowed, so_far = int(used * share), getattr(limits, name)
            if used and (so_far is None or allowed < so_far):
                yield msgspec.structs.replace(limits, **{name: allowed})
