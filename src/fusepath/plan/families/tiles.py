"""The best tiling for an algorithm that schedules one: MW, BF, JPS, exact."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fusepath.errors import InfeasibleError
from fusepath.plan.candidate import Candidate, ranked
from fusepath.plan.families.quick_bounds import quick_bounds_ns
from fusepath.plan.families.tile_sizes import improve_sizes
from fusepath.plan.limits.constrained import Within, schedule_within
from fusepath.plan.limits.usage import TileUsage
from fusepath.plan.plan import MAX_PATHS
from fusepath.schedule.bounds import lower_bound_ns
from fusepath.schedule.brute_force import brute_force
from fusepath.schedule.exact import exact
from fusepath.schedule.johnson import johnson_partition
from fusepath.schedule.minimizing_waiting import minimizing_waiting_within, must_exceed
from fusepath.schedule.problem import ns
from fusepath.schedule.pruned import faster_schedule, pruned_brute_force
from fusepath.tiling import Grid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fusepath.plan.limits.constraints import Shortfall
    from fusepath.plan.request import PlanRequest
    from fusepath.plan.timing import Tiled, Timing
    from fusepath.schedule.problem import Problem
    from fusepath.schedule.schedule import Schedule

EXACT_LIMIT_S = 60.0
"""Seconds for one tiling; what is not proven then is reported with its gap."""
MOST_EXACT = 32
MOST_JOHNSON = 8
MANY_PATHS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Solver:
    """How an algorithm schedules the paths of one tiling, and which tilings it looks at.

    ``solve`` takes a problem and a makespan that must not be exceeded (None for any). It returns a
    schedule, or None if it finds none within, and a time that no schedule of the problem beats.
    """

    solve: Callable[[Problem, int | None], tuple[Schedule | None, int]]
    last_cut: bool
    """Whether a path may stay on the device up to and with the fused layer, cut ``tau + 1``."""
    most_parts: int | None = None
    """Without a grid, k×k for k up to this."""
    later_wins: bool = False
    """On a tie, the later tiling wins (Algorithm 1, line 20)."""
    shortcut: bool = False
    """Large grids can be dismissed as those of MW can."""


def search_minimizing_waiting(timing: Timing, search: PlanRequest) -> Candidate:
    """MW(r×c) for a given grid, MW(k×k) without one (Algorithm 1, with its outer loops).

    The paper offloads every path before its fused layer at the latest.
    """
    return best_tiling(timing, search, _MW)


def search_brute_force(timing: Timing, search: PlanRequest) -> Candidate:
    """BF: the best of all orders and cuts for every fused layer; 2×2 unless a grid is given.

    Nothing is tried that is known to be no better (`faster_schedule`); `search_plainly` is the
    same search as the paper defines it.

    Raises:
        InfeasibleError: the grid has too many different paths for an exact search.
    """
    return best_tiling(timing, _two_by_two(search), _BF)


def search_plainly(timing: Timing, search: PlanRequest) -> Candidate:
    """BF as the paper defines it: every fused layer, every order, every cut, one by one.

    Raises:
        InfeasibleError: there are more schedules than anybody would wait for.
    """
    search = _two_by_two(search)
    found = []
    for tiled in timing.prices.tilings(search.grid, search.tau):
        schedule = brute_force(timing.tiled_problem(tiled).restricted(tiled.tau))
        found.append((tiled, schedule))
    if not found:
        raise _nothing_fits(timing, search)
    tiled, schedule = min(found, key=lambda item: item[1].makespan_ns)
    return _found(tiled, schedule, schedule.makespan_ns, len(found))


def search_exact(timing: Timing, search: PlanRequest) -> Candidate:
    """The optimum over all tilings, orders and cuts, the last one (``tau + 1``) included.

    Without a grid, all k×k for k up to 32: finer ones consist of halos. Tilings are solved in the
    order of their lower bounds; what has a bound no better than the best schedule is not solved.
    """
    return best_tiling(timing, search, _EXACT)


def search_johnson(timing: Timing, search: PlanRequest) -> Candidate:
    """JPS (Duan and Wu): a cut per path around a crossing, ordered by Johnson's rule.

    Without a grid, k×k for k up to 8: the rule tries as many schedules as there are paths.
    """
    return best_tiling(timing, search, _JPS)


def best_tiling(timing: Timing, search: PlanRequest, solver: Solver) -> Candidate:
    """The tiling whose schedule is best, its tiles equal unless their sizes may be chosen too.

    Raises:
        InfeasibleError: no fused layer is large enough for the grid, or nothing was found that
            keeps to the constraints.
    """
    equal = _best_equal_tiling(timing, search, solver)
    if not search.unequal:
        return equal
    better = improve_sizes(timing, search, equal, solver.solve, last_cut=solver.last_cut)
    # The bound of equal tiles is none of unequal ones.
    return ranked((better, equal), search.top).rated(0, equal.evaluated + better.evaluated)


def improve_minimizing_waiting(timing: Timing, search: PlanRequest, equal: Candidate) -> Candidate:
    """MW on tiles of unequal sizes, from its best equal ones; never worse than those."""
    return improve_sizes(timing, search, equal, _MW.solve, last_cut=_MW.last_cut)


def _best_equal_tiling(timing: Timing, search: PlanRequest, solver: Solver) -> Candidate:
    """The best schedule of equal tiles, least lower bound first.

    A tiling whose bound exceeds the best makespan so far (the last one of those that are wanted) is
    not scheduled.
    """
    kept: list[tuple[int, int, Tiled, Schedule]] = []
    bound_ns: int | None = None
    evaluated = 0
    seen: set[int] = set()
    until_s: float | None = None
    open_ns = sys.maxsize
    closest: tuple[float, Tiled, tuple[Shortfall, ...]] | None = None
    for at, quick_ns, tiled in _by_promise(timing, search, solver):
        if until_s is None:
            until_s = _deadline_s(search)
        if time.perf_counter() > until_s:
            open_ns = min(open_ns, quick_ns)
            continue
        full = len(kept) == search.top
        allowed_ns = kept[-1][0] - (not solver.later_wins) if full else None
        if at in seen or (allowed_ns is not None and quick_ns > allowed_ns):
            continue
        seen.add(at)
        known_ns, within = _scheduled(timing, search, tiled, solver, quick_ns, allowed_ns)
        if within.shortfalls:
            excess = sum(item.excess for item in within.shortfalls)
            if closest is None or excess < closest[0]:
                closest = (excess, tiled, within.shortfalls)
        if known_ns is None:
            continue
        evaluated += 1
        bound_ns = known_ns if bound_ns is None else min(bound_ns, known_ns)
        if within.schedule is None:
            continue
        place = -at if solver.later_wins else at
        kept = _inserted(kept, (within.schedule.makespan_ns, place, tiled, within.schedule))
        kept = kept[: search.top]
    if not kept or bound_ns is None:
        raise _nothing_fits(timing, search, closest)
    # Other tilings that were not scheduled have bounds at or above the best makespan.
    lower_ns = min(bound_ns, open_ns, kept[0][0])
    return ranked(
        (_found(tiled, schedule, lower_ns, evaluated) for _, _, tiled, schedule in kept),
        search.top,
    )


def _deadline_s(search: PlanRequest) -> float:
    """Never but for constraints: nothing takes as long as to find that nothing keeps to them."""
    if search.time_limit_s is None or not search.constraints.limits_choices:
        return math.inf
    return time.perf_counter() + search.time_limit_s


def _inserted(
    kept: list[tuple[int, int, Tiled, Schedule]], new: tuple[int, int, Tiled, Schedule]
) -> list[tuple[int, int, Tiled, Schedule]]:
    """In the order of makespans; of one path cut at one layer, only one fused layer."""
    alike = [item for item in kept if _is_one_path(item, new)]
    if alike and alike[0][:2] < new[:2]:
        return kept
    return sorted([*(item for item in kept if item not in alike), new], key=lambda item: item[:2])


def _is_one_path(
    one: tuple[int, int, Tiled, Schedule], other: tuple[int, int, Tiled, Schedule]
) -> bool:
    return one[2].grid.paths == other[2].grid.paths == 1 and one[3].cuts == other[3].cuts


def _scheduled(
    timing: Timing,
    search: PlanRequest,
    tiled: Tiled,
    solver: Solver,
    quick_ns: int,
    allowed_ns: int | None,
) -> tuple[int | None, Within]:
    """A bound and a schedule of one tiling; no bound where it is dismissed by its bound."""
    if allowed_ns is not None and solver.shortcut and _is_hopeless(timing, tiled, allowed_ns):
        return quick_ns, Within(None, 0)
    problem = timing.tiled_problem(tiled)
    if not solver.last_cut:
        problem = problem.restricted(tiled.tau)
    lower_ns = lower_bound_ns(problem)
    if allowed_ns is not None and lower_ns > allowed_ns:
        return None, Within(None, 0)
    within = schedule_within(
        problem,
        TileUsage(timing.prices.counts, tiled.tau, tiled.grid),
        search.constraints,
        lambda problem: solver.solve(problem, allowed_ns),
    )
    if within.impossible:
        return None, within
    return max(lower_ns, within.lower_bound_ns), within


def _is_hopeless(timing: Timing, tiled: Tiled, limit_ns: int) -> bool:
    """Whether MW on a large grid must take longer, found out without spelling out its paths."""
    if tiled.grid.paths <= MANY_PATHS:
        return False
    cuts = tiled.tau
    device_ns, link_ns, edge_ns = (table[:, :cuts] for table in timing.times_ns(tiled))
    times = (device_ns, link_ns, edge_ns + ns(timing.setting.link.delay_s))
    return must_exceed(
        times,
        tiled.counts,
        limit_ns - tiled.tail_ns,
        shared_link=timing.setting.convention.shared_link,
    )


def _solve_minimizing_waiting(
    problem: Problem, allowed_ns: int | None
) -> tuple[Schedule | None, int]:
    return minimizing_waiting_within(problem, allowed_ns), 0


def _solve_brute_force(problem: Problem, allowed_ns: int | None) -> tuple[Schedule | None, int]:
    if allowed_ns is None:
        schedule: Schedule | None = pruned_brute_force(problem)
    else:
        schedule = faster_schedule(problem, allowed_ns + 1)
    if schedule is None:
        assert allowed_ns is not None  # without a limit there is always one
        return None, allowed_ns + 1
    return schedule, schedule.makespan_ns


def _solve_exact(problem: Problem, _: int | None) -> tuple[Schedule | None, int]:
    result = exact(problem, time_limit_s=EXACT_LIMIT_S)
    return result.schedule, result.lower_bound_ns


def _solve_johnson(problem: Problem, _: int | None) -> tuple[Schedule | None, int]:
    return johnson_partition(problem), 0


_MW = Solver(solve=_solve_minimizing_waiting, last_cut=False, later_wins=True, shortcut=True)
_BF = Solver(solve=_solve_brute_force, last_cut=False)
_EXACT = Solver(solve=_solve_exact, last_cut=True, most_parts=MOST_EXACT)
_JPS = Solver(solve=_solve_johnson, last_cut=True, most_parts=MOST_JOHNSON)


def _two_by_two(search: PlanRequest) -> PlanRequest:
    return search if search.grid is not None else replace(search, grid=Grid(2, 2))


def _found(tiled: Tiled, schedule: Schedule, lower_bound_ns: int, evaluated: int) -> Candidate:
    return Candidate(
        tau=tiled.tau,
        grid=tiled.grid,
        schedule=schedule,
        lower_bound_ns=lower_bound_ns,
        evaluated=evaluated,
    )


def _nothing_fits(
    timing: Timing,
    search: PlanRequest,
    closest: tuple[float, Tiled, tuple[Shortfall, ...]] | None = None,
) -> InfeasibleError:
    kept, last = search.constraints.keep_on_device, timing.setting.graph.tileable_layers
    if closest is not None:
        _, tiled, shortfalls = closest
        return InfeasibleError(
            f"no tiling was found that keeps to the constraints; the closest (tau {tiled.tau}, "
            f"grid {tiled.grid}) needs {' and '.join(map(str, shortfalls))}"
        )
    if kept > 0:
        return InfeasibleError(
            f"layers 1 to {kept} must stay on the device, and no tiling that this algorithm may "
            f"choose keeps them there: layers 1 to {last} can be tiled"
        )
    return InfeasibleError("no fused layer is large enough for this grid; use a smaller grid")


def _by_promise(
    timing: Timing, search: PlanRequest, solver: Solver
) -> Iterator[tuple[int, int, Tiled]]:
    """Every admissible tiling with its place among all and a lower bound, least bound first.

    For MW, a few of every fused layer come before all others (and once more in their place), so
    that there is something good to compare with from early on.
    """
    tilings = [
        tiled
        for tiled in timing.prices.tilings(search.grid, search.tau)
        if (
            search.grid is not None
            or solver.most_parts is None
            or tiled.grid.rows <= solver.most_parts
        )
        and search.constraints.allows_paths(tiled.grid.paths)
        and not (search.constraints.limits_choices and tiled.grid.paths > MAX_PATHS)
        and tiled.tau + solver.last_cut > search.constraints.keep_on_device
    ]
    bounds = quick_bounds_ns(timing, tilings, last_cut=solver.last_cut)
    ahead = [
        at
        for at, tiled in enumerate(tilings)
        if solver.shortcut and (_is_scout(tilings, at) or (tiled.tau, tiled.grid) == search.first)
    ]
    ahead.sort(
        key=lambda at: (
            (tilings[at].tau, tilings[at].grid) != search.first,
            tilings[at].grid.paths,
        )
    )
    for at in [*ahead, *np.argsort(bounds, kind="stable").tolist()]:
        yield at, int(bounds[at]), tilings[at]


def _is_scout(tilings: Sequence[Tiled], at: int) -> bool:
    """Two by two, or the largest grid over its fused layer."""
    last = at + 1 == len(tilings) or tilings[at + 1].tau != tilings[at].tau
    return last or tilings[at].grid == Grid(2, 2)
