"""Cutting a model: the ONNX model of a range of its layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onnx import GraphProto, ModelProto

from fusepath.errors import ModelError
from fusepath.onnx_io.declare import declare, declare_tensor
from fusepath.onnx_io.entry import entry_dims, entry_value
from fusepath.onnx_io.nodes import present
from fusepath.onnx_io.wire import GRAPH_INITIALIZER, MODEL_GRAPH, field_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusepath.onnx_io.model import Model
    from fusepath.onnx_io.wire import Chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class SubModel:
    """An encoded ONNX model of some layers, and the tensors it reads and writes, in order."""

    data: bytes = field(repr=False)
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def build_submodel(model: Model, first: int, last: int) -> SubModel:
    """The model of layers ``first … last`` (1-based, both included).

    It reads the activations that come from before the range and writes those that are needed
    behind it. While all its layers are tileable, height and width of its inputs and outputs are
    symbolic and the pads are those of the whole network, so one session serves tiles of every
    size. The same range always gives the same bytes.

    Raises:
        ModelError: there is no such range of layers.
    """
    graph = model.graph
    if not 1 <= first <= last <= graph.depth:
        raise ModelError(
            f"model '{graph.name}': there are no layers {first} … {last}; it has 1 … {graph.depth}"
        )
    operators = graph.operators(first, last)
    made = {name for operator in operators for name in operator.outputs}
    read = {name for operator in operators for name in operator.inputs} - made
    inputs = tuple(name for name in graph.frontier(first - 1) if name in read)
    outputs = tuple(name for name in graph.frontier(last) if name in made)

    by_name = {node.name: node for node in model.proto.graph.node}
    nodes = [by_name[operator.name] for operator in operators]
    symbolic = last <= graph.tileable_layers
    small = GraphProto(name=f"{graph.name}_{first}_{last}")
    small.node.extend(nodes)
    small.input.extend(declare_tensor(graph.tensors[name], symbolic=symbolic) for name in inputs)
    small.output.extend(declare_tensor(graph.tensors[name], symbolic=symbolic) for name in outputs)
    weights = {name for node in nodes for name in present(node.input)} - made - read
    return SubModel(data=encode_model(model, small, weights), inputs=inputs, outputs=outputs)


def encode_model(model: Model, graph: GraphProto, weights: set[str]) -> bytes:
    """An encoded model of some nodes, with those constants of the network that they read."""
    header = ModelProto(
        ir_version=model.proto.ir_version,
        opset_import=model.proto.opset_import,
        producer_name="fusepath",
    )
    chunks = [
        header.SerializeToString(deterministic=True),
        *field_of(
            MODEL_GRAPH,
            [graph.SerializeToString(deterministic=True), *_initialisers(model, weights)],
        ),
    ]
    return b"".join(chunks)


def original_with_shape(model: Model) -> bytes:
    """The model as it was given, with the input shape that it was read with.

    Returns:
        The original file where its shape is static, otherwise the same model with the input's
        dimensions filled in; it computes what the original computes.
    """
    proto = ModelProto.FromString(model.original)
    value = entry_value(proto.graph, name=model.graph.name)
    shape = model.graph.input.shape
    if entry_dims(value) == shape:
        return model.original
    value.CopyFrom(declare(value.name, value.type.tensor_type.elem_type, shape))
    data: bytes = proto.SerializeToString(deterministic=True)
    return data


def _initialisers(model: Model, wanted: set[str]) -> Iterator[Chunk]:
    """The encoded constants, as fields of a graph; those of the file are not copied yet."""
    for tensor in model.proto.graph.initializer:
        if tensor.name in wanted:
            stored = model.stored_weights.get(tensor.name)
            encoded = stored if stored is not None else tensor.SerializeToString(deterministic=True)
            yield from field_of(GRAPH_INITIALIZER, [encoded])
