"""Shapes and element types of every tensor, by ONNX's own rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import (
    GraphProto,
    ModelProto,
    ValueInfoProto,
    checker,
    helper,
    shape_inference,
)

from fusepath.errors import one_line
from fusepath.graph import Tensor
from fusepath.onnx_io.complaint import bad_node, translated
from fusepath.onnx_io.declare import declare, declare_tensor
from fusepath.onnx_io.draft import (
    Draft,
    TensorType,
    Types,
    constant_elements,
    constant_type,
    dtype_name,
)
from fusepath.onnx_io.nodes import graphs_of, integer, present, reads
from fusepath.onnx_io.resize import RESAMPLING, size_by_factors
from fusepath.onnx_io.unknown import check_known

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from onnx import NodeProto

_VALUES_SHOWN = 4096
"""Constants up to this many elements are shown to shape inference; it needs the values of shapes
and axes, never those of weights."""


def check(draft: Draft) -> None:
    """Hold the nodes against the operators' definitions.

    Raises:
        ModelError: an operator, an attribute or the wiring is not what ONNX allows.
    """
    for node in draft.nodes:
        check_known(draft.model, node, draft.opset)
    with translated(draft.model, "not a valid ONNX model"):
        # The checker wants output shapes, but does not hold them against anything.
        model = _without_weights(draft, draft.nodes, [*map(declare_tensor, draft.inputs)])
        model.graph.output.extend(
            declare(name, element_type, ())
            for name, element_type in zip(draft.outputs, draft.output_types, strict=True)
        )
        checker.check_model(model)
        for node in draft.nodes:
            # Inference makes as many as are stated, whatever that takes.
            stated = integer(node, "num_outputs", len(node.output))
            if node.op_type == "Split" and stated != len(node.output):
                reason = f"its num_outputs {stated} is not that of its outputs, {len(node.output)}"
                raise bad_node(draft.model, node, reason)


Known = dict[str, ValueInfoProto]
"""What is known of tensors that are no constants, by name."""


def given(draft: Draft) -> Known:
    """What is known of the inputs."""
    return {tensor.name: declare_tensor(tensor) for tensor in draft.inputs}


def infer(draft: Draft, *, strict: bool) -> Types:
    """What is known of every tensor of the draft.

    Args:
        draft: The graph.
        strict: Whether contradictions are an error; otherwise what they concern stays unknown.

    Raises:
        ModelError: shapes or element types contradict each other.
    """
    known = given(draft)
    types = tensor_types(known | inferred(draft, known, strict=strict))
    return types | {name: constant_type(tensor) for name, tensor in draft.constants.items()}


def inferred(draft: Draft, known: Known, *, strict: bool) -> Known:
    """What follows of the tensors that the draft's nodes make, from what is known of others.

    Raises:
        ModelError: as `infer`.
    """
    found: Known = {}
    with translated(draft.model, "shapes do not fit together"):
        # What nodes with graphs make depends on the data; one that does not, goes before long.
        # No data_prop: it computes tensors of any size, gigabytes for a file of 200 bytes. What
        # it would find out is found by folding, which knows limits.
        for nodes in _parts(node for node in draft.nodes if not any(graphs_of(node))):
            read = dict.fromkeys(name for node in nodes for name in node.input)
            values = (found.get(name) or known.get(name) for name in read)
            inputs = [_possible(value) for value in values if value is not None]
            model = _without_weights(draft, nodes, inputs)
            made = {name for node in nodes for name in node.output}
            model.graph.output.extend(
                declare(name, element_type, None)
                for name, element_type in zip(draft.outputs, draft.output_types, strict=True)
                if name in made
            )
            graph = shape_inference.infer_shapes(model, check_type=strict, strict_mode=strict).graph
            found |= {value.name: value for value in (*graph.value_info, *graph.output)}
            if nodes and nodes[-1].op_type in RESAMPLING:
                found |= _resized(draft, nodes[-1], known | found)
    return found


def _resized(draft: Draft, node: NodeProto, known: Known) -> Known:
    """What resizing by factors makes, of the size that ONNX Runtime gives it."""
    source, made = known.get(node.input[0]), known.get(node.output[0])
    shape = _tensor_type(source).shape if source is not None else None
    if shape is None or made is None:
        return {}
    size = size_by_factors(node, draft, shape)
    element_type = made.type.tensor_type.elem_type
    return {} if size is None else {made.name: declare(made.name, element_type, size)}


def tensor_types(known: Known) -> Types:
    """Shapes and element types of what is known."""
    return {name: _tensor_type(value) for name, value in known.items()}


def _parts(nodes: Iterable[NodeProto]) -> Iterator[list[NodeProto]]:
    """The nodes in parts, so that what a Slice reads is known before its own part.

    Inference finds sizes below zero where a window is larger than its map, and ends the process
    when a Slice reads such a tensor. Behind a Resize ends a part, as its size may be another one.
    """
    part: list[NodeProto] = []
    made: set[str] = set()
    for node in nodes:
        if node.op_type == "Slice" and node.input and node.input[0] in made:
            yield part
            part, made = [], set()
        part.append(node)
        made.update(node.output)
        if node.op_type in RESAMPLING:
            yield part
            part, made = [], set()
    yield part


def _possible(value: ValueInfoProto) -> ValueInfoProto:
    """What is known of a tensor, without a shape that no tensor can have."""
    tensor = value.type.tensor_type
    if not any(dim.dim_value < 0 for dim in tensor.shape.dim):
        return value
    return declare(value.name, tensor.elem_type, None)


def static_tensors(draft: Draft, types: Types) -> dict[str, Tensor]:
    """Every activation, with its static shape.

    Raises:
        ModelError: one is not a tensor or its shape depends on the data; the message names the
            node that makes it.
    """
    tensors = {tensor.name: tensor for tensor in draft.inputs}
    for node in draft.nodes:
        for name in present(node.output):
            known = types.get(name)
            label = f"output '{one_line(name)}'"
            if known is None or not known.dtype:
                raise bad_node(draft.model, node, f"{label} is not a tensor of known type")
            if known.shape is None:
                raise bad_node(
                    draft.model,
                    node,
                    f"the shape of {label} depends on the data; end the model before this node",
                )
            tensors[name] = Tensor(name=name, shape=known.shape, dtype=known.dtype)
    return tensors


def _without_weights(
    draft: Draft, nodes: Sequence[NodeProto], inputs: Iterable[ValueInfoProto]
) -> ModelProto:
    """Some nodes as a model; large constants are inputs, so that checking it stays quick."""
    graph = GraphProto(name="skeleton")
    graph.node.extend(nodes)
    graph.input.extend(inputs)
    read = (name for node in nodes for name in reads(node))
    for name in dict.fromkeys((*read, *draft.outputs)):
        tensor = draft.constants.get(name)
        if tensor is None:
            continue
        if constant_elements(tensor) <= _VALUES_SHOWN:
            graph.initializer.append(tensor)
        else:
            graph.input.append(declare(name, tensor.data_type, tensor.dims))
    return ModelProto(
        ir_version=draft.ir_version,
        opset_import=[helper.make_opsetid("", draft.opset)],
        graph=graph,
    )


def _tensor_type(value: ValueInfoProto) -> TensorType:
    if not value.type.HasField("tensor_type"):
        return TensorType(None, "")
    tensor = value.type.tensor_type
    dtype = dtype_name(tensor.elem_type)
    if not tensor.HasField("shape"):
        return TensorType(None, dtype)
    dims = tensor.shape.dim
    if not all(dim.HasField("dim_value") for dim in dims):
        return TensorType(None, dtype)
    return TensorType(tuple(dim.dim_value for dim in dims), dtype)
