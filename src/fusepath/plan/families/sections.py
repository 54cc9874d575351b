"""Plans that begin in a later section, found by searching the rest of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.errors import InfeasibleError, InputError
from fusepath.plan.limits.head import left_by_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.graph import ModelGraph
    from fusepath.plan.candidate import Candidate
    from fusepath.plan.search import Search
    from fusepath.plan.timing import Timing


def check_start(graph: ModelGraph, start: int) -> None:
    """Raise unless a section begins behind layer ``start``.

    Raises:
        InputError: none does.
    """
    if start not in graph.starts:
        raise InputError(
            f"start={start}: no section of '{graph.name}' begins behind this layer; they begin "
            f"behind layers {', '.join(map(str, graph.starts))}"
        )


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
        InfeasibleError: what comes before the section breaks the constraints.
    """
    request = search.request
    constraints = left_by_head(request.constraints, timing.setting.graph, start)
    if constraints is None:
        raise InfeasibleError(f"layers 1 to {start}, computed whole, break the constraints")
    tau = request.tau
    if tau is not None:
        if tau <= start:
            raise InputError(f"tau={tau} does not lie behind start={start}")
        tau -= start
    asked = search.asking(constraints=constraints, tau=tau, start=None)
    return find(timing.behind(start), asked).behind(start, timing.prices.head_ns(start))
