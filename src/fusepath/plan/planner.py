"""From a setting to a plan: each algorithm searches fused layers, grids, orders and cuts."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fusepath.errors import InfeasibleError, InputError, UnsupportedOperatorError
from fusepath.plan.fluid import fluid_bound_s
from fusepath.plan.found import WHOLE, Found, Search
from fusepath.plan.offload import MAX_PATHS, InputFormat, ModelReference, Plan
from fusepath.plan.problem import NS_PER_S
from fusepath.plan.psomw import search_swarm
from fusepath.plan.schedule import evaluate
from fusepath.plan.single_cut import best_single_cut
from fusepath.plan.stream import search_segments, strip_problem
from fusepath.plan.tilings import (
    search_brute_force,
    search_exact,
    search_johnson,
    search_minimizing_waiting,
)
from fusepath.plan.work import work_of
from fusepath.tiling import Grid
from fusepath.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.plan.setting import Setting

AUTO_LIMIT_S = 1.0
"""Seconds that ``auto`` looks for better plans; the single cuts are always looked at."""


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


def search_stream(setting: Setting, search: Search) -> Found:
    """Strips of rows that reuse their halos, in one to three segments.

    Raises:
        InputError: a grid was asked for.
        InfeasibleError: no fused layer can be cut into strips.
    """
    if search.grid is not None:
        raise InputError("stream chooses its own strips: leave out --grid")
    found = search_segments(setting, tau=search.tau, time_limit_s=search.time_limit_s)
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
    """The best of all families within a time limit: never worse than the best single cut.

    Single cuts, then strips, then MW's equal tiles, then unequal ones around those.

    Raises:
        InputError: a grid or a fused layer was asked for.
    """
    if search.grid is not None or search.tau is not None:
        raise InputError("auto chooses for itself: leave out --grid and --tau")
    limit_s = AUTO_LIMIT_S if search.time_limit_s is None else search.time_limit_s
    until_s = time.perf_counter() + limit_s
    bound_ns = int(fluid_bound_s(setting) * NS_PER_S)
    best = no_fused_layers(setting, Search())
    evaluated = best.evaluated
    for family in (search_stream, search_minimizing_waiting, _search_unequal):
        left_s = until_s - time.perf_counter()
        if left_s <= 0 or best.schedule.makespan_ns <= bound_ns:
            break
        # A network that cannot be tiled at all still has its single cut.
        with suppress(InfeasibleError, UnsupportedOperatorError):
            found = family(setting, Search(time_limit_s=left_s))
            evaluated += found.evaluated
            best = min(best, found, key=lambda item: item.schedule.makespan_ns)
    return replace(
        best, lower_bound_ns=min(bound_ns, best.schedule.makespan_ns), evaluated=evaluated
    )


def _search_unequal(setting: Setting, search: Search) -> Found:
    return search_minimizing_waiting(setting, replace(search, unequal=True))


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A way to plan; ``tiles`` says whether a grid and a fused layer mean anything to it."""

    search: Callable[[Setting, Search], Found]
    tiles: bool
    unequal: bool = False
    """Whether it can choose the sizes of tiles."""


ALGORITHMS = {
    "device-only": Algorithm(device_only, tiles=False),
    "full-offload": Algorithm(full_offload, tiles=False),
    "nfl": Algorithm(no_fused_layers, tiles=False),
    "mw": Algorithm(search_minimizing_waiting, tiles=True, unequal=True),
    "bf": Algorithm(search_brute_force, tiles=True),
    "jps": Algorithm(search_johnson, tiles=True, unequal=True),
    "psomw": Algorithm(search_swarm, tiles=False),
    "exact": Algorithm(search_exact, tiles=True, unequal=True),
    "stream": Algorithm(search_stream, tiles=False),
    "auto": Algorithm(search_auto, tiles=False),
}


def make_plan(
    setting: Setting,
    algorithm: str,
    *,
    grid: Grid | None = None,
    tau: int | None = None,
    unequal: bool = False,
    time_limit_s: float | None = None,
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
        unequal: let the algorithm choose the sizes of tiles.
        time_limit_s: of ``auto`` and of the search of tile sizes; their own without.
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
    if unequal and not ALGORITHMS[algorithm].unequal:
        able = ", ".join(name for name, item in ALGORITHMS.items() if item.unequal)
        raise InputError(
            f"algorithm '{algorithm}' does not choose the sizes of tiles; these do: {able}"
        )
    started_s = time.perf_counter()
    search = Search(grid=grid, tau=tau, unequal=unequal, time_limit_s=time_limit_s)
    found = ALGORITHMS[algorithm].search(setting, search)
    search_s = time.perf_counter() - started_s
    if found.grid.paths > MAX_PATHS:
        raise InfeasibleError(
            f"the best plan has {found.grid.paths} paths, but machines take at most {MAX_PATHS}; "
            f"use a smaller grid"
        )
    graph = setting.graph
    work = work_of(setting, found)
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
        tile_rows=found.sizes.rows if found.sizes is not None else (),
        tile_cols=found.sizes.cols if found.sizes is not None else (),
        order=tuple(path + 1 for path in found.schedule.order),
        cuts=found.cuts,
        segments=found.segments,
        makespan_s=found.schedule.makespan_ns / NS_PER_S,
        lower_bound_s=found.lower_bound_ns / NS_PER_S,
        device_macs=work.device_macs,
        edge_macs=work.edge_macs,
        up_bytes=work.up_bytes,
        plans_evaluated=found.evaluated,
        search_s=search_s,
        timeline=found.schedule.timeline(),
    )
