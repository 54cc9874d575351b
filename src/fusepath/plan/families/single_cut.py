"""One cut of the unsplit network: the best (NFL, Neurosurgeon's split), and both ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fusepath.errors import InfeasibleError, InputError
from fusepath.plan.candidate import Candidate, ranked
from fusepath.plan.limits.constraints import KEPT, MACS
from fusepath.plan.limits.usage import WholeUsage
from fusepath.schedule.problem import Problem, ns
from fusepath.schedule.schedule import evaluate
from fusepath.tiling import Grid, Whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.cost import LayerTable, TableLink
    from fusepath.plan.limits.constraints import Shortfall
    from fusepath.plan.search import Search
    from fusepath.plan.timing import Timing
    from fusepath.schedule.schedule import Schedule


def best_single_cut(problem: Problem) -> Schedule:
    """The fastest schedule of a problem with one path; the least cut (1-based) on ties.

    Args:
        problem: one path; cut 1 offloads everything, the last keeps everything on the device.
    """
    schedules = (evaluate(problem, (0,), (cut,)) for cut in range(1, problem.cuts + 1))
    return min(schedules, key=lambda schedule: schedule.makespan_ns)


def device_only(timing: Timing, search: Search) -> Candidate:
    """Everything on the device."""
    last = timing.setting.graph.depth + 1
    return _best_of(timing, search, range(last, last + 1))


def full_offload(timing: Timing, search: Search) -> Candidate:
    """The input is sent, everything runs on the edge server."""
    return _best_of(timing, search, range(1, 2))


def no_fused_layers(timing: Timing, search: Search) -> Candidate:
    """NFL: the best single cut of the unsplit network (Neurosurgeon's split)."""
    return _best_of(timing, search, range(1, timing.setting.graph.depth + 2))


def _best_of(timing: Timing, search: Search, cuts: range) -> Candidate:
    setting, request = timing.setting, search.request
    whole = request.grid in (None, Grid(1, 1)) and request.tau in (None, setting.graph.depth)
    if not whole:
        raise InputError("this algorithm does not tile: leave out grid and tau")
    constraints = request.constraints
    private = [cut for cut in cuts if constraints.allows_cut(setting.graph, cut)]
    demands = {cut: WholeUsage(setting.graph, setting.convention, cut) for cut in private}
    shortfalls = {cut: constraints.shortfalls(demand) for cut, demand in demands.items()}
    allowed = [cut for cut in private if not shortfalls[cut]]
    if not allowed:
        raise _no_cut(constraints.keep_on_device, shortfalls)
    problem = timing.whole_problem()
    search.meter.spend(len(allowed))
    schedules = [evaluate(problem, (0,), (cut,)) for cut in allowed]
    bound_ns = min(schedule.makespan_ns for schedule in schedules)
    found = (
        Candidate(
            arrangement=Whole(layers=setting.graph.depth),
            schedule=schedule,
            lower_bound_ns=bound_ns,
            evaluated=len(allowed),
        )
        for schedule in schedules
    )
    return ranked(found, search.request.top)


def _no_cut(kept: int, shortfalls: Mapping[int, tuple[Shortfall, ...]]) -> InfeasibleError:
    """Why no cut of the unsplit network keeps to the constraints.

    Args:
        kept: layers that must stay on the device.
        shortfalls: of the cuts (1-based) that keep them there.
    """
    stay = f"layers 1 to {kept} must stay on the device"
    if not shortfalls:
        return InfeasibleError(f"{stay} ({KEPT}), but this algorithm sends the input")
    needs = [item for item in shortfalls[min(shortfalls)] if item.limit == MACS]
    if kept > 0 and needs:
        # Later cuts, and tiles, need no less.
        return InfeasibleError(f"{stay}, which needs {needs[0]}", needs)
    cut = min(shortfalls, key=lambda cut: sum(item.excess for item in shortfalls[cut]))
    where = f"layers 1 to {cut - 1}" if cut > 1 else "nothing"
    return InfeasibleError(
        f"{f'{stay}, and ' if kept else ''}no cut of the unsplit network keeps to the constraints; "
        f"the closest leaves {where} to the device and needs "
        f"{' and '.join(map(str, shortfalls[cut]))}",
        shortfalls[cut],
    )


def problem_of_table(table: LayerTable, link: TableLink) -> Problem:
    """A network known by its numbers as one path: cut ``o`` in ``1 … layers + 1``."""
    cuts = range(len(table.layers) + 1)
    device_s = [math.fsum(layer.device_s for layer in table.layers[:cut]) for cut in cuts]
    edge_s = [math.fsum(layer.edge_s for layer in table.layers[cut:]) for cut in cuts]
    sent = [*(layer.sent_bytes for layer in table.layers), 0.0]
    return Problem(
        class_of=(0,),
        device_ns=np.array([[ns(value) for value in device_s]], dtype=np.int64),
        link_ns=np.array([[ns(size / link.bytes_per_s) for size in sent]], dtype=np.int64),
        edge_ns=np.array([[ns(value) for value in edge_s]], dtype=np.int64),
        down_ns=ns(table.result_bytes / link.bytes_per_s + link.delay_s),
        delay_ns=ns(link.delay_s),
    )
