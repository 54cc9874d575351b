"""From bytes to an ONNX model that is safe to look at, or a refusal."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, defs, helper

from fusepath.errors import one_line
from fusepath.graph import product
from fusepath.onnx_io.complaint import bad_model, bad_node, translated
from fusepath.onnx_io.contributed import expanded
from fusepath.onnx_io.external import MOST_BYTES, PACKED_TYPES, embed
from fusepath.onnx_io.inline import MOST_NODES, inlined
from fusepath.onnx_io.nodes import graphs_of
from fusepath.onnx_io.unknown import of_foreign_domain

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST_OPSET = 7
"""Before opset 7 operators broadcast by other rules."""
STANDARD_DOMAINS = frozenset({"", "ai.onnx"})

_NOT_ONNX = "not an ONNX model, or a damaged or truncated one"
_LFS_POINTER = b"version https://git-lfs"
_SPARSE_ATTRIBUTES = frozenset({AttributeProto.SPARSE_TENSOR, AttributeProto.SPARSE_TENSORS})
_COMPLEX_TYPES = frozenset({"complex64", "complex128"})


def parse(
    data: bytes, *, name: str, external: Mapping[str, bytes] = MappingProxyType({})
) -> ModelProto:
    """The model in these bytes, found to be within the limits of what this package reads.

    Args:
        data: a whole model file.
        name: what messages call the model.
        external: other files that hold tensors, by location; they are put into the model.

    Raises:
        ModelError: empty, not ONNX, damaged, too large, of an unknown version, or with tensors in
            files that are not given, loops, functions that call themselves or make the graph
            too large, sparse tensors or custom operators.
    """
    if not data:
        raise bad_model(name, "is empty; export it again")
    if len(data) > MOST_BYTES:
        raise bad_model(name, f"{len(data)} bytes; ONNX files end at 2 GiB, use a smaller model")
    if data.startswith(_LFS_POINTER):
        raise bad_model(name, "is a Git LFS pointer, not the model; run 'git lfs pull'")
    with translated(name, _NOT_ONNX):
        model = ModelProto.FromString(data)
        _check_header(model, name)
        embed(model, external, name=name)
        model = expanded(inlined(model, name=name), standard_opset(model))
        _check_graph(model.graph, name)
    return model


def standard_opset(model: ModelProto) -> int:
    """The version of the ONNX operators that the model uses; 0 when it states none."""
    versions = [entry.version for entry in model.opset_import if entry.domain in STANDARD_DOMAINS]
    return max(versions, default=0)


def _check_header(model: ModelProto, name: str) -> None:
    if not model.HasField("graph") or model.ir_version < 1:
        raise bad_model(name, _NOT_ONNX)
    if model.ir_version > onnx.IR_VERSION:
        raise bad_model(
            name,
            f"IR version {model.ir_version} is newer than {onnx.IR_VERSION}; "
            "update the onnx package or export an older version",
        )
    opset = standard_opset(model)
    newest = defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise bad_model(
            name, f"opset {opset} is outside {OLDEST_OPSET} … {newest}; export with one of those"
        )


def _check_graph(graph: GraphProto, name: str) -> None:
    if not graph.node:
        raise bad_model(name, "the graph has no operators")
    count = _count(graph)
    if count > MOST_NODES:
        raise bad_model(name, f"{count} nodes are more than {MOST_NODES}; simplify the model")
    _check_content(graph, name)


def _count(graph: GraphProto) -> int:
    """Nodes of a graph and of all branches in it."""
    inner = (branch for node in graph.node for branch in graphs_of(node))
    return len(graph.node) + sum(map(_count, inner))


def _check_content(graph: GraphProto, name: str) -> None:
    _check_names(graph, name)
    if graph.sparse_initializer:
        raise bad_model(name, "sparse initialisers are not supported; store them dense")
    seen: set[str] = set()
    for tensor in graph.initializer:
        if tensor.name in seen:
            raise bad_model(name, f"initialiser '{one_line(tensor.name)}' is defined twice")
        seen.add(tensor.name)
        _check_tensor(tensor, name)
    for node in graph.node:
        _check_node(node, name)
        for branch in graphs_of(node):
            _check_content(branch, name)


def _check_names(graph: GraphProto, name: str) -> None:
    """Refuse names that are not text: protobuf hands out bytes where they are not UTF-8."""
    names = [graph.name]
    for node in graph.node:
        names += (node.name, node.op_type, node.domain, *node.input, *node.output)
        names += (attribute.name for attribute in node.attribute)
    for value in (*graph.input, *graph.output):
        names.append(value.name)
        names += (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    names += (tensor.name for tensor in graph.initializer)
    for text in names:
        if not isinstance(text, str):
            raise bad_model(name, f"{_NOT_ONNX}: the name {one_line(text)} is not UTF-8")


def _check_node(node: NodeProto, name: str) -> None:
    if node.domain not in STANDARD_DOMAINS:
        raise of_foreign_domain(name, node)
    for attribute in node.attribute:
        if attribute.type in _SPARSE_ATTRIBUTES:
            raise bad_node(name, node, "sparse tensors are not supported; store them dense")
        if attribute.ref_attr_name:
            raise bad_node(name, node, "refers to an attribute of a function that is not there")
        if not all(map(_is_text, (attribute.s, *attribute.strings))):
            label = one_line(attribute.name)
            raise bad_node(name, node, f"its {label} is not UTF-8; export the model again")
        if attribute.HasField("t"):
            _check_tensor(attribute.t, name)
        for tensor in attribute.tensors:
            _check_tensor(tensor, name)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check_tensor(tensor: TensorProto, name: str) -> None:
    """Refuse a tensor whose data does not fit its stated shape."""
    label = f"tensor '{one_line(tensor.name)}'"
    dims = tuple(tensor.dims)
    if any(dim < 0 for dim in dims):
        raise bad_model(name, f"{label} has a negative dimension {dims}")
    try:
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except KeyError:
        raise bad_model(name, f"{label} has unknown element type {tensor.data_type}") from None
    if dtype.name in PACKED_TYPES:
        return  # packed; its length is checked when it is read
    count = product(dims)
    if tensor.HasField("raw_data"):
        stated, given, unit = count * dtype.itemsize, len(tensor.raw_data), "bytes"
    else:
        parts = 2 if dtype.name in _COMPLEX_TYPES else 1
        values = getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type))
        stated, given, unit = count * parts, len(values), "values"
    if stated != given:
        raise bad_model(
            name, f"{label} of shape {dims} should hold {stated} {unit}, but holds {given}"
        )
