"""Stream: the best strips that are found within a time limit."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from fusepath.errors import InfeasibleError, InputError
from fusepath.plan.candidate import Candidate, ranked
from fusepath.plan.families.strips.layer import layers_of
from fusepath.plan.families.strips.outlines import short_list
from fusepath.plan.families.strips.refine import Refined, refine
from fusepath.plan.limits.usage import StripUsage
from fusepath.schedule.schedule import evaluate
from fusepath.tiling import Grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.plan.families.strips.layer import Layer
    from fusepath.plan.limits.constraints import Constraints
    from fusepath.plan.plan import Segment
    from fusepath.plan.request import PlanRequest
    from fusepath.plan.setting import Setting
    from fusepath.plan.timing import Timing


_MEMORY_LIMIT_S = 5.0


def search_stream(timing: Timing, search: PlanRequest) -> Candidate:
    """Strips of rows that reuse their halos, in one to three segments.

    Two cuts are searched for every fused layer, best bound first, and dropped when their bound
    cannot win: the larger of the machines' loads when rows are shared out freely between the two,
    without halos. Around the best few, a third segment is tried, then the numbers of strips. Of
    constraints, the first search knows what does not depend on the numbers of strips.

    When the time limit is over, the best of what has been tried is refined, and no more; once more
    as long, until something keeps to the constraints. Without one, the search takes as long as it
    takes, but for a limit on memory, which has one of its own.

    Raises:
        InputError: a grid was asked for.
        GeometryError: the fused layer that was asked for cannot be cut into strips.
        InfeasibleError: no fused layer can be cut into strips, or none of them was found to keep
            to the constraints.
    """
    if search.grid is not None:
        raise InputError("stream chooses its own strips: leave out --grid")
    constraints, time_limit_s = search.constraints, search.time_limit_s
    if time_limit_s is None:
        # How much memory strips take is slow to count.
        counts_memory = constraints.device_memory_bytes is not None
        time_limit_s = _MEMORY_LIMIT_S if counts_memory else math.inf
    until_s = time.perf_counter() + time_limit_s
    last_s = until_s + time_limit_s
    layers = sorted(
        layers_of(timing, search.tau, constraints),
        key=lambda layer: float(layer.pair_bounds_s.min()),
    )
    by_tau = {layer.rows.tau: layer for layer in layers}
    short, evaluated = short_list(by_tau, until_s)
    refined: list[Refined] = []
    keeping: list[Refined] = []
    for candidate in short:
        now_s = time.perf_counter()
        if refined and now_s >= (until_s if len(keeping) >= search.top else last_s):
            break
        result = refine(by_tau[candidate.tau], candidate, until_s=last_s)
        refined.append(result)
        evaluated += result.tried
        if result.excess == 0:
            keeping.append(result)
    if not keeping:
        raise _nothing_keeps(timing.setting, constraints, refined)
    keeping.sort(key=lambda item: item.makespan_s)
    found = (
        _found(timing, by_tau[item.tau], item.segments, evaluated) for item in keeping[: search.top]
    )
    return ranked(found, search.top)


def _found(
    timing: Timing, layer: Layer, segments: tuple[Segment, ...], evaluated: int
) -> Candidate:
    problem = timing.problem_of_strips(layer.timing, segments)
    return Candidate(
        tau=layer.rows.tau,
        grid=Grid(problem.paths, 1),
        schedule=evaluate(problem, range(problem.paths), [1] * problem.paths),
        lower_bound_ns=0,
        evaluated=evaluated,
        segments=segments,
    )


def _nothing_keeps(
    setting: Setting, constraints: Constraints, refined: Sequence[Refined]
) -> InfeasibleError:
    if not constraints:
        return InfeasibleError("no fused layer can be cut into strips")
    message = "no strips were found that keep to the constraints"
    if not refined:
        return InfeasibleError(f"{message}; a single cut (nfl) may")
    closest = min(refined, key=lambda item: item.excess)
    demand = StripUsage(setting.graph, setting.convention, closest.tau, closest.segments)
    needs = [str(item) for item in constraints.shortfalls(demand)]
    strips = sum(len(item.strips) for item in closest.segments)
    if not constraints.allows_paths(strips):
        needs.append(f"{strips} strips, but --max-paths allows {constraints.max_paths}")
    return InfeasibleError(
        f"{message}; the closest (tau {closest.tau}) needs {' and '.join(needs)}"
    )
