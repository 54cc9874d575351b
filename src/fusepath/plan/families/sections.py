"""Plans that begin in a later section, found by searching the rest of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.errors import GeometryError, InfeasibleError, InputError, UnsupportedOperatorError
from fusepath.plan.limits.head import left_by_head

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusepath.graph import ModelGraph, Section
    from fusepath.plan.candidate import Candidate
    from fusepath.plan.request import PlanRequest
    from fusepath.plan.search import Search
    from fusepath.plan.timing import Timing


def check_start(graph: ModelGraph, start: int) -> None:
    """Raise unless a section begins behind layer ``start``; in a network of none, unless it is 0.

    Raises:
        InputError: none does.
    """
    known = [item.start for item in graph.sections] or [0]
    if start not in known:
        raise InputError(
            f"start={start}: no section of '{graph.name}' begins behind this layer; they begin "
            f"behind layers {', '.join(map(str, known))}"
        )


def start_of(graph: ModelGraph, request: PlanRequest) -> int:
    """Behind which layer the plans of an algorithm that tiles begin.

    The one that the request says; else that of the section that its fused layer lies in, or of the
    first section.

    Args:
        graph: network.
        request: of any algorithm but ``auto``, which looks at all sections.

    Raises:
        InputError: no section begins there.
        GeometryError: the fused layer is no layer of the network.
        UnsupportedOperatorError: it lies in no section, or not in the one that begins there.
    """
    if request.start is not None:
        check_start(graph, request.start)
    if request.tau is None:
        return graph.begin if request.start is None else request.start
    section = graph.section_of(request.tau)
    if section is None or request.start not in (None, section.start):
        raise _not_fused(graph, request.tau, request.start)
    return section.start


def _not_fused(graph: ModelGraph, tau: int, start: int | None) -> InputError:
    """Why a layer cannot be the fused one of plans, and which layers can."""
    if not 1 <= tau <= graph.depth:
        return GeometryError(
            f"tau={tau} is not a layer of '{graph.name}', which has layers 1 to {graph.depth}"
        )
    if start is not None:
        there = [item for item in graph.sections if item.start == start]
        return InputError(
            f"tau={tau} does not lie behind start={start}, or not in the section that begins "
            f"there; {_fused_layers(there)}"
        )
    layer = graph.layers[tau - 1]
    first = layer.operators[0]
    return UnsupportedOperatorError(
        node=first.name,
        op_type=first.op_type,
        reason=first.barrier_reason
        or (
            "no layer beside it can be tiled"
            if layer.tileable
            else "it stands behind an operator that needs whole maps"
        ),
        hint=_fused_layers(graph.sections),
    )


def _fused_layers(sections: Sequence[Section]) -> str:
    """What ``tau`` may be."""
    if not sections:
        return "no layer can be tiled together with others; plan with auto or nfl"
    ranges = " or ".join(f"from {item.start + 1} to {item.end}" for item in sections)
    return f"tau may be {ranges}"


def search_behind(
    find: Callable[[Timing, Search], Candidate], timing: Timing, search: Search, start: int
) -> Candidate:
    """What a search finds whose plans begin behind layer ``start``.

    The device computes the layers before that whole, and all else waits for it; so the rest of the
    network is planned for itself, and what comes out is that much later.

    Args:
        find: searches for tiles or strips.
        timing: of the whole network.
        search: for it; a fused layer that is asked for is counted from its beginning.
        start: where a section begins.

    Raises:
        InfeasibleError: what comes before the section breaks the constraints, or nothing was found
            that keeps to what it leaves of them.
    """
    request = search.request
    constraints = left_by_head(request.constraints, timing.setting.graph, start)
    if constraints is None:
        raise InfeasibleError(f"layers 1 to {start}, computed whole, break the constraints")
    tau = None if request.tau is None else request.tau - start
    asked = search.asking(constraints=constraints, tau=tau, start=None)
    try:
        found = find(timing.behind(start), asked)
    except InfeasibleError as error:
        if not constraints:
            raise
        raise InfeasibleError(
            f"behind layers 1 to {start}, computed whole: {error}", error.shortfalls
        ) from None
    return found.behind(start, timing.prices.head_ns(start))
