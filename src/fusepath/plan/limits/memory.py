"""How much memory the device needs for its share of a plan, as `fusepath.runtime` holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusepath.graph import Kind
from fusepath.tiling import aligned_regions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fusepath.arrays import IntArray
    from fusepath.graph import ModelGraph, Operator
    from fusepath.tiling import StripTiling, Tiling


def element_bytes(graph: ModelGraph, tensor: str) -> int:
    """Bytes of an element in memory; an image is computed on in the model's type."""
    return np.dtype(graph.tensors[tensor].dtype).itemsize


def weight_bytes(graph: ModelGraph, cut: int) -> int:
    """Weights of the sub-model of the layers before ``cut``."""
    return sum(op.weight_bytes for op in graph.operators(1, cut - 1))


def whole_bytes(graph: ModelGraph, cut: int) -> int:
    """The largest set of maps alive while layers before ``cut`` run on whole maps."""
    return int(
        _peak(
            graph,
            graph.operators(1, cut - 1),
            graph.frontier(cut - 1),
            lambda name: np.int64(graph.tensors[name].elements * element_bytes(graph, name)),
        )
    )


def tail_bytes(graph: ModelGraph, tau: int) -> int:
    """Weights of the layers behind ``tau``, and the largest set of their maps alive at once.

    Where the device runs them, it needs this beside what it needs for its paths: the maps that the
    first of them read come together while paths are computed.
    """
    operators = graph.operators(tau + 1, graph.depth)
    alive = _peak(
        graph,
        operators,
        graph.outputs,
        lambda name: np.int64(graph.tensors[name].elements * element_bytes(graph, name)),
    )
    return sum(op.weight_bytes for op in operators) + int(alive)


def tile_bytes(graph: ModelGraph, tiling: Tiling, cut: int) -> IntArray:
    """For every path, the largest set of maps alive while its layers before ``cut`` run.

    Maps are as large as the session that serves all tiles makes them (`aligned_regions`).
    """
    if cut == 1:
        return np.zeros(tiling.paths, dtype=np.int64)
    rows, cols = (
        aligned_regions(graph, 1, cut - 1, tiling.needed[axis], axis=axis) for axis in (0, 1)
    )

    def size(name: str) -> IntArray:
        per_position = graph.tensors[name].channels * element_bytes(graph, name)
        return per_position * np.multiply.outer(rows[name].length, cols[name].length)

    operators = graph.operators(1, cut - 1)
    peak = _peak(graph, operators, graph.frontier(cut - 1), size)
    return np.asarray(peak, dtype=np.int64).reshape(-1)


def strip_bytes(strips: StripTiling) -> int:
    """Device memory of a stream plan: weights of all its sub-models, and the largest strip.

    A strip holds what the strips before it have kept, what it keeps for those after it, and the
    maps alive while it runs, each with the cached rows that it reads along with the new ones.
    """
    graph = strips.graph
    weights: dict[object, int] = {}
    largest = kept = 0
    for strip, (band, _, _) in enumerate(strips.strips):
        cut = strips.cuts[band]
        if cut == 1:
            continue
        step = strips.step(strip, 1, cut - 1)
        operators = tuple(item.operator for item in step.operations)
        weights[cut, step.likeness] = sum(op.weight_bytes for op in operators)
        row_bytes = {name: _row_bytes(graph, name) for name in step.maps}
        alive = _peak(
            graph,
            operators,
            graph.frontier(cut - 1),
            lambda name, step=step, row_bytes=row_bytes: np.int64(  # type: ignore[misc]
                row_bytes[name] * (step.maps[name].reached - step.maps[name].cached)
                if name in step.maps
                else 0
            ),
        )
        keeps = sum((rows.reached - rows.kept) * row_bytes[n] for n, rows in step.maps.items())
        largest = max(largest, kept + keeps + int(alive))
        kept = keeps
    return sum(weights.values()) + largest


def _row_bytes(graph: ModelGraph, name: str) -> int:
    tensor = graph.tensors[name]
    return tensor.channels * tensor.size(1) * element_bytes(graph, name)


def _peak(
    graph: ModelGraph,
    operators: Sequence[Operator],
    results: Sequence[str],
    size: Callable[[str], np.int64 | IntArray],
) -> np.int64 | IntArray:
    """Most bytes of maps alive at once while operators run one after the other.

    What comes in stays to the end, for the caller holds it, and so do the results. Any other map is
    given up after the last operator that reads it; a pointwise operator writes over an input that
    it is the last to read, if that is of its shape and type.
    """
    made = {name for op in operators for name in op.outputs}
    last: Mapping[str, int] = {
        name: at for at, op in enumerate(operators) for name in op.inputs if name in made
    }
    alive = sum((size(name) for name in _sources(operators, made)), np.int64(0))
    peak = alive
    for at, op in enumerate(operators):
        dying = [n for n in dict.fromkeys(op.inputs) if last.get(n) == at and n not in results]
        reused = None
        if op.kind is Kind.POINTWISE:
            reused = next((n for n in dying if _fits(graph, op.outputs[0], n)), None)
        alive = alive + sum((size(name) for name in op.outputs), np.int64(0))
        if reused is not None:
            alive = alive - size(reused)
        peak = np.maximum(peak, alive)
        dying += [n for n in op.outputs if n not in last and n not in results]
        alive = alive - sum((size(name) for name in dying if name != reused), np.int64(0))
    return peak


def _fits(graph: ModelGraph, made: str, read: str) -> bool:
    """Whether a map can take the place of another."""
    one, other = graph.tensors[made], graph.tensors[read]
    return (one.shape, one.dtype) == (other.shape, other.dtype)


def _sources(operators: Sequence[Operator], made: set[str]) -> tuple[str, ...]:
    names = (name for op in operators for name in op.inputs)
    return tuple(dict.fromkeys(name for name in names if name not in made))
