"""How much a layer computes and how many bytes a cut sends, for whole maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusepath.graph import FEWEST_FUSED, Kind

if TYPE_CHECKING:
    from fusepath.cost.convention import Convention
    from fusepath.graph import ModelGraph, Operator, Section


def positions(graph: ModelGraph, op: Operator) -> int:
    """How many times an operator's `Work` is done: once per position of a map."""
    if op.kind is Kind.BARRIER:
        return 1
    shape = graph.tensors[op.counted].shape
    return shape[2] * shape[3] if len(shape) == 4 else 1


def layer_macs(graph: ModelGraph, index: int) -> int:
    """Multiply-accumulates of layer ``index`` (1-based) on whole maps."""
    layer = graph.layers[index - 1]
    return sum(op.work.macs * positions(graph, op) for op in layer.operators)


def range_macs(graph: ModelGraph, first: int, last: int) -> int:
    """Multiply-accumulates of layers ``first … last`` (1-based, both included) on whole maps."""
    return sum(layer_macs(graph, index) for index in range(first, last + 1))


def tileable_share(graph: ModelGraph) -> float:
    """The share of a network's multiply-accumulates that tiles of two layers or more can do.

    Of all its sections together, each of which a plan may begin in; 0 to 1.
    """
    fused = [item for item in graph.sections if item.layers >= FEWEST_FUSED]
    return sum(section_share(graph, item) for item in fused)


def section_share(graph: ModelGraph, section: Section) -> float:
    """The share of a network's multiply-accumulates that is in a section, 0 to 1."""
    total = range_macs(graph, 1, graph.depth)
    return range_macs(graph, section.start + 1, section.end) / total if total else 0.0


def ops_per_position(op: Operator, convention: Convention) -> int:
    """Operations of one output position (of the whole operator, for a barrier)."""
    return (
        op.work.macs * convention.ops_per_mac
        + op.work.pool_taps * convention.ops_per_pool_tap
        + op.work.elements * convention.ops_per_element
    )


def layer_ops(graph: ModelGraph, index: int, convention: Convention) -> int:
    """Operations of layer ``index`` (1-based) on whole maps."""
    if index > graph.tileable_layers and not convention.counts_untileable:
        return 0
    layer = graph.layers[index - 1]
    return sum(ops_per_position(op, convention) * positions(graph, op) for op in layer.operators)


def bytes_per_element(graph: ModelGraph, tensor: str, convention: Convention) -> int:
    """Bytes an element of a tensor takes on the link.

    A convention speaks of pixels and of float32; other types take what they take.
    """
    about = graph.tensors[tensor]
    if tensor == graph.input.name and about.is_float:
        return convention.input_bytes_per_element
    if about.dtype == "float32":
        return convention.activation_bytes_per_element
    return np.dtype(about.dtype).itemsize


def tensor_bytes(graph: ModelGraph, tensor: str, convention: Convention) -> int:
    """Bytes a whole tensor takes on the link."""
    return graph.tensors[tensor].elements * bytes_per_element(graph, tensor, convention)


def cut_bytes(graph: ModelGraph, cut: int, convention: Convention) -> int:
    """Bytes sent when layer ``cut`` (1-based) is the first on the edge, on whole maps.

    0 for ``cut = depth + 1``: the device has computed everything.
    """
    crossing = (*graph.sent(cut), *graph.accompanying(cut))
    return sum(tensor_bytes(graph, name, convention) for name in crossing)


def result_bytes(graph: ModelGraph, convention: Convention) -> int:
    """Bytes of all outputs, as they return to the device."""
    return sum(tensor_bytes(graph, name, convention) for name in graph.outputs)
