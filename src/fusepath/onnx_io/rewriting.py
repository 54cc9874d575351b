"""A draft while a pass puts other nodes in the place of some."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from fusepath.onnx_io.naming import Names
from fusepath.onnx_io.nodes import present
from fusepath.onnx_io.work import shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusepath.arrays import Array
    from fusepath.onnx_io.draft import Draft, Types


class Rewriting:
    """Who makes and who reads each tensor of a draft, and what is to stand for which node."""

    def __init__(self, draft: Draft, types: Types) -> None:
        self.draft, self.types = draft, types
        self._makers = {name: node for node in draft.nodes for name in present(node.output)}
        self._readers = draft.readers()
        self._names = Names(draft.tensor_names())
        self._labels = Names(node.name for node in draft.nodes)
        self._constants: dict[str, TensorProto] = {}
        self._instead: dict[str, tuple[NodeProto, ...]] = {}

    def maker(self, name: str) -> NodeProto | None:
        """The node of the draft that makes a tensor; None for the input and for constants."""
        return self._makers.get(name)

    def readers(self, name: str) -> list[NodeProto]:
        """The nodes of the draft that read a tensor."""
        return self._readers.get(name, [])

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape; () where it is left out or unknown."""
        return shape_of(name, self.types)

    def tensor(self, label: str) -> str:
        """A name for a new tensor."""
        return self._names.fresh(label)

    def constant(self, label: str, value: Array) -> str:
        """A new constant, by its name."""
        name = self._names.fresh(label)
        self._constants[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name

    def node(
        self, op_type: str, inputs: Iterable[str], output: str, *, label: str, **attributes: Any
    ) -> NodeProto:
        """A new node with one output, called after ``label``."""
        return helper.make_node(op_type, list(inputs), [output], self.label(label), **attributes)

    def label(self, base: str) -> str:
        """A name for a new node."""
        return self._labels.fresh(base)

    def same(self, source: str, node: NodeProto) -> NodeProto:
        """A node that passes ``source`` through as the first output of another."""
        return self.node("Identity", [source], node.output[0], label=f"{node.name}_same")

    def put(self, made: Iterable[NodeProto], *, instead_of: NodeProto) -> None:
        """Let nodes stand where one has stood; the last of them takes over its name."""
        nodes = tuple(made)
        if nodes and not any(node.name == instead_of.name for node in nodes):
            nodes[-1].name = instead_of.name
        self._instead[instead_of.name] = nodes

    def finished(self) -> Draft:
        """The draft with everything in place; what nobody reads any more is still there."""
        if not self._instead:
            return self.draft
        nodes: list[NodeProto] = []
        for node in self.draft.nodes:
            nodes.extend(self._instead.get(node.name, (node,)))
        constants = {**self.draft.constants, **self._constants}
        return replace(self.draft, nodes=tuple(nodes), constants=constants)
