"""From a request to plans: each algorithm searches fused layers, grids, orders and cuts."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from fusepath.errors import InfeasibleError, InputError, NoPlanError
from fusepath.nearest import did_you_mean
from fusepath.plan.algorithms import ALGORITHMS, BUILT_IN
from fusepath.plan.build import build_plan
from fusepath.plan.compressed import variants
from fusepath.plan.families.forwarding import forward_file
from fusepath.plan.families.sections import check_start, search_behind, start_of
from fusepath.plan.families.tile_sizes import SIZES_EVALUATIONS
from fusepath.plan.fluid import fluid_bound_ns
from fusepath.plan.limits.constraints import ENERGY, Shortfall
from fusepath.plan.result import PlanResult, nothing_found
from fusepath.plan.search import Search
from fusepath.plan.simulation import simulate
from fusepath.schedule.budget import Budget
from fusepath.schedule.problem import NS_PER_S, ns
from fusepath.schedule.result import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.plan.algorithms import Find
    from fusepath.plan.origin import Origin
    from fusepath.plan.plan import Plan
    from fusepath.plan.request import PlanRequest
    from fusepath.plan.timing import Timing
    from fusepath.schedule.budget import Meter

_ROUNDING_S = 1e-6
"""By which a plan that is played may differ from what its algorithm says."""
_TIMES_CONSTRAINED = 4
"""Of the usual budget where plans are limited: counting what each demands takes most of it."""


POWER_UNKNOWN = (
    "what the device draws is not known; write it behind the device, like "
    "10GFLOPS:wait=2.7,compute=6.4,send=3.4,receive=3.2 in watts, or into its file"
)
WHOLE = frozenset({"device-only", "full-offload", "nfl", "streamed-cut", "forward"})
"""Those that leave the network as it is, but for the rows of one cut that are sent early."""


def usual_budget(request: PlanRequest) -> Budget:
    """What the search of a request may spend where nobody says."""
    if request.unequal:
        return Budget(evaluations=SIZES_EVALUATIONS)
    usual = ALGORITHMS[request.algorithm].budget
    if usual.evaluations is not None and request.constraints.limits_choices:
        return Budget(evaluations=_TIMES_CONSTRAINED * usual.evaluations)
    return usual


def check_request(request: PlanRequest) -> None:
    """Raise unless there is such an algorithm, and it chooses what it is to choose.

    Raises:
        InputError: it does not.
    """
    if request.algorithm not in ALGORITHMS:
        raise InputError(
            f"there is no algorithm '{request.algorithm}'"
            f"{did_you_mean(request.algorithm, ALGORITHMS)}; known ones are {', '.join(ALGORITHMS)}"
        )
    if request.start and request.algorithm in WHOLE:
        raise InputError(
            f"algorithm '{request.algorithm}' does not tile, so that it begins at the input: leave "
            f"out start"
        )
    if request.algorithm in WHOLE and (request.grid is not None or request.tau is not None):
        raise InputError(
            f"algorithm '{request.algorithm}' does not tile: leave out grid and tau, or take one "
            f"that does"
        )
    if request.unequal and not ALGORITHMS[request.algorithm].unequal:
        able = ", ".join(name for name, item in ALGORITHMS.items() if item.unequal)
        raise InputError(
            f"algorithm '{request.algorithm}' does not choose the sizes of tiles; these do: {able}"
        )


def answer(
    timing: Timing, request: PlanRequest, origin: Origin, find: Find, *, most: int | None = None
) -> PlanResult:
    """All that a search finds, as plans of a request.

    Args:
        timing: of network, machines, link and convention.
        request: has been checked.
        origin: what is written into the plans besides.
        find: the search.
        most: how many plans are kept; as many as the request wants without.
    """
    graph = timing.setting.graph
    request.constraints.check(graph)
    if request.algorithm == "auto" and request.start:
        check_start(graph, request.start)
    elif request.algorithm not in WHOLE | {"auto"} and (start := start_of(graph, request)):
        find = partial(search_behind, find, start=start)
    forwards = ALGORITHMS[request.algorithm].forwards
    timings = [timing] if forwards else variants(timing, request)
    budget = usual_budget(request) if request.budget is None else request.budget
    meter = Budget(seconds=budget.seconds).begin()
    found: list[list[Plan]] = []
    errors: list[NoPlanError] = []
    # With codecs first: what they reach may show that it is of no use to search without them.
    for place, variant in enumerate(reversed(timings)):
        if found and most is None and _cannot_improve(variant, found[0], request.top, meter):
            continue
        share = 1 / (len(timings) - place)
        search = Search(request, meter.part(evaluations=budget.evaluations, share=share))
        try:
            found.append(_plans(variant, search, origin, find, meter))
        except NoPlanError as error:
            errors.append(error.with_traceback(None))  # which holds all of the search
    if request.algorithm == "auto" and timing.setting.source is not None:
        with suppress(InfeasibleError):
            search = Search(request, Budget().begin())
            found.append(_plans(timing, search, origin, forward_file, meter))
    plans = [plan for several in reversed(found) for plan in several]
    limit_j = request.constraints.device_energy_j
    if plans and limit_j is not None:
        plans, closest = drawing_at_most(plans, limit_j)
        errors += [closest] if closest else []
    if not plans:
        return nothing_found(errors[-1], seconds=meter.seconds, evaluations=meter.spent)
    # Plans of either kind were to be had, so only what none of them beats is a bound; one that
    # was not searched is no less.
    bound_s = min(plan.lower_bound_s for plan in plans)
    plans = [plan.predicting(lower_bound_s=bound_s) for plan in plans]
    plans.sort(key=lambda plan: plan.makespan_s)
    return PlanResult(
        status=Status(plans[0].status),
        plans=tuple(plans[: request.top if most is None else most]),
        lower_bound_s=bound_s,
        seconds=meter.seconds,
        evaluations=meter.spent,
    )


def drawing_at_most(
    plans: Sequence[Plan], limit_j: float
) -> tuple[list[Plan], InfeasibleError | None]:
    """Those that draw no more, or why there are none.

    Raises:
        InputError: what the device draws is not known.
    """
    drawn = [plan.energy_j for plan in plans]
    known = [joules for joules in drawn if joules is not None]
    if len(known) < len(drawn):
        raise InputError(f"{ENERGY} {limit_j:g}: {POWER_UNKNOWN}")
    kept = [plan for plan, joules in zip(plans, known, strict=True) if joules <= limit_j]
    if kept:
        return kept, None
    short = Shortfall(ENERGY, min(known), limit_j)
    return [], InfeasibleError(
        f"no plan that was found keeps to it; the closest needs {short}", [short]
    )


def _cannot_improve(timing: Timing, found: Sequence[Plan], top: int, meter: Meter) -> bool:
    """Whether the best plans that are wanted are there, and no plan of a setting beats them."""
    if len(found) < top:
        return False
    slowest_s = sorted(plan.makespan_s for plan in found)[top - 1]
    bound_ns = fluid_bound_ns(timing.setting, meter) + ns(timing.setting.decode_s)
    return bound_ns >= slowest_s * NS_PER_S


def _plans(timing: Timing, search: Search, origin: Origin, find: Find, clock: Meter) -> list[Plan]:
    """What a search finds; ``clock`` says when not even a bound is waited for."""
    found = find(timing, search)
    if found.lower_bound_ns == 0:  # where nothing else is known, what holds for all plans does
        found = found.rated(fluid_bound_ns(timing.setting, clock), found.evaluated)
    if not found.forwards:  # or else the device decodes the input before all else
        found = found.behind(0, ns(timing.setting.decode_s))
    plans = [build_plan(timing, item, search, origin) for item in found.all]
    if search.request.algorithm not in BUILT_IN:
        _check_foreign(timing, plans)
    return plans


def _check_foreign(timing: Timing, plans: Sequence[Plan]) -> None:
    """Hold plans of an algorithm that is not fusepath's to what machines and limits allow.

    Raises:
        InfeasibleError: no machine could carry a plan out, it breaks limits, or takes longer or
            shorter than it says.
    """
    for plan in plans:
        name = plan.request.algorithm
        try:
            played_s = simulate(plan, timing.setting).end_s
        except InputError as error:
            raise InfeasibleError(
                f"what algorithm '{name}' found cannot be used: {error}"
            ) from error
        if abs(played_s - plan.makespan_s) > _ROUNDING_S:
            raise InfeasibleError(
                f"what algorithm '{name}' found cannot be used: it says {plan.makespan_s:.6g} s, "
                f"but played it takes {played_s:.6g} s"
            )
