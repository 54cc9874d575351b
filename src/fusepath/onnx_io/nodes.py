"""Reading and making ONNX nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import NodeProto, helper

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from onnx import GraphProto

    from fusepath.arrays import Array


def integer(node: NodeProto, name: str, default: int) -> int:
    """An integer attribute; ``default`` where the node does not state it."""
    for attribute in node.attribute:
        if attribute.name == name:
            return int(helper.get_attribute_value(attribute))
    return default


def number(node: NodeProto, name: str, default: float) -> float:
    """A float attribute; ``default`` where the node does not state it."""
    for attribute in node.attribute:
        if attribute.name == name:
            return float(helper.get_attribute_value(attribute))
    return default


def integers(node: NodeProto, name: str) -> tuple[int, ...] | None:
    """A list of integers; None where the node does not state it."""
    for attribute in node.attribute:
        if attribute.name == name:
            return tuple(int(value) for value in helper.get_attribute_value(attribute))
    return None


def text(node: NodeProto, name: str, default: str) -> str:
    """A string attribute; ``default`` where the node does not state it."""
    for attribute in node.attribute:
        if attribute.name == name:
            value: bytes = helper.get_attribute_value(attribute)
            return value.decode()
    return default


def present(names: Iterable[str]) -> tuple[str, ...]:
    """The names that are stated: ONNX writes an optional value left out as an empty name."""
    return tuple(name for name in names if name)


def input_at(node: NodeProto, index: int) -> str:
    """The name of an input; empty where it is left out."""
    return str(node.input[index]) if index < len(node.input) else ""


def graphs_of(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs that a node holds."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def reads(node: NodeProto) -> Iterator[str]:
    """What a node reads, with what graphs in it read from around them."""
    yield from present(node.input)
    for graph in graphs_of(node):
        yield from (output.name for output in graph.output)
        for inner in graph.node:
            yield from reads(inner)


def copied(node: NodeProto) -> NodeProto:
    """A node of its own, safe to change."""
    twin = NodeProto()
    twin.CopyFrom(node)
    return twin


def reading(node: NodeProto, names: Mapping[str, str]) -> NodeProto:
    """The node with some of the tensors that it reads called otherwise."""
    if not any(name in names for name in node.input):
        return node
    twin = copied(node)
    for index, name in enumerate(node.input):
        twin.input[index] = names.get(name, name)
    return twin


def rewired(node: NodeProto, names: Mapping[str, str]) -> NodeProto:
    """The node with some of the tensors that it reads or makes called otherwise."""
    twin = reading(node, names)
    if not any(name in names for name in node.output):
        return twin
    twin = copied(twin)
    for index, name in enumerate(node.output):
        twin.output[index] = names.get(name, name)
    return twin


def call_otherwise(nodes: Iterable[NodeProto], names: Mapping[str, str]) -> None:
    """Give tensors other names, in place, also where graphs within nodes read them."""
    for node in nodes:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)
        for index, name in enumerate(node.output):
            node.output[index] = names.get(name, name)
        for graph in graphs_of(node):
            call_otherwise(graph.node, names)
            for output in graph.output:
                output.name = names.get(output.name, output.name)


def whole_numbers(value: Array | None) -> tuple[int, ...] | None:
    """The elements of a constant; None for what is none."""
    return None if value is None else tuple(int(number) for number in np.ravel(value))


def with_attributes(node: NodeProto, **values: int | list[int]) -> NodeProto:
    """The node with some attributes changed or added."""
    twin = without_attributes(node, values)
    twin.attribute.extend(helper.make_attribute(name, value) for name, value in values.items())
    return twin


def without_attributes(node: NodeProto, names: Iterable[str]) -> NodeProto:
    """The node less some attributes."""
    unwanted = set(names)
    twin = copied(node)
    kept = [attribute for attribute in node.attribute if attribute.name not in unwanted]
    del twin.attribute[:]
    twin.attribute.extend(kept)
    return twin
