"""Walking back: which part of every earlier map a part of the fused layer needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusepath.graph import Kind
from fusepath.tiling.interval import Intervals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.graph import ModelGraph, Window


def reach(window: Window, needed: Intervals, *, input_size: int) -> Intervals:
    """Input elements that the ``needed`` outputs of a window read, clipped to the map.

    Outputs that read padding alone are given the nearest element, so that no range is empty.
    """
    start = needed.start * window.stride - window.pad_begin
    stop = (needed.stop - 1) * window.stride - window.pad_begin + window.extent
    return Intervals(
        np.clip(start, 0, input_size - 1),
        np.clip(stop, 1, input_size),
    )


def needed_regions(
    graph: ModelGraph, tau: int, fused: Mapping[str, Intervals], *, axis: int
) -> dict[str, Intervals]:
    """For each map of layers ``1 … tau``, the part that the ``fused`` parts depend on.

    Where branches meet, a map is needed by several operators; it gets the hull of what each
    needs. Axis 0 is rows, axis 1 columns.

    Args:
        graph: the network; ``tau`` must not exceed its ``tileable_layers``.
        tau: fused layers.
        fused: wanted intervals of every tensor of ``graph.frontier(tau)``.
        axis: 0 for rows, 1 for columns.

    Returns:
        Intervals by tensor name, the input included.
    """
    regions = dict(fused)
    for op in reversed(graph.operators(1, tau)):
        wanted = [regions[out] for out in op.outputs if out in regions]
        if not wanted:
            continue
        needed = wanted[0]
        for other in wanted[1:]:
            needed = needed.hull(other)
        for out in op.outputs:
            regions[out] = needed
        window = op.windows()[axis]
        for name in op.inputs:
            part = needed
            if op.kind is Kind.WINDOW:
                part = reach(window, needed, input_size=graph.tensors[name].size(axis))
            regions[name] = part.hull(regions[name]) if name in regions else part
    return regions
