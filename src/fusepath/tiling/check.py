"""Is a tiling right? Answered by counting taps one by one, without the code that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.graph import Kind

if TYPE_CHECKING:
    from fusepath.graph import ModelGraph, Window
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
            problems += [f"tile {i}: {text}" for text in _taps(graph, tiling.tau, claim, axis)]
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


def _taps(graph: ModelGraph, tau: int, claim: dict[str, set[int]], axis: int) -> list[str]:
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
                wanted = {tap for j in outputs for tap in _read(op.windows()[axis], j)}
            missing = {tap for tap in wanted if 0 <= tap < size} - claim.get(name, set())
            if missing:
                problems.append(
                    f"axis {axis}: '{op.name}' reads '{name}' at {min(missing)}, not in the tile"
                )
    return problems


def _read(window: Window, j: int) -> list[int]:
    first = j * window.stride - window.pad_begin
    return [first + tap * window.dilation for tap in range(window.kernel)]
