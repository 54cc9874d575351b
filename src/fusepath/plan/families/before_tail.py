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
    from collections.abc import Iterator

    from fusepath.graph import ModelGraph
    from fusepath.plan.limits.constraints import Constraints
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
    promised = _promised_s(timing, last)
    asked = [at for at in taus if tau in (None, at)]
    for at in sorted(asked, key=lambda at: promised[at]):
        if promised[at] >= within_s:
            return
        left = constraints.left(
            device_macs=tail_macs(graph, at), memory_bytes=tail_bytes(graph, at)
        )
        if left is not None:
            yield Front(tau=at, timing=timing.up_to(at), constraints=left)


def _promised_s(timing: Timing, last: int) -> dict[int, float]:
    """By fused layer ``1 … last``, seconds that need no geometry.

    The means of the machines' loads on whole maps, and the tail. Paths that share the network out
    freely between two cuts and without halos do not beat it.
    """
    setting, prices = timing.setting, timing.prices
    graph, link, convention = setting.graph, setting.link, setting.convention
    place = {name: at for at, name in enumerate(_crossing_names(graph))}
    sent, back = (
        np.array(
            [
                graph.tensors[name].elements
                * crossing(graph, name, convention, compression).sent_bytes
                for name in place
            ]
        )
        for compression in (setting.compression, setting.back_compression)
    )
    born, read = np.zeros(len(place), dtype=int), np.zeros(len(place), dtype=int)
    promised: dict[int, float] = {}
    for tau in range(1, last + 1):
        for op in graph.layers[tau - 1].operators:
            born[[place[name] for name in op.outputs if name in place]] = tau
            read[[place[name] for name in op.inputs if name in place]] = tau
        cuts = np.arange(1, tau + 2)
        crosses = (born < cuts[:, None]) & (cuts[:, None] <= read)
        stays = [place[name] for name in graph.frontier(tau)]
        returns = (cuts[:, None] <= born[stays]) & (cuts[:, None] <= tau)
        loads = [
            np.cumsum([0.0, *prices.device_layers_s[:tau]]),
            link.up_s(crosses @ sent),
            np.cumsum([0.0, *prices.edge_layers_s[:tau][::-1]])[::-1],
            link.down_s(returns @ back[stays]) * convention.counts_result,
        ]
        means = _WEIGHTS @ np.stack(loads)
        promised[tau] = float(means.min(axis=1).max()) + prices.finish_s(tau)
    return promised


def _crossing_names(graph: ModelGraph) -> list[str]:
    """All tensors that cross some cut."""
    names = {name for after in range(graph.depth + 1) for name in graph.frontier(after)}
    return sorted(names.union(graph.companions))
