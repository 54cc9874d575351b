"""Fused layers whose tail the device runs, the most promising first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost import crossing
from fusepath.plan.families.quick_bounds import WEIGHTS
from fusepath.plan.limits.memory import tail_bytes
from fusepath.plan.totals import tail_macs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fusepath.plan.limits.constraints import Constraints
    from fusepath.plan.setting import Setting
    from fusepath.plan.timing import Timing

_WEIGHTS = np.concatenate(
    [
        np.concatenate([share * WEIGHTS, np.full((len(WEIGHTS), 1), 1 - share)], axis=1)
        for share in (1.0, 0.75, 0.5, 0.25, 0.0)
    ]
)
"""Of device, link, edge server and way back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """A network up to a fused layer, whose maps come together on the device."""

    tau: int
    timing: Timing
    constraints: Constraints
    """What the tail leaves of them to paths."""


def fronts(
    timing: Timing, tau: int | None, constraints: Constraints, within_s: float
) -> Iterator[Front]:
    """All fused layers, or the one asked for, that may take no longer than so with such a tail.

    The last layer is left out where it makes all outputs: then there is no tail, and strips return
    their rows of the outputs anyway.
    """
    graph = timing.setting.graph
    last = graph.tileable_layers
    if set(graph.front(graph.depth).returned(graph.depth)) == set(graph.outputs):
        last = min(last, graph.depth - 1)
    taus = range(max(constraints.keep_on_device, 1), last + 1)
    sent_bytes = _sent_bytes(timing.setting)
    promised = {at: _promised_s(timing, at, sent_bytes) for at in taus if tau in (None, at)}
    for at in sorted(promised, key=lambda at: promised[at]):
        if promised[at] >= within_s:
            return
        left = constraints.left(
            device_macs=tail_macs(graph, at), memory_bytes=tail_bytes(graph, at)
        )
        if left is not None:
            yield Front(tau=at, timing=timing.up_to(at), constraints=left)


def _sent_bytes(setting: Setting) -> dict[str, float]:
    """Of all tensors that cross some cut, as they travel."""
    graph = setting.graph
    names = {name for after in range(graph.depth) for name in graph.frontier(after)}
    return {
        name: graph.tensors[name].elements
        * crossing(graph, name, setting.convention, setting.compression).sent_bytes
        for name in names.union(graph.companions)
    }


def _promised_s(timing: Timing, tau: int, sent_bytes: Mapping[str, float]) -> float:
    """Seconds that need no geometry: the means of the machines' loads on whole maps, and the tail.

    Paths that share the network out freely between two cuts and without halos do not beat it.
    """
    setting, prices = timing.setting, timing.prices
    link, convention = setting.link, setting.convention
    front, cuts = setting.graph.front(tau), range(1, tau + 2)
    size = {
        name: front.tensors[name].elements
        * crossing(front, name, convention, setting.back_compression).sent_bytes
        for name in front.outputs
    }
    sent = [
        sum(sent_bytes[name] for name in (*front.sent(cut), *front.accompanying(cut)))
        for cut in cuts
    ]
    back = [sum(size[name] for name in front.returned(cut)) for cut in cuts]
    loads = [
        np.cumsum([0.0, *prices.device_layers_s[:tau]]),
        link.up_s(np.array(sent)),
        np.cumsum([0.0, *prices.edge_layers_s[:tau][::-1]])[::-1],
        link.down_s(np.array(back)) * convention.counts_result,
    ]
    means = _WEIGHTS @ np.stack(loads)
    return float(means.min(axis=1).max()) + prices.finish_s(tau)
