"""Stream: the best strips that are found within a budget."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fusepath.errors import InfeasibleError, InputError, UndecidedError
from fusepath.plan.candidate import ranked
from fusepath.plan.families.strips.found import found_strips
from fusepath.plan.families.strips.layer import layers_before_tail, layers_of
from fusepath.plan.families.strips.outlines import short_list
from fusepath.plan.families.strips.refine import Refined, refine
from fusepath.plan.limits.constraints import PATHS, Shortfall
from fusepath.plan.limits.usage import StripUsage
from fusepath.plan.recipe import TailPlace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.plan.candidate import Candidate
    from fusepath.plan.families.strips.layer import Layer
    from fusepath.plan.limits.constraints import Constraints
    from fusepath.plan.search import Search
    from fusepath.plan.setting import Setting
    from fusepath.plan.timing import Timing
    from fusepath.schedule.budget import Meter


_TAIL_ON_EDGE = 2 / 3
"""Share of a budget for plans whose tail runs on the edge server; what is left of it goes on to
those whose tail runs on the device."""
_TO_PREPARE, _TO_OUTLINE = 0.4, 0.5
"""Shares of what is left of a budget: the rest is for numbers of strips and exact sizes."""


def search_stream(timing: Timing, search: Search) -> Candidate:
    """Strips of rows that reuse their halos, in one to three segments.

    Two cuts are searched for every fused layer, best bound first, and dropped when their bound
    cannot win: the larger of the machines' loads when rows are shared out freely between the two,
    without halos. Around the best few, a third segment is tried, then the numbers of strips. Of
    constraints, the first search knows what does not depend on the numbers of strips.

    Fused layers are looked at in the order of a bound that costs nothing; a part of the budget is
    kept for refining the best of what has been tried.

    Raises:
        InputError: a grid was asked for.
        GeometryError: the fused layer that was asked for cannot be cut into strips.
        InfeasibleError: no fused layer can be cut into strips, or none of them was found to keep
            to the constraints.
        UndecidedError: the budget ended before any was found.
    """
    if search.request.grid is not None:
        raise InputError("stream chooses its own strips: leave out grid")
    tau, constraints, meter = search.request.tau, search.request.constraints, search.meter
    on_edge = meter.part(share=_TAIL_ON_EDGE)
    layers = list(layers_of(timing, tau, constraints, on_edge.part(share=_TO_PREPARE)))
    refined, evaluated = _refined(layers, on_edge)
    best_s = min((item.makespan_s for item in refined if item.excess == 0), default=math.inf)
    to_prepare = meter.part(share=_TO_PREPARE)
    layers = list(layers_before_tail(timing, tau, constraints, to_prepare, best_s))
    more, tried = _refined(layers, meter, best_s)
    refined, evaluated = [*refined, *more], evaluated + tried
    keeping = [item for item in refined if item.excess == 0]
    if not keeping:
        if meter.cut_short or on_edge.cut_short:
            raise UndecidedError("the budget ended before strips were found; give more evaluations")
        raise _nothing_keeps(timing.setting, constraints, refined)
    keeping.sort(key=lambda item: item.makespan_s)
    top = search.request.top
    found = (found_strips(timing, item, evaluated) for item in keeping[:top])
    return ranked(found, top)


def _refined(
    layers: Sequence[Layer], meter: Meter, within_s: float = math.inf
) -> tuple[list[Refined], int]:
    """The best strips of some fused layers, and how many were tried.

    Args:
        layers: to choose from.
        meter: what may be spent.
        within_s: what takes as long is of no use.
    """
    layers = sorted(layers, key=lambda layer: float(layer.pair_bounds_s.min()))
    by_key = {layer.key: layer for layer in layers}
    short, evaluated = short_list(by_key, meter.part(share=_TO_OUTLINE), within_s)
    refined: list[Refined] = []
    for candidate in short:
        if refined and meter.is_over:
            break
        result = refine(by_key[candidate.layer], candidate, meter)
        refined.append(result)
        evaluated += result.tried
    return refined, evaluated


def _nothing_keeps(
    setting: Setting, constraints: Constraints, refined: Sequence[Refined]
) -> InfeasibleError:
    if not constraints:
        return InfeasibleError("no fused layer can be cut into strips")
    message = "no strips were found that keep to the constraints"
    if not refined:
        return InfeasibleError(f"{message}; a single cut (nfl) may")
    on_edge = [item for item in refined if item.layer.tail is TailPlace.EDGE]
    closest = min(on_edge or refined, key=lambda item: item.excess)
    arrangement = closest.layer.arranged(closest.segments)
    demand = StripUsage(setting.graph, setting.convention, arrangement)
    short = list(constraints.shortfalls(demand))
    strips = arrangement.paths
    if constraints.max_paths is not None and strips > constraints.max_paths:
        short.append(Shortfall(PATHS, strips, constraints.max_paths))
    return InfeasibleError(
        f"{message}; the closest (tau {setting.graph.before + arrangement.tau}) needs "
        f"{' and '.join(map(str, short))}",
        short,
    )
