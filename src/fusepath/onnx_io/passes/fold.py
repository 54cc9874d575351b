"""Computing at import what does not depend on the image.

Exporters write the target of a Reshape as a little program of Shape, Gather and Concat nodes;
with a static input all of it is constant.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, helper, numpy_helper

from fusepath.errors import one_line
from fusepath.graph import product
from fusepath.onnx_io.complaint import bad_node, translated
from fusepath.onnx_io.draft import Draft, TensorType, Types, constant_elements, constant_type
from fusepath.onnx_io.nodes import copied, integer, present
from fusepath.onnx_io.passes.dequantise import SHAPE_READERS, dequantised

if TYPE_CHECKING:
    from collections.abc import Set

LARGEST_FOLDED = 2**27
"""Bytes; a node that reads or makes a larger constant stays in the graph."""
MOST_FOLDED = 2**28
"""Bytes that folding makes at most, however small the model."""
MOST_GROWTH = 4
"""Bytes that folding makes at most for each that the model stores: int8 becomes float32."""
MOST_COUNTED = 2**20
"""Elements that an operator with a data-dependent result may read."""

_DATA_DEPENDENT = frozenset({"NonZero"})
"""Their output's size depends on values, but is bounded by the input's."""
_FOLDABLE = _DATA_DEPENDENT | frozenset(
    [
        "Abs",
        "Add",
        "And",
        "Cast",
        "CastLike",
        "Ceil",
        "Clip",
        "Concat",
        "ConstantOfShape",
        "CumSum",
        "DequantizeLinear",
        "Div",
        "Equal",
        "Exp",
        "Expand",
        "Flatten",
        "Floor",
        "Gather",
        "GatherElements",
        "GatherND",
        "Greater",
        "GreaterOrEqual",
        "Identity",
        "Less",
        "LessOrEqual",
        "Log",
        "Max",
        "Mean",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "OneHot",
        "Or",
        "Pad",
        "Pow",
        "Range",
        "Reciprocal",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "Reshape",
        "Round",
        "ScatterElements",
        "ScatterND",
        "Sign",
        "Slice",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Sum",
        "Tile",
        "Transpose",
        "Trilu",
        "Unsqueeze",
        "Where",
        "Xor",
    ]
)


def lift_constants(draft: Draft) -> Draft:
    """The draft with every Constant node turned into a constant.

    Raises:
        ModelError: a Constant node states no value, or one of a kind that is not supported.
    """
    constants = dict(draft.constants)
    nodes = []
    for node in draft.nodes:
        if node.op_type == "Constant":
            with translated(draft.model, f"node '{one_line(node.name)}' (Constant)"):
                constants[node.output[0]] = _constant_value(node, draft.model)
        else:
            nodes.append(node)
    return replace(draft, nodes=tuple(nodes), constants=constants)


def fold(draft: Draft, types: Types, *, kept: Set[str], budget: int) -> tuple[Draft, int]:
    """The draft without the nodes that can be computed from constants and static shapes.

    Only operators that rearrange or compute element by element are folded; what quantises or
    draws random numbers is left alone.

    Args:
        draft: The graph.
        types: What is known of its tensors.
        kept: Tensors that stay what they are (`quantised_operands`).
        budget: Bytes of constants after which it stops.

    Returns:
        The draft, and what is left of the budget.
    """
    constants = dict(draft.constants)
    nodes = []
    for node in draft.nodes:
        foldable = budget > 0 and kept.isdisjoint(node.output)
        values = _values(node, constants, types, draft.opset) if foldable else None
        if values is None:
            nodes.append(node)
            continue
        for name, value in values.items():
            constants[name] = numpy_helper.from_array(value, name)
            budget -= value.nbytes
    return replace(draft, nodes=tuple(nodes), constants=constants), budget


def constant_bytes(draft: Draft) -> int:
    """Size of all constants of a draft."""
    known = [constant_type(tensor) for tensor in draft.constants.values()]
    return sum(product(each.shape or ()) * np.dtype(each.dtype).itemsize for each in known)


def _constant_value(node: NodeProto, model: str) -> TensorProto:
    name = node.output[0]
    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        match attribute.type, attribute.name:
            case AttributeProto.TENSOR, "value":
                tensor = TensorProto()
                tensor.CopyFrom(value)
                tensor.name = name
                return tensor
            case AttributeProto.FLOAT | AttributeProto.FLOATS, _:
                return numpy_helper.from_array(np.asarray(value, dtype=np.float32), name)
            case AttributeProto.INT | AttributeProto.INTS, _:
                return numpy_helper.from_array(np.asarray(value, dtype=np.int64), name)
            case AttributeProto.STRING, _:
                return helper.make_tensor(name, TensorProto.STRING, (), [value])
            case AttributeProto.STRINGS, _:
                return helper.make_tensor(name, TensorProto.STRING, (len(value),), value)
    raise bad_node(model, node, "states no value")


def _values(
    node: NodeProto, constants: dict[str, TensorProto], types: Types, opset: int
) -> dict[str, np.ndarray] | None:
    """Values of a node's outputs; None when they are not known, too large or not for folding."""
    if node.op_type in SHAPE_READERS:
        return _shape_values(node, types)
    inputs = present(node.input)
    if node.op_type not in _FOLDABLE or any(name not in constants for name in inputs):
        return None
    if node.op_type in _DATA_DEPENDENT:
        small = all(constant_elements(constants[name]) <= MOST_COUNTED for name in inputs)
    else:
        small = all(_small(types.get(name)) for name in (*inputs, *present(node.output)))
    if not small:
        return None
    values = {name: numpy_helper.to_array(constants[name]) for name in inputs}
    if node.op_type == "DequantizeLinear":
        value = dequantised(node, values)
        return None if value is None else {node.output[0]: value}
    return _evaluated(node, values, opset)


def _small(known: TensorType | None) -> bool:
    """True for a tensor whose size is known and within the limit."""
    if known is None or known.shape is None or not known.dtype:
        return False
    return 0 <= product(known.shape) * np.dtype(known.dtype).itemsize <= LARGEST_FOLDED


def _shape_values(node: NodeProto, types: Types) -> dict[str, np.ndarray] | None:
    source = types.get(node.input[0])
    if source is None or source.shape is None:
        return None
    if node.op_type == "Size":
        return {node.output[0]: np.asarray(product(source.shape), dtype=np.int64)}
    rank = len(source.shape)
    start, end, _ = slice(integer(node, "start", 0), integer(node, "end", rank)).indices(rank)
    return {node.output[0]: np.asarray(source.shape[start:end], dtype=np.int64)}


def _evaluated(
    node: NodeProto, feeds: dict[str, np.ndarray], opset: int
) -> dict[str, np.ndarray] | None:
    """Outputs of one node by ONNX's reference implementation; None where that has no answer."""
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415 - few models need it

    outputs = present(node.output)
    alone = copied(node)
    graph = GraphProto(name="node", node=[alone])
    graph.input.extend(helper.make_empty_tensor_value_info(name) for name in feeds)
    graph.output.extend(helper.make_empty_tensor_value_info(name) for name in outputs)
    try:
        with np.errstate(all="ignore"):
            values = ReferenceEvaluator(graph, opsets={"": opset}).run(None, feeds)
    except Exception:
        return None
    if not all(isinstance(value, (np.ndarray, np.generic)) for value in values):
        return None
    return {name: np.asarray(value) for name, value in zip(outputs, values, strict=True)}
