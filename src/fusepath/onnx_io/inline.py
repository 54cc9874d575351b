"""Model-local functions, put into the graph where it calls them.

A function may call others several times, so that a small file can stand for a graph of any size:
how large it becomes is counted before anything is copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnx import inliner

from fusepath.errors import one_line
from fusepath.onnx_io.complaint import bad_model, bad_node
from fusepath.onnx_io.nodes import graphs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from onnx import ModelProto, NodeProto

MOST_NODES = 50_000
MOST_ADDED_BYTES = 2**26
"""Bytes that calls add to a model at most."""
DEEPEST = 50
"""Functions that call each other, one within the other."""

_Key = tuple[str, str, str]
"""What a call and the function that it means have in common: domain, name and overload."""


@dataclass(frozen=True, slots=True)
class _Size:
    """What a graph or the body of a function becomes."""

    nodes: int
    encoded: int


def inlined(model: ModelProto, *, name: str) -> ModelProto:
    """The model without functions of its own.

    Raises:
        ModelError: a function calls itself, or the graph becomes too large.
    """
    if not model.functions:
        return model
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        _check_no_graphs(nodes, name)
    size = _size(model.graph.node, _sizes(model, name))
    if size.nodes > MOST_NODES or size.encoded > MOST_ADDED_BYTES:
        raise bad_model(
            name,
            f"its model-local functions make more than {MOST_NODES} nodes or {MOST_ADDED_BYTES} "
            "bytes of the graph; simplify the model",
        )
    # Functions of another opset are brought to the model's.
    return inliner.inline_local_functions(model, convert_version=True)


def _check_no_graphs(nodes: Iterable[NodeProto], name: str) -> None:
    """Refuse sub-graphs, whose calls would not be counted."""
    for node in nodes:
        if any(True for _ in graphs_of(node)):
            raise bad_node(
                name,
                node,
                "control flow in a model with functions of its own is not supported; "
                "export without it",
            )


def _sizes(model: ModelProto, name: str) -> dict[_Key, _Size]:
    """What a call of each function becomes."""
    sizes: dict[_Key, _Size] = {}
    waiting = {(each.domain, each.name, each.overload): each for each in model.functions}
    for _ in range(DEEPEST):
        known = {
            key: _size(function.node, sizes)
            for key, function in waiting.items()
            if waiting.keys().isdisjoint(map(_key, function.node))
        }
        sizes |= known
        waiting = {key: function for key, function in waiting.items() if key not in known}
        if not known:
            break
    for _, function, _ in waiting:
        raise bad_model(
            name,
            f"model-local function '{one_line(function)}' calls itself, or functions within "
            f"functions are more than {DEEPEST} deep; inline it before",
        )
    return sizes


def _size(nodes: Iterable[NodeProto], called: Mapping[_Key, _Size]) -> _Size:
    """What these nodes become, with the functions that they call."""
    count = encoded = 0
    for node in nodes:
        body = called.get(_key(node))
        count += 1 if body is None else body.nodes
        # A call names every tensor anew.
        encoded += node.ByteSize() if body is None else body.encoded + node.ByteSize()
    return _Size(count, encoded)


def _key(node: NodeProto) -> _Key:
    return node.domain, node.op_type, node.overload
