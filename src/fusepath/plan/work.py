"""What a plan computes and sends in all, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost import bytes_per_element, cut_bytes, layer_macs
from fusepath.tiling import StripTiling

if TYPE_CHECKING:
    from fusepath.cost import Convention
    from fusepath.graph import ModelGraph
    from fusepath.plan.found import Found
    from fusepath.plan.offload import Segment
    from fusepath.plan.setting import Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanWork:
    """What a plan computes and sends in all, halos counted."""

    device_macs: int
    edge_macs: int
    up_bytes: int


def work_of(setting: Setting, found: Found) -> PlanWork:
    """Count the MACs on both machines and the bytes sent up."""
    graph, tau, cuts = setting.graph, found.tau, found.cuts
    if found.segments:
        return strip_work(graph, tau, found.segments, setting.convention)
    if found.grid.paths == 1 and tau == graph.depth and found.sizes is None:
        (cut,) = cuts
        macs = [layer_macs(graph, index) for index in range(1, graph.depth + 1)]
        return PlanWork(
            device_macs=sum(macs[: cut - 1]),
            edge_macs=sum(macs[cut - 1 :]),
            up_bytes=cut_bytes(graph, cut, setting.convention),
        )
    costs = setting.counting.costs(tau, found.grid, found.sizes)
    chosen = (costs.class_of, np.array(cuts) - 1)
    tail = sum(layer_macs(graph, index) for index in range(tau + 1, graph.depth + 1))
    return PlanWork(
        device_macs=round(costs.device_s[chosen].sum()),
        edge_macs=round(costs.edge_s[chosen].sum()) + tail,
        up_bytes=int(costs.up_bytes[chosen].sum()),
    )


def strip_work(
    graph: ModelGraph, tau: int, segments: tuple[Segment, ...], convention: Convention
) -> PlanWork:
    """Count a stream plan strip by strip, from the rows that each strip adds."""
    strips = StripTiling(
        graph,
        tau,
        bands=tuple(item.band() for item in segments),
        cuts=tuple(item.cut for item in segments),
    )
    device = edge = sent = 0
    for strip, (index, _, _) in enumerate(strips.strips):
        cut = segments[index].cut
        for layer in graph.layers[:tau]:
            macs = 0
            for op in layer.operators:
                begin, end = strips.new_rows(strip, op.outputs[0])
                macs += op.work.macs * (end - begin) * graph.tensors[op.outputs[0]].size(1)
            if layer.index < cut:
                device += macs
            else:
                edge += macs
        for name in graph.sent(cut):
            begin, end = strips.new_rows(strip, name)
            tensor = graph.tensors[name]
            elements = tensor.channels * (end - begin) * tensor.size(1)
            sent += elements * bytes_per_element(graph, name, convention)
    tail = sum(layer_macs(graph, index) for index in range(tau + 1, graph.depth + 1))
    return PlanWork(device_macs=device, edge_macs=edge + tail, up_bytes=sent)
