"""A model of float16 in float32, fed and answering as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper

from fusepath.onnx_io.naming import Names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from onnx import GraphProto, NodeProto, ValueInfoProto

_TYPES_OF = frozenset({"to", "dtype"})
"""Attributes that hold an element type."""


def in_float32(data: bytes) -> bytes:
    """The model with constants and maps of float32 in place of float16, between two Casts.

    A model without float16 as it is given.
    """
    proto = ModelProto.FromString(data)
    changed = _widen(proto.graph)
    for function in proto.functions:
        changed |= _widen_nodes(function.node)
    changed |= _between_casts(proto.graph)
    widened: bytes = proto.SerializeToString() if changed else data
    return widened


def _widen(graph: GraphProto) -> bool:
    """Whether constants or nodes of a graph, and of those within, held float16."""
    changed = False
    for tensor in graph.initializer:
        changed |= _widen_tensor(tensor)
    changed |= _widen_nodes(graph.node)
    if changed:
        del graph.value_info[:]
    return changed


def _widen_nodes(nodes: Iterable[NodeProto]) -> bool:
    changed = False
    for node in nodes:
        for attribute in node.attribute:
            match attribute.type:
                case AttributeProto.TENSOR:
                    changed |= _widen_tensor(attribute.t)
                case AttributeProto.GRAPH:
                    changed |= _widen(attribute.g)
                case AttributeProto.INT if (
                    attribute.name in _TYPES_OF and attribute.i == TensorProto.FLOAT16
                ):
                    attribute.i = TensorProto.FLOAT
                    changed = True
    return changed


def _widen_tensor(tensor: TensorProto) -> bool:
    if tensor.data_type != TensorProto.FLOAT16:
        return False
    values = numpy_helper.to_array(tensor).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return True


def _between_casts(graph: GraphProto) -> bool:
    """Whether inputs or outputs are of float16: the network works on float32 between them."""
    names = Names(name for node in graph.node for name in (*node.input, *node.output, node.name))
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [item.name for item in _halves(graph.input) if item.name not in constants]
    outputs = [item.name for item in _halves(graph.output)]
    inside = {name: names.fresh(f"{name}_float32") for name in dict.fromkeys(inputs + outputs)}
    _rename(graph, inside)
    before = [
        helper.make_node("Cast", [name], [inside[name]], names.fresh("widen"), to=TensorProto.FLOAT)
        for name in inputs
    ]
    behind = [
        helper.make_node(
            "Cast", [inside[name]], [name], names.fresh("narrow"), to=TensorProto.FLOAT16
        )
        for name in outputs
        if name not in inputs
    ]
    nodes = [*before, *graph.node, *behind]
    del graph.node[:]
    graph.node.extend(nodes)
    return bool(inside)


def _halves(values: Sequence[ValueInfoProto]) -> list[ValueInfoProto]:
    return [value for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT16]


def _rename(graph: GraphProto, names: dict[str, str]) -> None:
    """Give tensors other names in all nodes, also of graphs within."""
    for node in graph.node:
        for at, name in enumerate(node.input):
            node.input[at] = names.get(name, name)
        for at, name in enumerate(node.output):
            node.output[at] = names.get(name, name)
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                _rename(attribute.g, names)
