"""A graph of the user's own behind a model: what it makes of the outputs returns in their place.

The highest scores, the best class, boxes out of a map: a few rows travel instead of everything. The
two become one model, so such a reduction is a part of its tail and runs on whichever machine that
does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import TensorProto, compose, version_converter

from fusepath.errors import one_line
from fusepath.onnx_io.complaint import bad_model, translated
from fusepath.onnx_io.parse import parse, standard_opset

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

PREFIX = "post/"
"""Before the names of all that is the user's graph's own, but for its outputs."""


def followed_by(model: ModelProto, post: bytes, *, name: str) -> ModelProto:
    """The model with a graph behind it, whose outputs are then the only ones.

    Inputs of the graph are outputs of the model, by name; where there is one of each, whatever
    their names.

    Args:
        model: a whole model.
        post: an ONNX file of one's own, with all tensors in it.
        name: what messages call the model.

    Raises:
        ModelError: the graph cannot be read, or takes what the model does not make.
    """
    label = f"the graph behind '{name}'"
    behind = _of_version(parse(post, name=label), standard_opset(model), label)
    known = {tensor.name for tensor in behind.graph.initializer}
    inputs = [value for value in behind.graph.input if value.name not in known]
    outputs = {value.name: value for value in model.graph.output}
    alone = next(iter(outputs.values())) if len(outputs) == len(inputs) == 1 else None
    joined = []
    for value in inputs:
        made = outputs.get(value.name, alone)
        if made is None:
            raise bad_model(
                label,
                f"takes '{one_line(value.name)}', but the model's outputs are "
                f"{', '.join(map(one_line, outputs))}; name the input as one of them",
            )
        _check_fits(value, made, label)
        joined.append((made.name, PREFIX + value.name))
    if not behind.graph.output:
        raise bad_model(label, "has no output")
    if not joined:
        raise bad_model(label, "has no input; let it take an output of the model")
    taken = {text for node in model.graph.node for text in (*node.input, *node.output)}
    if twice := [value.name for value in behind.graph.output if value.name in taken]:
        raise bad_model(
            label,
            f"makes '{one_line(twice[0])}', which the model has a tensor of; rename the output",
        )
    with translated(label, "cannot be put behind the model"):
        behind = compose.add_prefix(behind, PREFIX, rename_outputs=False)
        behind.ir_version = model.ir_version
        del behind.metadata_props[:]
        return compose.merge_models(
            model, behind, joined, outputs=[value.name for value in behind.graph.output]
        )


def _of_version(post: ModelProto, opset: int, label: str) -> ModelProto:
    """The graph in the version of ONNX that the model is written in."""
    own = standard_opset(post)
    if own == opset:
        return post
    try:
        return version_converter.convert_version(post, opset)
    except Exception as error:
        raise bad_model(
            label, f"is of opset {own}, the model of {opset}: {one_line(error)}; export it for that"
        ) from error


def _check_fits(taken: ValueInfoProto, made: ValueInfoProto, label: str) -> None:
    """Raise unless an input can be what an output of the model is, as far as they say."""
    wants, gets = taken.type.tensor_type, made.type.tensor_type
    names = f"takes '{one_line(taken.name)}' as"
    if wants.elem_type != gets.elem_type:
        kinds = [TensorProto.DataType.Name(each.elem_type).lower() for each in (wants, gets)]
        raise bad_model(label, f"{names} {kinds[0]}, but the model makes {kinds[1]}; cast it")
    if not (wants.HasField("shape") and gets.HasField("shape")):
        return
    sizes = [[dim.dim_value for dim in each.shape.dim] for each in (wants, gets)]  # 0 if open
    differ = any(one != other for one, other in zip(*sizes, strict=False) if one and other)
    if len(sizes[0]) != len(sizes[1]) or differ:
        shapes = [[size or "?" for size in each] for each in sizes]
        raise bad_model(label, f"{names} {shapes[0]}, but the model makes {shapes[1]}; reshape it")
