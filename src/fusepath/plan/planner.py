"""From a setting to a plan: each algorithm searches fused layers, grids, orders and cuts."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fusepath.errors import InfeasibleError, InputError, UnsupportedOperatorError
from fusepath.plan.bounds import lower_bound_ns
from fusepath.plan.brute_force import brute_force
from fusepath.plan.exact import exact
from fusepath.plan.fluid import fluid_bound_s
from fusepath.plan.jps import johnson_partition
from fusepath.plan.minimizing_waiting import minimizing_waiting_within, must_exceed
from fusepath.plan.offload import MAX_PATHS, InputFormat, ModelReference, Plan
from fusepath.plan.problem import NS_PER_S, ns
from fusepath.plan.promise import quick_bounds_ns
from fusepath.plan.pruned import faster_schedule, pruned_brute_force
from fusepath.plan.schedule import evaluate
from fusepath.plan.single_cut import best_single_cut
from fusepath.plan.stream import search_segments, strip_problem
from fusepath.plan.work import work_of
from fusepath.tiling import Grid
from fusepath.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fusepath.plan.offload import Segment
    from fusepath.plan.problem import Problem
    from fusepath.plan.schedule import Schedule
    from fusepath.plan.setting import Setting, Tiled

WHOLE = Grid(1, 1)
EXACT_LIMIT_S = 60.0
"""Seconds for one tiling; what is not proven then is reported with its gap."""
MOST_EXACT = 32
MOST_JOHNSON = 8
MANY_PATHS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a planner may choose: None leaves the choice to the algorithm."""

    grid: Grid | None = None
    tau: int | None = None
    first: tuple[int, Grid] | None = None
    """A fused layer and grid to try first: saves time if it is good, and changes nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The best schedule of an algorithm, and what it is known to be worth."""

    tau: int
    grid: Grid
    schedule: Schedule
    lower_bound_ns: int
    """No schedule of any tiling that the algorithm may choose is faster."""
    evaluated: int
    segments: tuple[Segment, ...] = ()
    """Of a stream plan; its schedule's paths are the strips, which have one cut each."""

    @property
    def cuts(self) -> tuple[int, ...]:
        """First layer on the edge server, by path."""
        if self.segments:
            return tuple(item.cut for item in self.segments for _ in item.strips)
        return self.schedule.cuts


def device_only(setting: Setting, search: Search) -> Found:
    """Everything on the device."""
    return _whole(setting, search, lambda cuts: range(cuts, cuts + 1))


def full_offload(setting: Setting, search: Search) -> Found:
    """The input is sent, everything runs on the edge server."""
    return _whole(setting, search, lambda _: range(1, 2))


def no_fused_layers(setting: Setting, search: Search) -> Found:
    """NFL: the best single cut of the unsplit network (Neurosurgeon's split)."""
    return _whole(setting, search, lambda cuts: range(1, cuts + 1))


def _whole(setting: Setting, search: Search, cuts: Callable[[int], range]) -> Found:
    if search.grid not in (None, WHOLE) or search.tau not in (None, setting.graph.depth):
        raise InputError("this algorithm does not tile: leave out --grid and --tau")
    problem = setting.whole_problem()
    allowed = cuts(problem.cuts)
    best = best_single_cut(problem, allowed)
    return Found(
        tau=setting.graph.depth,
        grid=WHOLE,
        schedule=best,
        lower_bound_ns=best.makespan_ns,
        evaluated=len(allowed),
    )


def search_minimizing_waiting(setting: Setting, search: Search) -> Found:
    """MW(r×c) for a given grid, MW(k×k) without one (Algorithm 1, with its outer loops).

    Tilings are taken by their lower bounds; one whose bound exceeds the best makespan so far is
    not scheduled, for MW on it could not be better.
    """
    best: Found | None = None
    best_key: tuple[int, int] | None = None
    bound_ns: int | None = None
    evaluated = 0
    seen: set[int] = set()
    for at, quick_ns, tiled in _by_promise(setting, search, scouts=True):
        limit_ns = None if best is None else best.schedule.makespan_ns
        if at in seen or (limit_ns is not None and quick_ns > limit_ns):
            continue
        seen.add(at)
        if limit_ns is not None and _is_hopeless(setting, tiled, limit_ns):
            bound_ns = quick_ns if bound_ns is None else min(bound_ns, quick_ns)
            evaluated += 1
            continue
        # The paper offloads every path before its fused layer at the latest.
        problem = setting.tiled_problem(tiled).restricted(tiled.tau)
        lower_ns = lower_bound_ns(problem)
        bound_ns = lower_ns if bound_ns is None else min(bound_ns, lower_ns)
        if limit_ns is not None and lower_ns > limit_ns:
            continue
        evaluated += 1
        schedule = minimizing_waiting_within(problem, limit_ns)
        if schedule is None:
            continue
        # On a tie the later tiling wins (Algorithm 1, line 20).
        key = (schedule.makespan_ns, -at)
        if best_key is None or key < best_key:
            best_key = key
            best = Found(
                tau=tiled.tau,
                grid=tiled.grid,
                schedule=schedule,
                lower_bound_ns=0,
                evaluated=evaluated,
            )
    return _finish(best, bound_ns, evaluated)


def _is_hopeless(setting: Setting, tiled: Tiled, limit_ns: int) -> bool:
    """Whether MW on a large grid must take longer, found out without spelling out its paths."""
    if tiled.grid.paths <= MANY_PATHS:
        return False
    cuts = tiled.tau
    times = (
        tiled.device_ns[:, :cuts],
        setting.link_ns(tiled)[:, :cuts],
        tiled.edge_ns[:, :cuts] + ns(setting.link.delay_s),
    )
    return must_exceed(
        times,
        tiled.counts,
        limit_ns - tiled.tail_ns,
        shared_link=setting.convention.shared_link,
    )


def search_brute_force(setting: Setting, search: Search) -> Found:
    """BF: the best of all orders and cuts for every fused layer; 2×2 unless a grid is given.

    Nothing is tried that is known to be no better (`faster_schedule`); `search_plainly` is the
    same search as the paper defines it.

    Raises:
        InfeasibleError: the grid has too many different paths for an exact search.
    """
    best: Found | None = None
    evaluated = 0
    for _, quick_ns, tiled in _by_promise(setting, _two_by_two(search)):
        limit_ns = best.schedule.makespan_ns if best is not None else None
        if limit_ns is not None and quick_ns >= limit_ns:
            break
        problem = setting.tiled_problem(tiled).restricted(tiled.tau)
        if limit_ns is None:
            schedule: Schedule | None = pruned_brute_force(problem)
        elif lower_bound_ns(problem) < limit_ns:
            schedule = faster_schedule(problem, limit_ns)
        else:
            continue
        evaluated += 1
        if schedule is not None:
            best = _optimum(tiled, schedule, evaluated)
    return _finish(best, None if best is None else best.lower_bound_ns, evaluated)


def search_plainly(setting: Setting, search: Search) -> Found:
    """BF as the paper defines it: every fused layer, every order, every cut, one by one.

    Raises:
        InfeasibleError: there are more schedules than anybody would wait for.
    """
    best: Found | None = None
    evaluated = 0
    for tau, grid, problem in _tilings(setting, _two_by_two(search)):
        schedule = brute_force(problem.restricted(tau))
        evaluated += 1
        if best is None or schedule.makespan_ns < best.schedule.makespan_ns:
            best = Found(
                tau=tau,
                grid=grid,
                schedule=schedule,
                lower_bound_ns=schedule.makespan_ns,
                evaluated=evaluated,
            )
    return _finish(best, None if best is None else best.lower_bound_ns, evaluated)


def search_exact(setting: Setting, search: Search) -> Found:
    """The optimum over all tilings, orders and cuts, the last one (``tau + 1``) included.

    Without a grid, all k×k for k up to 32: finer ones consist of halos.
    Tilings are solved in the order of their lower bounds, until the next bound is no better than
    the best schedule: then that is the optimum of them all.
    """
    tilings = [
        (lower_bound_ns(setting.tiled_problem(tiled)), tiled)
        for tiled in setting.tilings(search.grid, search.tau)
        if search.grid is not None or tiled.grid.rows <= MOST_EXACT
    ]
    tilings.sort(key=lambda item: item[0])
    best: Found | None = None
    bound_ns: int | None = None
    for count, (lower_ns, tiled) in enumerate(tilings, start=1):
        if best is not None and lower_ns >= best.schedule.makespan_ns:
            break
        result = exact(setting.tiled_problem(tiled), time_limit_s=EXACT_LIMIT_S)
        assert result.schedule is not None  # there is always one
        known_ns = max(result.lower_bound_ns, lower_ns)
        bound_ns = known_ns if bound_ns is None else min(bound_ns, known_ns)
        if best is None or result.schedule.makespan_ns < best.schedule.makespan_ns:
            best = Found(
                tau=tiled.tau,
                grid=tiled.grid,
                schedule=result.schedule,
                lower_bound_ns=0,
                evaluated=count,
            )
    # Tilings that were not solved have bounds at or above the best makespan.
    return _finish(best, bound_ns, len(tilings))


def search_johnson(setting: Setting, search: Search) -> Found:
    """JPS (Duan and Wu): a cut per path around a crossing, ordered by Johnson's rule.

    Without a grid, k×k for k up to 8: the rule tries as many schedules as there are paths.
    """
    best: Found | None = None
    bound_ns: int | None = None
    evaluated = 0
    for tau, grid, problem in _tilings(setting, search):
        if search.grid is None and grid.rows > MOST_JOHNSON:
            continue
        lower_ns = lower_bound_ns(problem)
        bound_ns = lower_ns if bound_ns is None else min(bound_ns, lower_ns)
        if best is not None and lower_ns >= best.schedule.makespan_ns:
            continue
        evaluated += 1
        schedule = johnson_partition(problem)
        if best is None or schedule.makespan_ns < best.schedule.makespan_ns:
            best = Found(
                tau=tau, grid=grid, schedule=schedule, lower_bound_ns=0, evaluated=evaluated
            )
    return _finish(best, bound_ns, evaluated)


def search_stream(setting: Setting, search: Search) -> Found:
    """Strips of rows that reuse their halos, in one to three segments.

    Raises:
        InputError: a grid was asked for.
        InfeasibleError: no fused layer can be cut into strips.
    """
    if search.grid is not None:
        raise InputError("stream chooses its own strips: leave out --grid")
    found = search_segments(setting, tau=search.tau)
    if found is None:
        raise InfeasibleError("no fused layer can be cut into strips")
    problem = strip_problem(setting, found.tau, found.segments)
    schedule = evaluate(problem, range(problem.paths), [1] * problem.paths)
    return Found(
        tau=found.tau,
        grid=Grid(problem.paths, 1),
        schedule=schedule,
        lower_bound_ns=min(int(fluid_bound_s(setting) * NS_PER_S), schedule.makespan_ns),
        evaluated=found.evaluated,
        segments=found.segments,
    )


def search_auto(setting: Setting, search: Search) -> Found:
    """The best of all families: never worse than NFL, device-only or full offload.

    Raises:
        InputError: a grid or a fused layer was asked for.
    """
    if search != Search():
        raise InputError("auto chooses for itself: leave out --grid and --tau")
    found = [no_fused_layers(setting, search)]
    for family in (search_stream, search_minimizing_waiting):
        # A network that cannot be tiled at all still has its single cut.
        with suppress(InfeasibleError, UnsupportedOperatorError):
            found.append(family(setting, search))
    best = min(found, key=lambda item: item.schedule.makespan_ns)
    bound_ns = int(fluid_bound_s(setting) * NS_PER_S)
    return replace(
        best,
        lower_bound_ns=min(bound_ns, best.schedule.makespan_ns),
        evaluated=sum(item.evaluated for item in found),
    )


def _two_by_two(search: Search) -> Search:
    return search if search.grid is not None else replace(search, grid=Grid(2, 2))


def _optimum(tiled: Tiled, schedule: Schedule, evaluated: int) -> Found:
    """Everything else was tried or shown to be no better: makespan and bound are one."""
    return Found(
        tau=tiled.tau,
        grid=tiled.grid,
        schedule=schedule,
        lower_bound_ns=schedule.makespan_ns,
        evaluated=evaluated,
    )


def _finish(best: Found | None, bound_ns: int | None, evaluated: int) -> Found:
    if best is None or bound_ns is None:
        raise InfeasibleError("no fused layer is large enough for this grid; use a smaller grid")
    return Found(
        tau=best.tau,
        grid=best.grid,
        schedule=best.schedule,
        lower_bound_ns=min(bound_ns, best.schedule.makespan_ns),
        evaluated=evaluated,
    )


def _tilings(setting: Setting, search: Search) -> Iterator[tuple[int, Grid, Problem]]:
    """Every admissible (τ, grid) with its problem, small grids first."""
    for tiled in setting.tilings(search.grid, search.tau):
        yield tiled.tau, tiled.grid, setting.tiled_problem(tiled)


def _by_promise(
    setting: Setting, search: Search, *, scouts: bool = False
) -> Iterator[tuple[int, int, Tiled]]:
    """Every admissible tiling with its place among all and a lower bound, least bound first.

    With ``scouts``, a few of every fused layer come before all others (and once more in their
    place), so that there is something good to compare with from early on.
    """
    tilings = setting.tilings(search.grid, search.tau)
    bounds = quick_bounds_ns(setting, tilings)
    ahead = [
        at
        for at, tiled in enumerate(tilings)
        if scouts and (_is_scout(tilings, at) or (tiled.tau, tiled.grid) == search.first)
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


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A way to plan; ``tiles`` says whether a grid and a fused layer mean anything to it."""

    search: Callable[[Setting, Search], Found]
    tiles: bool


ALGORITHMS = {
    "device-only": Algorithm(device_only, tiles=False),
    "full-offload": Algorithm(full_offload, tiles=False),
    "nfl": Algorithm(no_fused_layers, tiles=False),
    "mw": Algorithm(search_minimizing_waiting, tiles=True),
    "bf": Algorithm(search_brute_force, tiles=True),
    "jps": Algorithm(search_johnson, tiles=True),
    "exact": Algorithm(search_exact, tiles=True),
    "stream": Algorithm(search_stream, tiles=False),
    "auto": Algorithm(search_auto, tiles=False),
}


def make_plan(
    setting: Setting,
    algorithm: str,
    *,
    grid: Grid | None = None,
    tau: int | None = None,
    source: str = "",
    mean: tuple[float, ...] = (0.0,),
    std: tuple[float, ...] = (255.0,),
) -> Plan:
    """The best plan that an algorithm finds.

    Args:
        setting: network, machines, link and convention.
        algorithm: a key of `ALGORITHMS`.
        grid: fixed grid; None leaves it to the algorithm.
        tau: fixed fused layer (1-based); None searches all.
        source: where the model came from, kept in the plan.
        mean: subtracted from the pixels of a uint8 image, per channel or once for all.
        std: divides them.

    Raises:
        InputError: no such algorithm, or it does not tile.
        GeometryError: ``tau`` or ``grid`` do not fit the network.
        UnsupportedOperatorError: ``tau`` lies behind an operator that needs whole maps.
        InfeasibleError: no tiling fits.
    """
    if algorithm not in ALGORITHMS:
        raise InputError(
            f"there is no algorithm '{algorithm}'; known ones are {', '.join(ALGORITHMS)}"
        )
    started_s = time.perf_counter()
    found = ALGORITHMS[algorithm].search(setting, Search(grid=grid, tau=tau))
    search_s = time.perf_counter() - started_s
    if found.grid.paths > MAX_PATHS:
        raise InfeasibleError(
            f"the best plan has {found.grid.paths} paths, but machines take at most {MAX_PATHS}; "
            f"use a smaller grid"
        )
    graph = setting.graph
    macs = work_of(setting, found.tau, found.grid, found.cuts, found.segments)
    return Plan(
        fusepath_version=VERSION,
        model=ModelReference(
            name=graph.name, sha256=graph.sha256, source=source, input_shape=graph.input.shape
        ),
        algorithm=algorithm,
        convention=setting.convention,
        device=setting.device,
        edge=setting.edge,
        link=setting.link,
        input=InputFormat(
            dtype="uint8" if setting.convention.input_bytes_per_element == 1 else "float32",
            mean=mean,
            std=std,
        ),
        tau=found.tau,
        grid=(found.grid.rows, found.grid.cols),
        order=tuple(path + 1 for path in found.schedule.order),
        cuts=found.cuts,
        segments=found.segments,
        makespan_s=found.schedule.makespan_ns / NS_PER_S,
        lower_bound_s=found.lower_bound_ns / NS_PER_S,
        device_macs=macs.device_macs,
        edge_macs=macs.edge_macs,
        up_bytes=macs.up_bytes,
        plans_evaluated=found.evaluated,
        search_s=search_s,
        timeline=found.schedule.timeline(),
    )
