"""What any division of a network's tileable layers must at least compute and send.

For every layer: the positions of its map that the result depends on, and what they cost on either
machine. For every tensor: the same positions in bytes, and the layers that read it. A *share* is a
part of a layer's needed positions.

A reader is *proportional* when any set of its positions needs at least the same share of the
tensor. For windows in a row that is Hall's condition: every output can be given its equal part of
the input, disjoint from the others' and within its own window. As outputs and windows are in the
same order, the only candidate gives output ``j`` of ``n`` the positions from ``j·N/n`` to
``(j+1)·N/n``, so checking it decides. Rows and columns are independent, and a set of positions
that grows by its share along rows and then along columns grows by the product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fusepath.cost import crossing
from fusepath.graph import Kind, Transposed, Window
from fusepath.tiling import first_read, stop_read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fusepath.cost import Machine
    from fusepath.graph import Footprint, Layer, ModelGraph, Operator
    from fusepath.plan.setting import Setting

    Mask = NDArray[np.bool_]
    Spans = tuple[NDArray[np.int64], NDArray[np.int64]]
    """For each position of a layer: where what it reads of a tensor starts and stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A tensor that a cut may have to send."""

    born: int
    """Layer that makes it; 0 for what the network begins with."""
    seconds: float
    """To send all of its needed positions."""
    back_s: float
    """For them to come back, as they are; 0 where the way back does not count."""
    readers: tuple[int, ...]
    """Proportional readers among the tileable layers."""
    joins: bool
    """Whether all of it is read behind the tileable layers, or is the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The tileable layers as they must at least be done, by layer (index 0 is layer 1)."""

    device_s: tuple[float, ...]
    edge_s: tuple[float, ...]
    flows: tuple[Flow, ...]


def shares_of(setting: Setting) -> Shares:
    """Needed work and bytes of the layers that can be tiled."""
    graph = setting.graph
    if graph.tileable_layers == 0:
        return Shares(device_s=(), edge_s=(), flows=())
    needs = graph.once(_needs_of)
    flows = []
    for name, born, elements, readers, joins in needs.flows:
        sent = crossing(graph, name, setting.convention, setting.compression)
        back = crossing(graph, name, setting.convention, setting.back_compression)
        flows.append(
            Flow(
                born=born,
                seconds=setting.link.up_s(elements * sent.sent_bytes),
                back_s=setting.link.down_s(elements * back.sent_bytes)
                * setting.convention.counts_result,
                readers=readers,
                joins=joins,
            )
        )
    return Shares(
        device_s=_seconds(setting, setting.device, needs.charged),
        edge_s=_seconds(setting, setting.edge, needs.charged),
        flows=tuple(flows),
    )


class _NeededFlow(NamedTuple):
    """A `Flow` in elements, whatever the link."""

    name: str
    born: int
    elements: int
    readers: tuple[int, ...]
    joins: bool


class _Needs(NamedTuple):
    """`Shares` of a network alone, whatever the machines."""

    flows: tuple[_NeededFlow, ...]
    charged: Mapping[tuple[int, str], int]
    """By layer and the tensor that its work is counted by: positions that are needed."""


def _needs_of(graph: ModelGraph) -> _Needs:
    last = graph.tileable_layers
    masks = [_needed(graph, axis) for axis in (0, 1)]
    count = {name: int(masks[0][name].sum()) * int(masks[1][name].sum()) for name in masks[0]}
    sizes = [{layer.index: _mask(layer, masks[a]) for layer in graph.layers[:last]} for a in (0, 1)]

    readers: dict[str, list[int]] = {name: [] for name in count}
    for layer in graph.layers[:last]:
        spans = [_spans(graph, layer, axis) for axis in (0, 1)]
        for name in spans[0]:
            if all(
                _is_proportional(masks[axis][name], sizes[axis][layer.index], spans[axis][name])
                for axis in (0, 1)
            ):
                readers[name].append(layer.index)
    born = dict.fromkeys(graph.entry, 0) | {
        out: layer.index
        for layer in graph.layers[:last]
        for op in layer.operators
        for out in op.outputs
    }
    joined = set(graph.frontier(last))
    flows = tuple(
        _NeededFlow(
            name=name,
            born=born[name],
            elements=positions * graph.tensors[name].channels,
            readers=tuple(index for index in readers[name] if index > born[name]),
            joins=name in joined,
        )
        for name, positions in count.items()
        if readers[name] or name in joined
    )
    charged = {
        (layer.index, op.counted): count[op.counted]
        for layer in graph.layers[:last]
        if all(sizes[axis][layer.index] is not None for axis in (0, 1))
        for op in _after_window(layer)
        if not op.work.per_input or layer.index in readers[op.counted]
    }
    return _Needs(flows, charged)


def _seconds(
    setting: Setting, machine: Machine, count: Mapping[tuple[int, str], int]
) -> tuple[float, ...]:
    seconds = [0.0] * setting.graph.tileable_layers
    for charge in machine.charges(setting.graph, setting.convention):
        seconds[charge.layer - 1] += charge.amount * count.get((charge.layer, charge.tensor), 0)
    return tuple(seconds)


def _needed(graph: ModelGraph, axis: int) -> dict[str, Mask]:
    """By tensor of the tileable layers: the rows (columns) that their last maps depend on."""
    last = graph.tileable_layers
    operators = graph.operators(1, last)
    names = {*graph.entry} | {name for op in operators for name in (*op.inputs, *op.outputs)}
    masks = {name: np.zeros(graph.tensors[name].size(axis), dtype=bool) for name in names}
    for name in graph.frontier(last):
        masks[name][:] = True
    for op in reversed(operators):
        wanted = np.logical_or.reduce([masks[out] for out in op.outputs])
        for out in op.outputs:
            masks[out] |= wanted
        for name in op.inputs:
            masks[name] |= _read(op, axis, wanted, len(masks[name]))
    return masks


def _read(op: Operator, axis: int, wanted: Mask, size: int) -> Mask:
    if op.kind is not Kind.WINDOW:
        return wanted
    footprint, outputs = op.footprints[axis], np.flatnonzero(wanted)
    read = np.zeros(size, dtype=bool)
    start = first_read(footprint, outputs)
    stop = stop_read(footprint, outputs)
    apart = footprint.dilation if isinstance(footprint, Window) else 1
    for tap in range(0, int((stop - start).max(initial=0)), apart):
        at = (start + tap)[start + tap < stop]
        read[at[(at >= 0) & (at < size)]] = True
    return read


def _mask(layer: Layer, masks: Mapping[str, Mask]) -> Mask | None:
    """Needed positions of a layer's map; None where its tensors do not agree on them."""
    found = [masks[out] for op in _after_window(layer) for out in op.outputs]
    if any(len(mask) != len(found[0]) or (mask != found[0]).any() for mask in found[1:]):
        return None
    return found[0]


def _after_window(layer: Layer) -> tuple[Operator, ...]:
    """The layer's window operator and what follows it."""
    windows = [at for at, op in enumerate(layer.operators) if op.kind is Kind.WINDOW]
    return layer.operators[windows[-1] if windows else 0 :]


def _spans(graph: ModelGraph, layer: Layer, axis: int) -> dict[str, Spans]:
    """What each position of a layer's map reads of the tensors that come from outside."""
    positions = np.arange(graph.tensors[layer.operators[-1].outputs[0]].size(axis))
    made = {out for op in layer.operators for out in op.outputs}
    spans: dict[str, Spans] = {
        out: (positions, positions + 1) for op in _after_window(layer) for out in op.outputs
    }
    for op in reversed(layer.operators):
        known = [spans[out] for out in op.outputs if out in spans]
        if not known:  # made for other layers alone
            continue
        start, stop = known[0]
        for name in op.inputs:
            low, high = start, stop
            if op.kind is Kind.WINDOW:
                footprint = op.footprints[axis]
                low, high = first_read(footprint, start), stop_read(footprint, stop - 1)
                if _has_holes(footprint):
                    high = low  # nothing is claimed for it
            if name not in spans or (spans[name][1] - spans[name][0] < high - low).all():
                spans[name] = (low, high)  # of two readings either is needed for certain
    return {name: span for name, span in spans.items() if name not in made}


def _has_holes(footprint: Footprint) -> bool:
    """Whether an output may leave out elements between the first and the last that it reads."""
    if isinstance(footprint, Window):
        return footprint.dilation > 1 and footprint.kernel > 1
    return isinstance(footprint, Transposed) and footprint.dilation > 1


def _is_proportional(tensor: Mask, layer: Mask | None, spans: Spans) -> bool:
    """Whether each needed position of the layer can have its equal part of the tensor's."""
    if layer is None:
        return False
    inputs, outputs = int(tensor.sum()), int(layer.sum())
    rank = np.concatenate([[0], np.cumsum(tensor)])
    start, stop = (np.clip(span, 0, len(tensor))[layer] for span in spans)
    place = np.arange(outputs)
    low, high = rank[start], rank[stop]
    return bool(
        (low * outputs <= place * inputs).all() and ((place + 1) * inputs <= high * outputs).all()
    )
