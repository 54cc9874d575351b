"""Cutting a model: the ONNX model of a range of its layers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from onnx import GraphProto, ModelProto

from fusepath.errors import ModelError
from fusepath.graph import Kind, Sampling
from fusepath.onnx_io.declare import declare, declare_tensor
from fusepath.onnx_io.entry import entry_dims, entry_values
from fusepath.onnx_io.nodes import present
from fusepath.onnx_io.resize import RESAMPLING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fusepath.arrays import Array
    from fusepath.graph import Operator
    from fusepath.onnx_io.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class SubModel:
    """An encoded ONNX model of some layers, and the tensors it reads and writes, in order."""

    data: bytes = field(repr=False)
    weights: Mapping[str, Array] = field(repr=False, compare=False)
    """Values of the constants that ``data`` only names; the network's own, no copies."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def build_submodel(model: Model, first: int, last: int) -> SubModel:
    """The model of layers ``first … last`` (1-based, both included).

    It reads the activations that come from before the range and writes those that are needed
    behind it. While all its layers are tileable, height and width of its inputs and outputs are
    symbolic and the pads are those of the whole network, so one session serves tiles of every
    size; they are symbolic, too, where it `resamples`. The same range always gives the same bytes.

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
    inputs = tuple(n for n in (*graph.frontier(first - 1), *graph.companions) if n in read)
    outputs = tuple(name for name in graph.frontier(last) if name in made)

    nodes = [node for operator in operators for node in model.nodes[operator.name]]
    symbolic = all(layer.tileable for layer in graph.layers[first - 1 : last]) or resamples(
        operators
    )
    small = GraphProto(name=f"{graph.name}_{first}_{last}")
    small.node.extend(nodes)
    for declared, names in ((small.input, inputs), (small.output, outputs)):
        tensors = (graph.tensors[name] for name in names)
        declared.extend(declare_tensor(each, symbolic=symbolic and each.is_map) for each in tensors)
    inner = {name for node in nodes for name in node.output}
    constants = {name for node in nodes for name in present(node.input)} - inner - read
    data, weights = encode_model(model, small, constants)
    return SubModel(data=data, weights=weights, inputs=inputs, outputs=outputs)


def resamples(operators: Iterable[Operator]) -> bool:
    """Whether sizes are found by factors that may be no whole numbers.

    ONNX's inference multiplies more precisely than the runtime does, and may find others; where it
    is told none, it finds none.
    """
    return any(
        each.kind is Kind.BARRIER or any(isinstance(side, Sampling) for side in each.footprints)
        for each in operators
        if each.op_type in RESAMPLING
    )


def exposing(sub: SubModel, model: Model, names: Sequence[str]) -> SubModel:
    """A sub-model of a network, with some tensors that it makes as its outputs."""
    proto = ModelProto.FromString(sub.data)
    del proto.graph.output[:]
    proto.graph.output.extend(declare_tensor(model.graph.tensors[name]) for name in names)
    data = proto.SerializeToString(deterministic=True)
    return replace(sub, data=data, outputs=tuple(names))


def encode_model(
    model: Model, graph: GraphProto, constants: set[str]
) -> tuple[bytes, dict[str, Array]]:
    """An encoded model of some nodes that read some constants of the network.

    The graph gets these constants.

    Returns:
        The model, and the values of the constants that it only names.
    """
    graph.initializer.extend(
        tensor for tensor in model.proto.graph.initializer if tensor.name in constants
    )
    proto = ModelProto(
        ir_version=model.proto.ir_version,
        opset_import=model.proto.opset_import,
        producer_name="fusepath",
        graph=graph,
    )
    weights = {name: model.weights[name] for name in sorted(constants & model.weights.keys())}
    return proto.SerializeToString(deterministic=True), weights


def original_with_shape(model: Model) -> bytes:
    """The model as it was given, with the input shape that it was read with.

    Returns:
        The original file where its shape is static, otherwise the same model with the input's
        dimensions filled in; it computes what the original computes.
    """
    original = model.original
    proto = ModelProto.FromString(original)
    value, *_ = entry_values(proto.graph, name=model.graph.name)
    shape = model.graph.fed_shape
    if entry_dims(value) == shape:
        return original
    value.CopyFrom(declare(value.name, value.type.tensor_type.elem_type, shape))
    data: bytes = proto.SerializeToString(deterministic=True)
    return data
