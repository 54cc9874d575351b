"""Walking back: which part of every earlier map a part of the fused layer needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusepath.graph import Border, Crop, Kind, Padding, Sampling, Transposed, Window
from fusepath.tiling.interval import Intervals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.arrays import IntArray
    from fusepath.graph import Footprint, ModelGraph


def first_read(footprint: Footprint, outputs: IntArray) -> IntArray:
    """First input element that each output, or any behind it, reads; may lie outside the map."""
    match footprint:
        case Window():
            return outputs * footprint.stride - footprint.pad_begin
        case Transposed(stride=stride):
            place = outputs + footprint.pad_begin
            # The element before, where an output lies in a gap between kernels.
            return np.minimum((place - footprint.extent) // stride + 1, place // stride)
        case Sampling(inputs=inputs, outputs=period):
            # A session resamples from the beginning of a period: only there do both sides agree.
            tap = (2 * outputs * inputs + footprint.low) // (2 * period)
            begun = np.minimum(tap // inputs, outputs // period)
            return np.minimum(begun, (footprint.size - footprint.least) // inputs) * inputs
        case Crop():
            return footprint.begin + outputs * footprint.stride
        case Padding():
            first = outputs - footprint.begin
            if footprint.border is Border.MIRROR:
                first = np.minimum(first, footprint.size - 1 - footprint.end)
            return first


def stop_read(footprint: Footprint, outputs: IntArray) -> IntArray:
    """Input element behind the last that each output, or any before it, reads.

    May lie outside the map; always behind `first_read`, also where an output reads padding alone.
    """
    match footprint:
        case Window():
            return outputs * footprint.stride - footprint.pad_begin + footprint.extent
        case Transposed(stride=stride):
            return (outputs + footprint.pad_begin) // stride + 1
        case Sampling(inputs=inputs, outputs=period):
            # As many elements as a session needs to come to the output at all.
            tap = (2 * outputs * inputs + footprint.high) // (2 * period)
            behind = np.maximum(tap, ((outputs + 1) * inputs - 1) // period) + 1
            start = np.maximum(first_read(footprint, outputs), 0)
            stop: IntArray = np.maximum(behind, start + footprint.least)
            return stop
        case Crop():
            return footprint.begin + outputs * footprint.stride + 1
        case Padding():
            stop = outputs - footprint.begin + 1
            return (
                np.maximum(stop, footprint.begin + 1) if footprint.border is Border.MIRROR else stop
            )


def reach(footprint: Footprint, needed: Intervals, *, input_size: int) -> Intervals:
    """Input elements that the ``needed`` outputs read, clipped to the map.

    Outputs that read padding alone are given the nearest element, so that no range is empty.
    """
    return Intervals(
        _clipped(first_read(footprint, needed.start), 0, input_size - 1),
        _clipped(stop_read(footprint, needed.stop - 1), 1, input_size),
    )


def _clipped(values: IntArray, least: int, most: int) -> IntArray:
    """What `np.clip` does, which takes ten times as long for a few values."""
    clipped: IntArray = np.minimum(np.maximum(values, least), most)
    return clipped


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
        footprint = op.footprints[axis]
        for name in op.inputs:
            part = needed
            if op.kind is Kind.WINDOW:
                part = reach(footprint, needed, input_size=graph.tensors[name].size(axis))
            regions[name] = part.hull(regions[name]) if name in regions else part
    return regions
