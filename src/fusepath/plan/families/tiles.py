"""The best tiling for an algorithm that schedules one: MW, BF, JPS, exact."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusepath.errors import InfeasibleError, NoPlanError, UndecidedError
from fusepath.plan.candidate import Candidate, ranked
from fusepath.plan.families.quick_bounds import quick_bounds_ns
from fusepath.plan.families.tile_sizes import improve_sizes
from fusepath.plan.limits.constrained import Within, schedule_within
from fusepath.plan.limits.usage import TileUsage
from fusepath.plan.plan import MAX_PATHS
from fusepath.schedule.bounds import lower_bound_ns
from fusepath.schedule.brute_force import brute_force
from fusepath.schedule.exact import EXACT_BUDGET, exact
from fusepath.schedule.johnson import johnson_partition
from fusepath.schedule.minimizing_waiting import minimizing_waiting_within, must_exceed
from fusepath.schedule.problem import ns
from fusepath.schedule.pruned import faster_schedule, pruned_brute_force
from fusepath.tiling import Grid, Tiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusepath.graph import ModelGraph
    from fusepath.plan.families.tile_sizes import Solve
    from fusepath.plan.limits.constraints import Shortfall
    from fusepath.plan.search import Search
    from fusepath.plan.timing import Tiled, Timing
    from fusepath.schedule.budget import Meter
    from fusepath.schedule.problem import Problem
    from fusepath.schedule.schedule import Schedule

MOST_EXACT = 32
MOST_JOHNSON = 8
MANY_PATHS = 256
QUICK_EVALUATIONS = 10
TILING_EVALUATIONS = 4
"""What working out the costs of one class of tiles is worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solver:
    """How an algorithm schedules the paths of one tiling, and which tilings it looks at.

    ``solve`` takes a problem, a makespan that must not be exceeded (None for any) and what may be
    spent. It returns a schedule, or None if it finds none within, and a time that no schedule of
    the problem beats.
    """

    solve: Solve
    last_cut: bool
    """Whether a path may stay on the device up to and with the fused layer, cut ``tau + 1``."""
    most_parts: int | None = None
    """Without a grid, k×k for k up to this."""
    later_wins: bool = False
    """On a tie, the later tiling wins (Algorithm 1, line 20)."""
    shortcut: bool = False
    """Large grids can be dismissed as those of MW can."""


def search_minimizing_waiting(timing: Timing, search: Search) -> Candidate:
    """MW(r×c) for a given grid, MW(k×k) without one (Algorithm 1, with its outer loops).

    The paper offloads every path before its fused layer at the latest.
    """
    return best_tiling(timing, search, _MW)


def search_brute_force(timing: Timing, search: Search) -> Candidate:
    """BF: the best of all orders and cuts for every fused layer; 2×2 unless a grid is given.

    Nothing is tried that is known to be no better (`faster_schedule`); `search_plainly` is the
    same search as the paper defines it.

    Raises:
        UndecidedError: the budget ends before anything is found.
    """
    return best_tiling(timing, _two_by_two(search), _BF)


def search_plainly(timing: Timing, search: Search) -> Candidate:
    """BF as the paper defines it: every fused layer, every order, every cut, one by one.

    Raises:
        UndecidedError: there are more schedules than anybody would wait for.
    """
    search = _two_by_two(search)
    found = []
    for tiled in timing.prices.tilings(search.request.grid, search.request.tau):
        schedule = brute_force(timing.tiled_problem(tiled).restricted(tiled.tau))
        found.append((tiled, schedule))
    if not found:
        raise _nothing_fits(timing, search)
    tiled, schedule = min(found, key=lambda item: item[1].makespan_ns)
    return _found(timing, tiled, schedule, schedule.makespan_ns, len(found))


def search_exact(timing: Timing, search: Search) -> Candidate:
    """The optimum over all tilings, orders and cuts, the last one (``tau + 1``) included.

    Without a grid, all k×k for k up to 32: finer ones consist of halos. Tilings are solved in the
    order of their lower bounds; what has a bound no better than the best schedule is not solved.
    """
    return best_tiling(timing, search, _EXACT)


def search_johnson(timing: Timing, search: Search) -> Candidate:
    """JPS (Duan and Wu): a cut per path around a crossing, ordered by Johnson's rule.

    Without a grid, k×k for k up to 8: the rule tries as many schedules as there are paths.
    """
    return best_tiling(timing, search, _JPS)


def best_tiling(timing: Timing, search: Search, solver: Solver) -> Candidate:
    """The tiling whose schedule is best, its tiles equal unless their sizes may be chosen too.

    Raises:
        InfeasibleError: no fused layer is large enough for the grid, or nothing was found that
            keeps to the constraints.
    """
    equal = _best_equal_tiling(timing, search, solver)
    if not search.request.unequal:
        return equal
    better = improve_sizes(timing, search, equal, solver.solve, last_cut=solver.last_cut)
    # The bound of equal tiles is none of unequal ones.
    return ranked((better, equal), search.request.top).rated(0, equal.evaluated + better.evaluated)


def improve_minimizing_waiting(timing: Timing, search: Search, equal: Candidate) -> Candidate:
    """MW on tiles of unequal sizes, from its best equal ones; never worse than those."""
    return improve_sizes(timing, search, equal, _MW.solve, last_cut=_MW.last_cut)


def _best_equal_tiling(timing: Timing, search: Search, solver: Solver) -> Candidate:
    """The best schedule of equal tiles, least lower bound first.

    A tiling whose bound exceeds the best makespan so far (the last one of those that are wanted) is
    not scheduled.
    """
    kept: list[tuple[int, int, Tiled, Schedule]] = []
    bound_ns: int | None = None
    evaluated = 0
    seen: set[int] = set()
    meter = search.meter
    open_ns = sys.maxsize
    closest: tuple[float, Tiled, tuple[Shortfall, ...]] | None = None
    tilings, complete = _admissible(timing, search, solver)
    for at, quick_ns, tiled in _by_promise(timing, search, solver, tilings):
        if meter.is_over:
            open_ns = min(open_ns, quick_ns)
            continue
        full = len(kept) == search.request.top
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
        kept = _inserted(
            timing.setting.graph, kept, (within.schedule.makespan_ns, place, tiled, within.schedule)
        )
        kept = kept[: search.request.top]
    if not kept or bound_ns is None:
        raise _nothing_fits(timing, search, closest)
    # Other tilings that were not scheduled have bounds at or above the best makespan.
    lower_ns = min(bound_ns, open_ns, kept[0][0]) if complete else 0
    return ranked(
        (_found(timing, tiled, schedule, lower_ns, evaluated) for _, _, tiled, schedule in kept),
        search.request.top,
    )


def _inserted(
    graph: ModelGraph,
    kept: list[tuple[int, int, Tiled, Schedule]],
    new: tuple[int, int, Tiled, Schedule],
) -> list[tuple[int, int, Tiled, Schedule]]:
    """In the order of makespans; of one path cut at one layer, only one fused layer."""
    alike = [item for item in kept if _likeness(graph, item) == _likeness(graph, new)]
    if alike and alike[0][:2] < new[:2]:
        return kept
    return sorted([*(item for item in kept if item not in alike), new], key=lambda item: item[:2])


def _likeness(graph: ModelGraph, kept: tuple[int, int, Tiled, Schedule]) -> tuple[object, ...]:
    _, _, tiled, schedule = kept
    return Tiles.even(graph, tiled.tau, tiled.grid).likeness, schedule.cuts


def _scheduled(
    timing: Timing,
    search: Search,
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
        TileUsage(timing.prices.counts, Tiles.even(timing.setting.graph, tiled.tau, tiled.grid)),
        search.request.constraints,
        lambda problem: solver.solve(problem, allowed_ns, search.meter),
        search.meter,
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
    problem: Problem, allowed_ns: int | None, meter: Meter
) -> tuple[Schedule | None, int]:
    meter.spend(problem.paths)
    return minimizing_waiting_within(problem, allowed_ns), 0


def _solve_brute_force(
    problem: Problem, allowed_ns: int | None, meter: Meter
) -> tuple[Schedule | None, int]:
    try:
        if allowed_ns is None:
            schedule: Schedule | None = pruned_brute_force(problem, meter)
        else:
            schedule = faster_schedule(problem, allowed_ns + 1, meter)
    except UndecidedError:
        if not meter.is_over:
            raise  # too many labels for any budget
        return minimizing_waiting_within(problem, allowed_ns), 0
    if schedule is None:
        assert allowed_ns is not None  # without a limit there is always one
        return None, allowed_ns + 1
    return schedule, schedule.makespan_ns


def _solve_exact(problem: Problem, _: int | None, meter: Meter) -> tuple[Schedule | None, int]:
    # What is not proven with what one tiling may take is reported with its gap.
    result = exact(problem, meter=meter.part(evaluations=EXACT_BUDGET.evaluations))
    return result.schedule, result.lower_bound_ns


def _solve_johnson(problem: Problem, _: int | None, meter: Meter) -> tuple[Schedule | None, int]:
    meter.spend(problem.paths**2)
    return johnson_partition(problem), 0


_MW = Solver(solve=_solve_minimizing_waiting, last_cut=False, later_wins=True, shortcut=True)
_BF = Solver(solve=_solve_brute_force, last_cut=False)
_EXACT = Solver(solve=_solve_exact, last_cut=True, most_parts=MOST_EXACT)
_JPS = Solver(solve=_solve_johnson, last_cut=True, most_parts=MOST_JOHNSON)


def _two_by_two(search: Search) -> Search:
    return search if search.request.grid is not None else search.asking(grid=Grid(2, 2))


def _found(
    timing: Timing, tiled: Tiled, schedule: Schedule, lower_bound_ns: int, evaluated: int
) -> Candidate:
    return Candidate(
        arrangement=Tiles.even(timing.setting.graph, tiled.tau, tiled.grid),
        schedule=schedule,
        lower_bound_ns=lower_bound_ns,
        evaluated=evaluated,
    )


def _nothing_fits(
    timing: Timing,
    search: Search,
    closest: tuple[float, Tiled, tuple[Shortfall, ...]] | None = None,
) -> NoPlanError:
    kept, graph = search.request.constraints.keep_on_device, timing.setting.graph
    if search.meter.cut_short:
        return UndecidedError("the budget ended before a tiling was found; give more evaluations")
    if closest is not None:
        _, tiled, shortfalls = closest
        return InfeasibleError(
            f"no tiling was found that keeps to the constraints; the closest "
            f"(tau {graph.before + tiled.tau}, grid {tiled.grid}) needs "
            f"{' and '.join(map(str, shortfalls))}",
            shortfalls,
        )
    if kept > 0:
        return InfeasibleError(
            f"layers 1 to {graph.before + kept} must stay on the device, and no tiling that this "
            f"algorithm may choose keeps them there: layers {graph.before + 1} to "
            f"{graph.before + graph.tileable_layers} can be tiled"
        )
    return InfeasibleError("no fused layer is large enough for this grid; use a smaller grid")


def _by_promise(
    timing: Timing, search: Search, solver: Solver, tilings: Sequence[Tiled]
) -> Iterator[tuple[int, int, Tiled]]:
    """Every tiling with its place among all and a lower bound, least bound first.

    For MW, a few of every fused layer come before all others (and once more in their place), so
    that there is something good to compare with from early on.
    """
    search.meter.spend(QUICK_EVALUATIONS * len(tilings))
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


def _admissible(timing: Timing, search: Search, solver: Solver) -> tuple[list[Tiled], bool]:
    """Tilings that may be chosen, and whether the budget sufficed for those of all fused layers."""
    request, last = search.request, timing.setting.graph.tileable_layers
    taus = range(1, last + 1) if request.tau is None and last > 0 else (request.tau,)
    found: list[Tiled] = []
    for tau in taus:
        if search.meter.is_over:
            return found, False
        every = timing.prices.tilings(request.grid, tau)
        search.meter.spend(TILING_EVALUATIONS * (1 + sum(len(item.counts) for item in every)))
        here = [
            tiled
            for tiled in every
            if (
                request.grid is not None
                or solver.most_parts is None
                or tiled.grid.rows <= solver.most_parts
            )
            and request.constraints.allows_paths(tiled.grid.paths)
            and not (request.constraints.limits_choices and tiled.grid.paths > MAX_PATHS)
            and tiled.tau + solver.last_cut > request.constraints.keep_on_device
        ]
        if request.constraints.limits_choices and here:
            even = [Tiles.even(timing.setting.graph, item.tau, item.grid).sizes for item in here]
            timing.prices.counts.meet(here[0].tau, even)
            search.meter.spend(TILING_EVALUATIONS * sum(len(item.counts) for item in here))
        found += here
    return found, True


def _is_scout(tilings: Sequence[Tiled], at: int) -> bool:
    """Two by two, or the largest grid over its fused layer."""
    last = at + 1 == len(tilings) or tilings[at + 1].tau != tilings[at].tau
    return last or tilings[at].grid == Grid(2, 2)
