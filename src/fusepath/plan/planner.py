"""From a setting to a plan: each algorithm searches fused layers, grids, orders and cuts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fusepath.cost import ComputeRate, cut_bytes, layer_macs, path_costs
from fusepath.errors import InfeasibleError, InputError
from fusepath.plan.bounds import lower_bound_ns
from fusepath.plan.brute_force import brute_force
from fusepath.plan.minimizing_waiting import minimizing_waiting
from fusepath.plan.offload import InputFormat, ModelReference, Plan
from fusepath.plan.problem import NS_PER_S, Problem
from fusepath.plan.schedule import Schedule, evaluate
from fusepath.tiling import Grid, check_tileable
from fusepath.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusepath.plan.setting import Setting

WHOLE = Grid(1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a planner may choose: None leaves the choice to the algorithm."""

    grid: Grid | None = None
    tau: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The best schedule of an algorithm, and what it is known to be worth."""

    tau: int
    grid: Grid
    schedule: Schedule
    lower_bound_ns: int
    """No schedule of any tiling that the algorithm may choose is faster."""
    evaluated: int


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
    schedules = [evaluate(problem, (0,), (cut,)) for cut in cuts(problem.cuts)]
    best = min(schedules, key=lambda schedule: schedule.makespan_ns)
    return Found(
        tau=setting.graph.depth,
        grid=WHOLE,
        schedule=best,
        lower_bound_ns=best.makespan_ns,
        evaluated=len(schedules),
    )


def search_minimizing_waiting(setting: Setting, search: Search) -> Found:
    """MW(r×c) for a given grid, MW(k×k) without one (Algorithm 1, with its outer loops).

    A tiling whose lower bound exceeds the best makespan so far is not scheduled: MW on it could
    not be better.
    """
    best: Found | None = None
    bound_ns: int | None = None
    evaluated = 0
    for tau, grid, problem in _tilings(setting, search):
        # The paper offloads every path before its fused layer at the latest.
        problem = problem.restricted(tau)  # noqa: PLW2901
        lower_ns = lower_bound_ns(problem)
        bound_ns = lower_ns if bound_ns is None else min(bound_ns, lower_ns)
        if best is not None and lower_ns > best.schedule.makespan_ns:
            continue
        schedule = minimizing_waiting(problem)
        evaluated += 1
        # On a tie the later one wins (Algorithm 1, line 20).
        if best is None or schedule.makespan_ns <= best.schedule.makespan_ns:
            best = Found(
                tau=tau, grid=grid, schedule=schedule, lower_bound_ns=0, evaluated=evaluated
            )
    return _finish(best, bound_ns, evaluated)


def search_brute_force(setting: Setting, search: Search) -> Found:
    """BF: all orders and cuts for every fused layer; 2×2 unless a grid is given.

    Raises:
        InfeasibleError: there are more schedules than anybody would wait for.
    """
    best: Found | None = None
    bound_ns: int | None = None
    evaluated = 0
    for tau, grid, problem in _tilings(
        setting, Search(grid=search.grid or Grid(2, 2), tau=search.tau)
    ):
        problem = problem.restricted(tau)  # noqa: PLW2901
        lower_ns = lower_bound_ns(problem)
        bound_ns = lower_ns if bound_ns is None else min(bound_ns, lower_ns)
        if best is not None and lower_ns >= best.schedule.makespan_ns:
            continue
        schedule = brute_force(problem)
        evaluated += 1
        if best is None or schedule.makespan_ns < best.schedule.makespan_ns:
            best = Found(
                tau=tau, grid=grid, schedule=schedule, lower_bound_ns=0, evaluated=evaluated
            )
    found = _finish(best, bound_ns, evaluated)
    # Everything was tried or shown to be no better: the best is the optimum.
    return Found(
        tau=found.tau,
        grid=found.grid,
        schedule=found.schedule,
        lower_bound_ns=found.schedule.makespan_ns,
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
    graph = setting.graph
    if search.tau is not None:
        check_tileable(graph, search.tau)
    elif graph.tileable_layers == 0:
        check_tileable(graph, 1)  # says which operator is in the way
    taus = [search.tau] if search.tau is not None else range(1, graph.tileable_layers + 1)
    for tau in taus:
        rows, cols = graph.fused_size(tau, 0), graph.fused_size(tau, 1)
        if search.grid is None:
            grids = [Grid(k, k) for k in range(1, min(rows, cols) + 1)]
        else:
            fits = search.grid.rows <= rows and search.grid.cols <= cols
            grids = [search.grid] if fits else []
        if grids:
            for costs in setting.path_costs(tau, grids):
                yield tau, costs.grid, setting.tiled_problem(costs)


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
    graph = setting.graph
    macs = work_of(setting, found.tau, found.grid, found.schedule.cuts)
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
        cuts=found.schedule.cuts,
        makespan_s=found.schedule.makespan_ns / NS_PER_S,
        lower_bound_s=found.lower_bound_ns / NS_PER_S,
        device_macs=macs.device_macs,
        edge_macs=macs.edge_macs,
        up_bytes=macs.up_bytes,
        plans_evaluated=found.evaluated,
        search_s=search_s,
        timeline=found.schedule.timeline(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanWork:
    """What a plan computes and sends in all, halos counted."""

    device_macs: int
    edge_macs: int
    up_bytes: int


def work_of(setting: Setting, tau: int, grid: Grid, cuts: tuple[int, ...]) -> PlanWork:
    """Count the MACs on both machines and the bytes sent up."""
    graph = setting.graph
    if grid == WHOLE and tau == graph.depth:
        (cut,) = cuts
        macs = [layer_macs(graph, index) for index in range(1, graph.depth + 1)]
        return PlanWork(
            device_macs=sum(macs[: cut - 1]),
            edge_macs=sum(macs[cut - 1 :]),
            up_bytes=cut_bytes(graph, cut, setting.convention),
        )
    one_mac_per_s = ComputeRate(1.0)
    (costs,) = path_costs(
        graph,
        tau,
        [grid],
        device=one_mac_per_s,
        edge=one_mac_per_s,
        convention=msgspec.structs.replace(
            setting.convention, ops_per_mac=1, ops_per_pool_tap=0, ops_per_element=0
        ),
    )
    chosen = (costs.class_of, np.array(cuts) - 1)
    tail = sum(layer_macs(graph, index) for index in range(tau + 1, graph.depth + 1))
    return PlanWork(
        device_macs=round(costs.device_s[chosen].sum()),
        edge_macs=round(costs.edge_s[chosen].sum()) + tail,
        up_bytes=int(costs.up_bytes[chosen].sum()),
    )
