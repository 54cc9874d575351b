"""GroupNormalization spelt as exporters spelt it before there was such an operator.

Each group is a channel of an InstanceNormalization. Nothing infers the shape of the operator
itself, and the one of opset 18, which scales groups in place of channels, is deprecated, though
ONNX Runtime runs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper

from fusepath.onnx_io.nodes import integer, number
from fusepath.onnx_io.rewriting import Rewriting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft

_PER_CHANNEL_OPSET = 21
"""From here on scale and bias are given for channels."""
_EPSILON = 1e-5
"""Where the operator states none."""
_INPUTS = 3


def spell_group_norms(draft: Draft) -> Draft:
    """The draft without a GroupNormalization whose scale is a constant.

    It may be one that nothing has been checked of yet.
    """
    rewriting = Rewriting(draft, {})
    for node in draft.nodes:
        if node.op_type == "GroupNormalization" and len(node.input) == _INPUTS:
            scale = _constant(node.input[1], rewriting)
            groups = integer(node, "num_groups", 0)
            if scale is not None and groups > 0 and len(scale.dims) == 1:
                made = _normalised(node, scale, groups, rewriting)
                rewriting.put(made, instead_of=node)
    return rewriting.finished()


def _constant(name: str, rewriting: Rewriting) -> TensorProto | None:
    """A constant of the draft, also one that a node states."""
    stored = rewriting.draft.constants.get(name)
    maker = rewriting.maker(name)
    if stored is not None or maker is None or maker.op_type != "Constant":
        return stored
    values = (helper.get_attribute_value(each) for each in maker.attribute if each.name == "value")
    return next((value for value in values if isinstance(value, TensorProto)), None)


def _normalised(
    node: NodeProto, scale: TensorProto, groups: int, rewriting: Rewriting
) -> Iterator[NodeProto]:
    source, factors, offsets = node.input
    by_channel = rewriting.draft.opset >= _PER_CHANNEL_OPSET
    dtype = helper.tensor_dtype_to_np_dtype(scale.data_type)
    # What is normalised is so in float32, unless the operator says otherwise.
    stash = integer(node, "stash_type", TensorProto.FLOAT)
    inner = helper.tensor_dtype_to_np_dtype(stash) if by_channel else dtype

    def step(op_type: str, inputs: list[str], label: str, **attributes: float) -> NodeProto:
        output = rewriting.tensor(f"{node.output[0]}_{label}")
        return rewriting.node(op_type, inputs, output, label=f"{node.name}_{label}", **attributes)

    def constant(label: str, value: np.ndarray) -> str:
        return rewriting.constant(f"{node.output[0]}_{label}", value)

    yield (size := step("Shape", [source], "shape"))
    grouped = constant("grouped", np.array([0, groups, -1], dtype=np.int64))
    yield (last := step("Reshape", [source, grouped], "groups"))
    if inner != dtype:
        yield (last := step("Cast", [last.output[0]], "wider", to=stash))
    if by_channel:
        once, nothing = (constant(f"all_{at}", np.full(groups, at, inner)) for at in (1, 0))
    else:
        once, nothing = factors, offsets
    epsilon = number(node, "epsilon", _EPSILON)
    normalised = [last.output[0], once, nothing]
    yield (last := step("InstanceNormalization", normalised, "normal", epsilon=epsilon))
    if inner != dtype:
        yield (last := step("Cast", [last.output[0]], "narrower", to=scale.data_type))
    back = [last.output[0], size.output[0]]
    if not by_channel:
        yield rewriting.node("Reshape", back, node.output[0], label=node.name)
        return
    yield (last := step("Reshape", back, "channels"))
    # A BatchNormalization of mean 0 and variance 1 scales channels whatever the rank.
    (channels,) = scale.dims
    mean, variance = (constant(f"each_{at}", np.full(channels, at, dtype)) for at in (0, 1))
    scaled = [last.output[0], factors, offsets, mean, variance]
    yield rewriting.node("BatchNormalization", scaled, node.output[0], label=node.name, epsilon=0.0)
