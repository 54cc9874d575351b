"""The streamed single cut: its tensor is sent while it is computed, and used while it arrives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fusepath.errors import InfeasibleError, NoPlanError, UnsupportedOperatorError
from fusepath.plan.candidate import Candidate, ranked
from fusepath.plan.families.single_cut import no_fused_layers
from fusepath.plan.families.strips.found import found_strips
from fusepath.plan.families.strips.layer import layers_of
from fusepath.plan.families.strips.outlines import one_segment
from fusepath.plan.families.strips.refine import refine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusepath.plan.families.strips.outlines import Outline
    from fusepath.plan.search import Search
    from fusepath.plan.timing import Timing

_TO_PREPARE = 0.5
"""Share of the budget for what fused layers cost."""
_WORTH_REFINING = 1.15
_REFINED = 8
"""Outlines at most whose numbers of strips are looked for."""


def search_streamed_cut(timing: Timing, search: Search) -> Candidate:
    """The best single cut, streamed or not.

    Streamed, it is strips of one segment: every cut before every fused layer, its tail on the edge
    server. So it is never worse than the best single cut, and `search_stream` looks at more.

    Raises:
        InputError: a grid or a fused layer was asked for.
        InfeasibleError: nothing keeps to the constraints.
        UndecidedError: the budget ended before anything was found.
    """
    singles: list[Candidate] = []
    reason: NoPlanError | None = None
    try:
        singles.append(no_fused_layers(timing, search))
    except NoPlanError as error:
        reason = error.with_traceback(None)  # which holds all of the search
    found = [*singles, *_streamed(timing, search)]
    if not found:
        assert reason is not None  # or else there is a single cut
        raise reason
    evaluated = sum(item.evaluated for item in found)
    # A single cut that is the best of its own kind need not be the best of this one.
    return ranked(found, search.request.top).rated(0, evaluated)


def _streamed(timing: Timing, search: Search) -> Iterator[Candidate]:
    """The best strips of one segment, for each of the most promising cuts and fused layers."""
    constraints, meter = search.request.constraints, search.meter
    layers = {}
    outlines: list[Outline] = []
    try:
        for layer in layers_of(timing, None, constraints, meter.part(share=_TO_PREPARE)):
            layers[layer.key] = layer
            outlines += one_segment(layer, meter)
    except (InfeasibleError, UnsupportedOperatorError):
        return
    outlines.sort(key=lambda item: item.makespan_s)
    least_s = min((item.makespan_s for item in outlines), default=math.inf)
    for tried, outline in enumerate(outlines[:_REFINED]):
        if outline.makespan_s > _WORTH_REFINING * least_s or (tried and meter.is_over):
            return
        refined = refine(layers[outline.layer], outline, meter)
        if refined.excess == 0:
            yield found_strips(timing, refined, refined.tried)
