"""Is a tiling right? Answered by counting taps one by one, without the code that made it."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from fusepath.graph import Border, Crop, Kind, Padding, Sampling, Transposed, Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusepath.graph import Footprint, ModelGraph
    from fusepath.tiling.tiling import Tiling


def violations(tiling: Tiling) -> list[str]:
    """Everything wrong with a tiling; empty when it is right.

    Checks, element by element and axis by axis: the shares of the fused maps cover them without
    overlap (a map that inner layers read too may overlap by its halo); every tap of every needed
    output is in the needed part of the map it reads, or is padding; and nothing is claimed outside
    a map. O(tiles × rows × taps): for tests, not for searching.
    """
    graph = tiling.graph
    problems: list[str] = []
    for axis, parts in enumerate((tiling.grid.rows, tiling.grid.cols)):
        claims = [
            {
                name: set(range(int(part.start[i]), int(part.stop[i])))
                for name, part in tiling.needed[axis].items()
            }
            for i in range(parts)
        ]
        problems += _cover(graph, tiling.tau, claims, axis)
        for i, claim in enumerate(claims):
            problems += [f"tile {i}: {text}" for text in _unread(graph, tiling.tau, claim, axis)]
    return problems


def _cover(graph: ModelGraph, tau: int, claims: list[dict[str, set[int]]], axis: int) -> list[str]:
    problems = []
    read_inside = {name for op in graph.operators(1, tau) for name in op.inputs}
    for name in graph.frontier(tau):
        seen = sorted(index for claim in claims for index in claim[name])
        if name in read_inside:
            # A skipped map: its halos overlap, since inner layers read them as well.
            seen = sorted(set(seen))
        if seen != list(range(graph.tensors[name].size(axis))):
            problems.append(f"axis {axis}: shares of '{name}' do not cover it exactly once")
    return problems


def _unread(graph: ModelGraph, tau: int, claim: dict[str, set[int]], axis: int) -> list[str]:
    problems = []
    for name, indices in claim.items():
        if min(indices) < 0 or max(indices) >= graph.tensors[name].size(axis):
            problems.append(f"axis {axis}: '{name}' is claimed outside the map")
    for op in graph.operators(1, tau):
        outputs = set().union(*(claim.get(name, set()) for name in op.outputs))
        for name in op.inputs:
            size = graph.tensors[name].size(axis)
            wanted = outputs
            if op.kind is Kind.WINDOW:
                wanted = {tap for j in outputs for tap in _taps_of(op.footprints[axis], j, size)}
            missing = {tap for tap in wanted if 0 <= tap < size} - claim.get(name, set())
            if missing:
                problems.append(
                    f"axis {axis}: '{op.name}' reads '{name}' at {min(missing)}, not in the tile"
                )
    return problems


def _taps_of(footprint: Footprint, j: int, size: int) -> Iterable[int]:
    """Input elements of a map of ``size`` that output ``j`` reads; some may lie outside it."""
    match footprint:
        case Window():
            first = j * footprint.stride - footprint.pad_begin
            taps: Iterable[int] = [
                first + tap * footprint.dilation for tap in range(footprint.kernel)
            ]
        case Transposed():
            taps = [
                i
                for i in range(size)
                for tap in range(footprint.kernel)
                if i * footprint.stride + tap * footprint.dilation == j + footprint.pad_begin
            ]
        case Sampling():
            at = Fraction(j * footprint.inputs, footprint.outputs)
            low, high = (
                math.floor(at + Fraction(shift, 2 * footprint.outputs))
                for shift in (footprint.low, footprint.high)
            )
            taps = {min(max(i, 0), size - 1) for i in range(low, high + 1)}
        case Crop():
            taps = [footprint.begin + j * footprint.stride]
        case Padding():
            taps = [_padded(footprint, j - footprint.begin, size)]
    return taps


def _padded(padding: Padding, place: int, size: int) -> int:
    """The element of the map that stands at a place inside it or beside it."""
    if padding.border is Border.EDGE:
        return min(max(place, 0), size - 1)
    if padding.border is Border.MIRROR and size > 1:
        place %= 2 * (size - 1)
        return min(place, 2 * (size - 1) - place)
    return place
