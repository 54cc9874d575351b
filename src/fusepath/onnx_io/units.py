"""What runs as one: an operator between DequantizeLinear and QuantizeLinear.

ONNX Runtime computes such an operator in integers if it finds all three in one model. Taken as one,
no cut and no strip comes between them, and what crosses is what is quantised.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fusepath.onnx_io.naming import Names
from fusepath.onnx_io.nodes import copied, present, reading

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

QUANTISE = "QuantizeLinear"
DEQUANTISE = "DequantizeLinear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A node with the DequantizeLinear before and the QuantizeLinear behind it."""

    main: NodeProto
    before: tuple[NodeProto, ...] = ()
    """Each is read by ``main`` alone; of activations and of weights."""
    after: tuple[NodeProto, ...] = ()
    """The one that reads what ``main`` makes, or none."""

    @property
    def nodes(self) -> tuple[NodeProto, ...]:
        """All of it, in running order."""
        return (*self.before, self.main, *self.after)

    def inputs(self, draft: Draft) -> tuple[str, ...]:
        """Activations that it reads and does not make, each once."""
        made = {name for node in self.nodes for name in node.output}
        read = (name for node in self.nodes for name in draft.activations(node))
        return tuple(dict.fromkeys(name for name in read if name not in made))

    @property
    def outputs(self) -> tuple[str, ...]:
        """What others may read."""
        return present(self.nodes[-1].output)

    def weights(self, draft: Draft) -> frozenset[str]:
        """What it dequantises of constants."""
        return frozenset(
            name for node in self.before if not draft.activations(node) for name in node.output
        )


def dequantise_per_reader(draft: Draft, _types: Types) -> Draft:
    """The draft with a DequantizeLinear for every node that reads one, and for an output."""
    names = Names(draft.tensor_names())
    labels = Names(node.name for node in draft.nodes)
    made = {node.output[0]: node for node in draft.nodes if node.op_type == DEQUANTISE}
    taken = made.keys() & set(draft.outputs)
    nodes: list[NodeProto] = []
    for node in draft.nodes:
        read = dict.fromkeys(name for name in node.input if name in made)
        own = {name: names.fresh(name) for name in read if name in taken}
        taken |= read.keys()
        for name, other in own.items():
            twin = copied(made[name])
            twin.name = labels.fresh(twin.name)
            twin.output[0] = other
            nodes.append(twin)
        nodes.append(reading(node, own))
    return replace(draft, nodes=tuple(nodes))


def units(draft: Draft) -> tuple[Unit, ...]:
    """All nodes, in an order in which they can run; of a draft that dequantises per reader."""
    uses = draft.uses()
    dequantised = {node.output[0]: node for node in draft.nodes if node.op_type == DEQUANTISE}
    read = {name for node in draft.nodes for name in node.input if name in dequantised}
    quantised = {
        node.input[0]: node
        for node in draft.nodes
        if node.op_type == QUANTISE and uses[node.input[0]] == 1
    }
    found: list[Unit] = []
    joined: set[str] = set()
    for node in draft.nodes:
        if node.name in joined or (node.op_type == DEQUANTISE and node.output[0] in read):
            continue
        before = tuple(dequantised[n] for n in dict.fromkeys(node.input) if n in dequantised)
        behind = quantised.get(node.output[0]) if before and len(node.output) == 1 else None
        after = () if behind is None else (behind,)
        joined.update(each.name for each in after)
        found.append(Unit(main=node, before=before, after=after))
    return tuple(found)
