"""Operators that only choose and move values work on quantised ones.

Quantising first and choosing then gives what choosing first and quantising then gives, also with
the largest of several, since quantising keeps their order. ONNX Runtime knows this too: it carries
QuantizeLinear and DequantizeLinear across such operators. Done when a model is read, its parts
compute in integers wherever the whole does, and bytes cross the cuts there as well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import helper

from fusepath.onnx_io.naming import Names
from fusepath.onnx_io.nodes import input_at, reading
from fusepath.onnx_io.units import DEQUANTISE, QUANTISE

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

MOVES = frozenset({"MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})
_POOLS_BYTES = 12
"""From this opset on MaxPool takes bytes."""


def quantise_moves(draft: Draft, _types: Types) -> Draft:
    """The draft with DequantizeLinear before and QuantizeLinear behind what moves values.

    One of the two is there already; the values of both are constant and one for all elements.
    """
    return _behind(_before(draft))


def _behind(draft: Draft) -> Draft:
    """Where what is moved has been dequantised, quantise it again."""
    pairs = _Pairs(draft)
    readers = draft.readers()
    scales = {n.output[0]: n for n in draft.nodes if n.op_type == DEQUANTISE}
    nodes: list[NodeProto] = []
    renamed: dict[str, str] = {}
    for node in draft.nodes:
        twin = reading(node, renamed)
        nodes.append(twin)
        scale = scales.get(twin.input[0]) if twin.input else None
        if scale is None or not _moves(node, draft) or not _is_even(scale, draft):
            continue
        made = node.output[0]
        types = [reader.op_type for reader in readers.get(made, ())]
        if made not in draft.outputs and types != [QUANTISE]:
            pair = pairs.after(made, scale)
            renamed[made] = pair[1].output[0]
            scales[renamed[made]] = pair[1]
            nodes += pair
    return replace(draft, nodes=tuple(nodes))


def _before(draft: Draft) -> Draft:
    """Where what has been moved is quantised, quantise what is moved; last nodes first."""
    pairs = _Pairs(draft)
    readers = draft.readers()
    makers = {name: node for node in draft.nodes for name in node.output}
    quantised = {n.input[0]: n for n in draft.nodes if n.op_type == QUANTISE}
    nodes: list[NodeProto] = []
    for node in reversed(draft.nodes):
        nodes.append(node)
        made, source = node.output[0], input_at(node, 0)
        scale = quantised.get(made)
        if scale is None or not _moves(node, draft) or not _is_even(scale, draft):
            continue
        maker = makers.get(source)
        if maker is None or maker.op_type == DEQUANTISE or source in draft.outputs:
            continue
        if len(readers[made]) == len(readers[source]) == 1 and made not in draft.outputs:
            pair = pairs.after(source, scale)
            nodes[-1] = reading(node, {source: pair[1].output[0]})
            nodes += reversed(pair)
            quantised[source] = pair[0]
    return replace(draft, nodes=tuple(reversed(nodes)))


class _Pairs:
    """Makes QuantizeLinear and DequantizeLinear like one that is there."""

    def __init__(self, draft: Draft) -> None:
        self._tensors = Names(draft.tensor_names())
        self._nodes = Names(node.name for node in draft.nodes)

    def after(self, tensor: str, like: NodeProto) -> list[NodeProto]:
        """The two, reading a tensor."""
        quantised = self._tensors.fresh(f"{tensor}_quantised")
        again = self._tensors.fresh(f"{tensor}_dequantised")
        return [
            helper.make_node(
                kind,
                [source, *like.input[1:]],
                [target],
                name=self._nodes.fresh(target),
            )
            for kind, source, target in (
                (QUANTISE, tensor, quantised),
                (DEQUANTISE, quantised, again),
            )
        ]


def _moves(node: NodeProto, draft: Draft) -> bool:
    old = node.op_type == "MaxPool" and draft.opset < _POOLS_BYTES
    return node.op_type in MOVES and len(node.output) == 1 and not old


def _is_even(node: NodeProto, draft: Draft) -> bool:
    """Whether a node scales to or from bytes, in the same way everywhere."""
    scale, zero = draft.array(input_at(node, 1)), draft.array(input_at(node, 2))
    known = scale is not None and scale.size == 1 and scale.dtype == np.float32
    return known and zero is not None and zero.dtype.itemsize == 1 and not node.attribute
