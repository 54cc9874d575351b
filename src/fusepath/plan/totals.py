"""What a plan computes and sends in all, counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost import crossing, layer_macs, range_macs
from fusepath.plan.limits.head import head_macs
from fusepath.plan.recipe import TailPlace
from fusepath.tiling import Strips, Whole, strip_tiling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.cost import Compression, Convention
    from fusepath.graph import ModelGraph
    from fusepath.plan.candidate import Candidate
    from fusepath.plan.timing import Timing
    from fusepath.tiling import Arrangement


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTotals:
    """What a plan computes and sends in all, halos counted."""

    device_macs: int
    edge_macs: int
    up_bytes: int


def totals_of(timing: Timing, found: Candidate) -> PlanTotals:
    """Count the MACs on both machines and the bytes sent up."""
    graph, start = timing.setting.graph, found.start
    if found.forwards:
        macs = range_macs(graph, 1, graph.depth)
        return PlanTotals(device_macs=0, edge_macs=macs, up_bytes=timing.forwarded_bytes)
    cuts = tuple(cut - start for cut in found.cuts)
    arrangement = found.arrangement.moved(-start)
    of_paths = timing.behind(start).with_tail(found.tail, arrangement.tau)
    totals = _of_paths(of_paths, arrangement, cuts)
    whole = head_macs(graph, start)
    if found.tail is TailPlace.DEVICE:
        whole += tail_macs(graph, found.tau)
    return replace(totals, device_macs=totals.device_macs + whole)


def tail_macs(graph: ModelGraph, tau: int) -> int:
    """Multiply-accumulates of the layers behind ``tau``."""
    return range_macs(graph, tau + 1, graph.depth)


def _of_paths(timing: Timing, arrangement: Arrangement, cuts: Sequence[int]) -> PlanTotals:
    """The same of what paths share out, and of the edge server's tail."""
    setting, prices = timing.setting, timing.prices
    graph = setting.graph
    if isinstance(arrangement, Strips):
        return strip_totals(graph, arrangement, setting.convention, compression=setting.compression)
    if isinstance(arrangement, Whole):
        (cut,) = cuts
        macs = [layer_macs(graph, index) for index in range(1, graph.depth + 1)]
        return PlanTotals(
            device_macs=sum(macs[: cut - 1]),
            edge_macs=sum(macs[cut - 1 :]),
            up_bytes=round(prices.crossing(cut).sent_bytes),
        )
    costs = prices.counts.tiles(arrangement.tau, arrangement.sizes)
    sending = costs
    if setting.compression:
        sending = prices.costs(arrangement.tau, arrangement.grid, arrangement.sizes)
    chosen = (costs.class_of, np.array(cuts) - 1)
    return PlanTotals(
        device_macs=round(costs.device[chosen].sum()),
        edge_macs=round(costs.edge[chosen].sum()) + tail_macs(graph, arrangement.tau),
        up_bytes=int(sending.up_bytes[sending.class_of, np.array(cuts) - 1].sum()),
    )


def strip_totals(
    graph: ModelGraph,
    arrangement: Strips,
    convention: Convention,
    *,
    compression: Mapping[str, Compression] = MappingProxyType({}),
) -> PlanTotals:
    """Count a stream plan strip by strip, from the rows that each strip adds."""
    strips, tau = strip_tiling(graph, arrangement), arrangement.tau
    device = edge = 0
    sent = 0.0
    for strip, cut in enumerate(arrangement.cuts):
        for layer in graph.layers[:tau]:
            macs = 0
            for op in layer.operators:
                rows = strips.counted_rows(strip, op)
                macs += op.work.macs * rows * graph.tensors[op.counted].size(1)
            if layer.index < cut:
                device += macs
            else:
                edge += macs
        for name in graph.sent(cut):
            begin, end = strips.new_rows(strip, name)
            tensor = graph.tensors[name]
            elements = tensor.channels * (end - begin) * tensor.size(1)
            per_element = crossing(graph, name, convention, compression)
            sent += elements * per_element.sent_bytes
    edge += tail_macs(graph, tau)
    return PlanTotals(device_macs=device, edge_macs=edge, up_bytes=round(sent))
