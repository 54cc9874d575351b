"""What comes after the network: outputs of a size that depends on the data, and constant ones.

Detectors that choose among their boxes (NonMaxSuppression, NonZero, TopK of a computed number) end
in sizes that nobody knows beforehand. Everything from there on is set apart as a model of its own,
which runs on the device: what it reads are outputs of the network, and return as such.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import GraphProto, ModelProto, helper, numpy_helper

from fusepath.errors import one_line
from fusepath.onnx_io.complaint import bad_model, bad_node
from fusepath.onnx_io.declare import declare
from fusepath.onnx_io.draft import dtype_name
from fusepath.onnx_io.nodes import graphs_of, present
from fusepath.onnx_io.passes.noop import drop_dead

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from onnx import NodeProto, ValueInfoProto

    from fusepath.arrays import Array
    from fusepath.onnx_io.draft import Draft, TensorType, Types


@dataclass(frozen=True, slots=True, kw_only=True)
class LastOutput:
    """An output of a model that has an ending, as its owner knows it."""

    name: str
    dtype: str
    """A numpy type name."""
    shape: tuple[int, ...] | None
    """None where it depends on the data."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """The last nodes of a model, and its constant outputs."""

    data: bytes = field(repr=False)
    """An encoded ONNX model; empty where there are constant outputs alone."""
    inputs: tuple[str, ...]
    """Outputs of the network that the model reads, as its owner has them."""
    computed: tuple[str, ...]
    """Its outputs."""
    constants: Mapping[str, Array]
    """Outputs that no input changes."""
    outputs: tuple[LastOutput, ...]
    """All outputs that the owner knows, in their order."""


def ended(draft: Draft, types: Types) -> tuple[Draft, Ending | None]:
    """A normalised draft all of whose sizes are known, and what follows it; None for nothing.

    Raises:
        ModelError: an input alone decides a size, or no output depends on an input.
    """
    late = tuple(_late(draft, types))
    fixed = [name for name in draft.outputs if name in draft.constants]
    if not late and not fixed:
        return draft, None
    made = {name for node in late for name in present(node.output)}
    read = dict.fromkeys(name for node in late for name in _reads(node))
    inputs = tuple(name for name in read if name in types and name not in made | {*draft.constants})
    _check_not_all(draft, late, inputs, fixed)
    kept = [name for name in draft.outputs if name not in made and name not in fixed]
    outputs = tuple(dict.fromkeys((*kept, *inputs)))
    network = replace(
        draft,
        nodes=tuple(node for node in draft.nodes if made.isdisjoint(node.output)),
        outputs=outputs,
        output_types=tuple(_element_type(types[name]) for name in outputs),
    )
    computed = tuple(name for name in draft.outputs if name in made)
    ending = Ending(
        data=_encoded(draft, types, late, inputs) if late else b"",
        inputs=inputs,
        computed=computed,
        constants={name: numpy_helper.to_array(draft.constants[name]) for name in fixed},
        outputs=tuple(
            _described(name, declared, types)
            for name, declared in zip(draft.outputs, draft.output_types, strict=True)
        ),
    )
    return drop_dead(network), ending


def _late(draft: Draft, types: Types) -> Iterator[NodeProto]:
    """Nodes that make tensors of unknown size or kind, and all that read these."""
    unknown: set[str] = set()
    for node in draft.nodes:
        made = present(node.output)
        known = all(
            (about := types.get(name)) is not None and about.dtype and about.shape is not None
            for name in made
        )
        if not known or not unknown.isdisjoint(_reads(node)):
            unknown.update(made)
            yield node


def _reads(node: NodeProto) -> Iterator[str]:
    """What a node reads, with what graphs in it read."""
    yield from present(node.input)
    for graph in graphs_of(node):
        yield from (output.name for output in graph.output)
        for inner in graph.node:
            yield from _reads(inner)


def _check_not_all(
    draft: Draft, late: Sequence[NodeProto], inputs: Sequence[str], fixed: Sequence[str]
) -> None:
    fed = {tensor.name for tensor in draft.inputs}
    for node in late:
        for name in _reads(node):
            if name in fed:
                reason = f"what it makes of input '{one_line(name)}' has a size that depends on the"
                raise bad_node(draft.model, node, f"{reason} data; end the model before this node")
    if not inputs and len(fixed) == len(draft.outputs):
        name = one_line(fixed[0])
        raise bad_model(draft.model, f"output '{name}' is constant: no input changes any output")


def _encoded(
    draft: Draft, types: Types, nodes: Sequence[NodeProto], inputs: Sequence[str]
) -> bytes:
    graph = GraphProto(name=f"{draft.model}_ending")
    graph.node.extend(nodes)
    graph.input.extend(_declared(name, types[name]) for name in inputs)
    made = {name for node in nodes for name in present(node.output)}
    graph.output.extend(
        declare(name, element_type, None)
        for name, element_type in zip(draft.outputs, draft.output_types, strict=True)
        if name in made
    )
    read = dict.fromkeys(name for node in nodes for name in _reads(node))
    graph.initializer.extend(draft.constants[name] for name in read if name in draft.constants)
    proto = ModelProto(
        ir_version=draft.ir_version,
        opset_import=[helper.make_opsetid("", draft.opset)],
        producer_name="fusepath",
        graph=graph,
    )
    data: bytes = proto.SerializeToString(deterministic=True)
    return data


def _declared(name: str, about: TensorType) -> ValueInfoProto:
    return declare(name, _element_type(about), about.shape)


def _element_type(about: TensorType) -> int:
    element_type: int = helper.np_dtype_to_tensor_dtype(np.dtype(about.dtype))
    return element_type


def _described(name: str, declared: int, types: Types) -> LastOutput:
    about = types.get(name)
    dtype = about.dtype if about is not None and about.dtype else dtype_name(declared)
    return LastOutput(name=name, dtype=dtype, shape=None if about is None else about.shape)
