"""What comes after the network: what depends on the data in more than its values, and constants.

Detectors that choose among their boxes (NonMaxSuppression, NonZero, TopK of a computed number) end
in sizes that nobody knows beforehand; loops and branches decide by the data what is done at all.
Everything from there on is set apart as a model of its own, which runs on the device: what it reads
are outputs of the network, and return as such.
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
from fusepath.onnx_io.naming import Names
from fusepath.onnx_io.nodes import call_otherwise, copied, graphs_of, present, reads
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
    nodes: tuple[tuple[str, str], ...]
    """Names and types of its nodes, in an order in which they can run."""


def ended(draft: Draft, types: Types) -> tuple[Draft, Types, Ending | None]:
    """A normalised draft all of whose sizes are known, and what follows it; None for nothing.

    Raises:
        ModelError: an input besides the image decides a size, or no output depends on an input.
    """
    late = tuple(late_nodes(draft, types))
    fixed = [name for name in draft.outputs if name in draft.constants]
    if not late and not fixed:
        return draft, types, None
    draft, late, types = _image_passed_on(draft, late, types)
    made = {name for node in late for name in present(node.output)}
    read = dict.fromkeys(name for node in late for name in reads(node))
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
        nodes=tuple((node.name, node.op_type) for node in late),
    )
    return drop_dead(network), types, ending


def late_nodes(draft: Draft, types: Types) -> Iterator[NodeProto]:
    """Nodes that hold graphs or make tensors of unknown size or kind, and all behind these."""
    unknown: set[str] = set()
    for node in draft.nodes:
        made = present(node.output)
        known = all(
            (about := types.get(name)) is not None and about.dtype and about.shape is not None
            for name in made
        )
        if not known or any(graphs_of(node)) or not unknown.isdisjoint(reads(node)):
            unknown.update(made)
            yield node


def _image_passed_on(
    draft: Draft, late: tuple[NodeProto, ...], types: Types
) -> tuple[Draft, tuple[NodeProto, ...], Types]:
    """The same where the ending does not read the image itself, but an output of the network."""
    image = draft.input.name
    if not any(image in reads(node) for node in late):
        return draft, late, types
    inner = {name for node in late for name in (*reads(node), *_made_within(node))}
    passed = Names(draft.tensor_names() | inner).fresh(f"{image}_passed")
    passing = helper.make_node("Identity", [image], [passed], name=passed)
    renamed = tuple(copied(node) for node in late)
    call_otherwise(renamed, {image: passed})
    made = {name for node in late for name in present(node.output)}
    early = [node for node in draft.nodes if made.isdisjoint(node.output)]
    draft = replace(draft, nodes=(passing, *early, *renamed))
    return draft, renamed, types | {passed: types[image]}


def _made_within(node: NodeProto) -> Iterator[str]:
    for graph in graphs_of(node):
        yield from (value.name for value in (*graph.input, *graph.initializer))
        for inner in graph.node:
            yield from present(inner.output)
            yield from _made_within(inner)


def _check_not_all(
    draft: Draft, late: Sequence[NodeProto], inputs: Sequence[str], fixed: Sequence[str]
) -> None:
    fed = {tensor.name for tensor in draft.inputs}
    for node in late:
        for name in reads(node):
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
    read = dict.fromkeys(name for node in nodes for name in reads(node))
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
