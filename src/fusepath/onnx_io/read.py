"""Reading a model: from the bytes of an ONNX file to a graph that can be planned."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from onnx import GraphProto, ModelProto, helper

from fusepath.errors import one_line
from fusepath.graph import build_graph
from fusepath.onnx_io.boundary import narrowed
from fusepath.onnx_io.complaint import bad_model, translated
from fusepath.onnx_io.declare import declare_tensor
from fusepath.onnx_io.draft import Draft
from fusepath.onnx_io.ending import ended
from fusepath.onnx_io.entry import companion_tensor, entry_tensor, entry_values, named_dims
from fusepath.onnx_io.files import ModelFiles
from fusepath.onnx_io.infer import check, static_tensors
from fusepath.onnx_io.model import Model
from fusepath.onnx_io.naming import Names, named
from fusepath.onnx_io.nodes import call_otherwise
from fusepath.onnx_io.normalise import normalise
from fusepath.onnx_io.operators import operators
from fusepath.onnx_io.parse import parse, standard_opset
from fusepath.onnx_io.passes.group_norm import spell_group_norms
from fusepath.onnx_io.units import units
from fusepath.onnx_io.weights import set_apart
from fusepath.spelling import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from onnx import NodeProto, TensorProto

    from fusepath.graph import Tensor

OLDEST_IR = 4
"""From here on a constant need not be declared as an input as well."""


def read_model(
    data: bytes,
    *,
    name: str,
    source: str,
    input_shape: tuple[int, ...] | None = None,
    external: Mapping[str, bytes] = MappingProxyType({}),
    post: bytes = b"",
    origin: Callable[[], ModelFiles] | None = None,
) -> Model:
    """The model in these bytes, normalised and grouped into layers.

    Args:
        data: A whole ONNX file.
        name: What messages and reports call the model.
        source: Where it came from: a path or ``zoo:NAME``.
        input_shape: of the input as the file has it, such as (1, C, H, W); needed where the file
            leaves more than the batch open.
        external: Other files that hold tensors, whole, by the location that the model names.
        post: The file of a graph to put behind the model, whose outputs then are the only ones.
        origin: Fetches all of it again; without, it is kept.

    Raises:
        ModelError: damaged, dynamic or outside what can be run; one line that names the node,
            tensor or dimension, and what to do.
    """
    name, source = as_text(name), as_text(source)
    with translated(name, "cannot be read"):
        files = ModelFiles(data, external, post)
        proto = parse(data, name=name, external=external)
        if post:
            proto = parse(files.as_one_file(name=name), name=name)
        fed = _fed(proto.graph, name=name, input_shape=input_shape)
        draft = spell_group_norms(_opened(proto, name=name, fed=fed))
        check(draft)
        draft, types = normalise(draft)
        draft, types, ending = ended(draft, types)
        draft, types, ends = narrowed(draft, types, fed_as=[tensor.name for tensor in fed])
        tensors = static_tensors(draft, types)
        found = units(draft)
        graph = build_graph(
            name=name,
            sha256=files.sha256,
            input=draft.input,
            companions=tuple(tensor.name for tensor in draft.companions),
            outputs=draft.outputs,
            tensors=tensors,
            operators=operators(found, draft, types),
            fed_shape=fed[0].shape,
        )
        constants, weights = set_apart(draft.constants.values())
        closed = _closed(draft, constants, tensors)
        return Model(
            graph=graph,
            boundary=ends,
            ending=ending,
            proto=closed,
            nodes={unit.main.name: unit.nodes for unit in found},
            weights=weights,
            origin=origin or (lambda: files),
            source=source,
        )


def _fed(
    graph: GraphProto, *, name: str, input_shape: tuple[int, ...] | None
) -> tuple[Tensor, ...]:
    """The inputs as the file declares them, the one that is cut first."""
    first, *others = entry_values(graph, name=name)
    fed = entry_tensor(first, name=name, input_shape=input_shape)
    sizes = named_dims(first, fed.shape)
    return (fed, *(companion_tensor(value, sizes, name=name) for value in others))


def _opened(proto: ModelProto, *, name: str, fed: tuple[Tensor, ...]) -> Draft:
    """The draft of a parsed model; nodes are copied, weights are not.

    An input that is an output as well gets another name, since it may come as pixels.
    """
    graph = proto.graph
    outputs = _outputs(graph, name)
    nodes = named(graph.node)
    for node in nodes:
        node.domain = ""
    taken = {text for node in nodes for text in (node.name, *node.input, *node.output)}
    names = Names({*taken, *(tensor.name for tensor in (*graph.initializer, *fed))})
    inputs = []
    for tensor in fed:
        inner = names.fresh(tensor.name) if tensor.name in outputs else tensor.name
        if inner != tensor.name:
            nodes = _reading_instead(nodes, tensor.name, inner)
        inputs.append(replace(tensor, name=inner))
    return Draft(
        model=name,
        opset=standard_opset(proto),
        ir_version=max(proto.ir_version, OLDEST_IR),
        input=inputs[0],
        companions=tuple(inputs[1:]),
        outputs=tuple(outputs),
        output_types=tuple(outputs.values()),
        nodes=nodes,
        constants={tensor.name: tensor for tensor in graph.initializer},
    )


def _reading_instead(nodes: tuple[NodeProto, ...], name: str, other: str) -> tuple[NodeProto, ...]:
    """The nodes with another tensor in place of one, and a node that makes the one of it."""
    call_otherwise(nodes, {name: other})
    return (helper.make_node("Identity", [other], [name], name=f"{other}_passed"), *nodes)


def _outputs(graph: GraphProto, name: str) -> dict[str, int]:
    """Names and ONNX element types of the outputs."""
    if not graph.output:
        raise bad_model(name, "has no output; name one when exporting")
    outputs: dict[str, int] = {}
    for output in graph.output:
        label = f"output '{one_line(output.name)}'"
        if output.name in outputs:
            raise bad_model(name, f"{label} is named twice; name it once")
        if not output.type.HasField("tensor_type"):
            raise bad_model(name, f"{label} is not a tensor; end the model before it")
        outputs[output.name] = output.type.tensor_type.elem_type
    return outputs


def _closed(
    draft: Draft, constants: Iterable[TensorProto], tensors: Mapping[str, Tensor]
) -> ModelProto:
    """What the draft says, as a model."""
    graph = helper.make_graph(
        draft.nodes,
        draft.model,
        [*map(declare_tensor, draft.inputs)],
        [declare_tensor(tensors[name]) for name in draft.outputs],
        constants,
    )
    return ModelProto(
        ir_version=draft.ir_version,
        opset_import=[helper.make_opsetid("", draft.opset)],
        graph=graph,
    )
