"""Shapes and element types of every tensor, by ONNX's own rules."""

from __future__ import annotations

import numpy as np
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    checker,
    helper,
    shape_inference,
)

from fusepath.graph import Tensor, product
from fusepath.onnx_io.complaint import bad_model, bad_node, one_line, translated
from fusepath.onnx_io.declare import declare
from fusepath.onnx_io.draft import (
    Draft,
    TensorType,
    Types,
    constant_elements,
    constant_type,
    dtype_name,
)
from fusepath.onnx_io.nodes import present

LARGEST_TENSOR_BYTES = 2**31 - 1
_VALUES_SHOWN = 4096
"""Constants up to this many elements are shown to shape inference; it needs the values of shapes
and axes, never those of weights."""


def check(draft: Draft) -> None:
    """Hold the nodes against the operators' definitions.

    Raises:
        ModelError: an operator, an attribute or the wiring is not what ONNX allows.
    """
    with translated(draft.model, "not a valid ONNX model"):
        # The checker wants output shapes, but does not hold them against anything.
        checker.check_model(_without_weights(draft, output_dims=()))


def infer(draft: Draft) -> Types:
    """What is known of every tensor of the draft.

    Raises:
        ModelError: shapes or element types contradict each other.
    """
    with translated(draft.model, "shapes do not fit together"):
        skeleton = _without_weights(draft, output_dims=None)
        graph = shape_inference.infer_shapes(
            skeleton, check_type=True, strict_mode=True, data_prop=True
        ).graph
        types = {name: constant_type(tensor) for name, tensor in draft.constants.items()}
        for value in (*graph.value_info, *graph.output, *graph.input):
            if value.name not in types:
                types[value.name] = _tensor_type(value)
    return types


def static_tensors(draft: Draft, types: Types) -> dict[str, Tensor]:
    """Every activation, with its static shape.

    Raises:
        ModelError: one is not a tensor, depends on the data, is empty or too large; the message
            names the node that makes it.
    """
    tensors = {draft.input.name: draft.input}
    if reason := _oversized(draft.input):
        raise bad_model(draft.model, f"input {reason}; give a smaller input shape")
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
            tensor = Tensor(name=name, shape=known.shape, dtype=known.dtype)
            if reason := _oversized(tensor) or _misfit(node, types):
                raise bad_node(draft.model, node, f"output {reason}")
            tensors[name] = tensor
    return tensors


def _oversized(tensor: Tensor) -> str:
    """Why a tensor of this size cannot be handled; empty when it can."""
    label = f"'{one_line(tensor.name)}' of shape {tensor.shape}"
    if any(size < 1 for size in tensor.shape):
        return f"{label} is empty: the map is too small for this layer"
    if tensor.elements * np.dtype(tensor.dtype).itemsize > LARGEST_TENSOR_BYTES:
        return f"{label} is larger than 2 GiB"
    return ""


def _misfit(node: NodeProto, types: Types) -> str:
    """Why a Reshape cannot give what it states, which shape inference lets pass; or empty."""
    source = types.get(node.input[0]) if node.op_type == "Reshape" else None
    target = types.get(node.output[0])
    if source is None or source.shape is None or target is None or target.shape is None:
        return ""
    if product(source.shape) == product(target.shape):
        return ""
    return f"of shape {target.shape} cannot hold an input of shape {source.shape}"


def _without_weights(draft: Draft, *, output_dims: tuple[int, ...] | None) -> ModelProto:
    """The model with large constants declared as inputs, so that checking it stays quick."""
    graph = GraphProto(name="skeleton")
    graph.node.extend(draft.nodes)
    graph.input.append(declare(draft.input.name, TensorProto.FLOAT, draft.input.shape))
    for name, tensor in draft.constants.items():
        if constant_elements(tensor) <= _VALUES_SHOWN:
            graph.initializer.append(tensor)
        else:
            graph.input.append(declare(name, tensor.data_type, tensor.dims))
    for name, element_type in zip(draft.outputs, draft.output_types, strict=True):
        graph.output.append(declare(name, element_type, output_dims))
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
