"""What shape inference lets pass and no runtime can run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusepath.errors import one_line
from fusepath.graph import product
from fusepath.onnx_io.complaint import bad_model, bad_node
from fusepath.onnx_io.nodes import input_at, integer, integers, present
from fusepath.onnx_io.work import shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, TensorType, Types

LARGEST_TENSOR_BYTES = 2**31 - 1


def check_plausible(draft: Draft, types: Types) -> None:
    """Hold sizes that are already known against each other and against the limit.

    Raises:
        ModelError: a tensor is empty or too large, or a node cannot take its input; the message
            names the node.
    """
    for tensor in draft.inputs:
        if reason := _oversized(tensor.name, types.get(tensor.name)):
            raise bad_model(draft.model, f"input {reason}")
    for node in draft.nodes:
        for name in present(node.output):
            if reason := _oversized(name, types.get(name)):
                raise bad_node(draft.model, node, f"output {reason}")
        rule = _RULES.get(node.op_type)
        if rule is not None and (reason := rule(node, types)):
            raise bad_node(draft.model, node, reason)


def _oversized(name: str, known: TensorType | None) -> str:
    """Why a tensor of this size cannot be handled; empty when it can or its size is not known."""
    if known is None or known.shape is None or not known.dtype:
        return ""
    label = f"'{one_line(name)}' of shape {known.shape}"
    if any(size < 1 for size in known.shape):
        return f"{label} is empty: the map is too small for this layer; give a larger input shape"
    if product(known.shape) * np.dtype(known.dtype).itemsize > LARGEST_TENSOR_BYTES:
        return f"{label} is larger than 2 GiB; give a smaller input shape"
    return ""


def _reshape(node: NodeProto, types: Types) -> str:
    source = shape_of(input_at(node, 0), types)
    target = shape_of(node.output[0], types)
    if not source or not target or product(source) == product(target):
        return ""
    return f"an input of shape {source} does not fit its target {target}"


def _transpose(node: NodeProto, types: Types) -> str:
    perm = integers(node, "perm")
    source = shape_of(input_at(node, 0), types)
    if perm is None or not source or sorted(perm) == list(range(len(source))):
        return ""
    return f"perm {perm} is no order of {len(source)} dimensions"


def _convolution(node: NodeProto, types: Types) -> str:
    source = shape_of(input_at(node, 0), types)
    weights = shape_of(input_at(node, 1), types)
    bias = shape_of(input_at(node, 2), types)
    group = integer(node, "group", 1)
    if not source or not weights:
        return ""
    if len(weights) != len(source):
        return f"weights of shape {weights} do not fit an input of shape {source}"
    stated = integers(node, "kernel_shape")
    if stated is not None and stated != weights[2:]:
        return f"kernel_shape {stated} is not that of its weights, {weights[2:]}"
    if group < 1 or weights[0] % group or weights[1] * group != source[1]:
        return f"weights of shape {weights} in {group} groups do not fit {source[1]} channels"
    if bias and bias != weights[:1]:
        return f"bias of shape {bias} does not fit {weights[0]} output channels"
    return ""


def _per_channel(node: NodeProto, types: Types) -> str:
    source = shape_of(input_at(node, 0), types)
    for name in present(node.input[1:]):
        shape = shape_of(name, types)
        if len(source) > 1 and len(shape) == 1 and shape[0] != source[1]:
            return f"'{one_line(name)}' of shape {shape} does not fit {source[1]} channels"
    return ""


_RULES: Mapping[str, Callable[[NodeProto, Types], str]] = {
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Conv": _convolution,
    "BatchNormalization": _per_channel,
    "InstanceNormalization": _per_channel,
}
