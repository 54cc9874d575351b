"""Dropping nodes that pass their input through unchanged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fusepath.onnx_io.complaint import bad_node
from fusepath.onnx_io.nodes import copied, input_at, integer, integers, present, reads, rewired
from fusepath.onnx_io.pads import padding_of
from fusepath.onnx_io.work import shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

_MASK_OPSET = 12
"""From here on Dropout says by an input whether it trains."""
_TRAINING_MODE_OPSET = 14
"""From here on BatchNormalization says by an attribute whether it trains."""

_OPTIONAL_OUTPUTS = frozenset({"MaxPool", "Dropout"})
"""Operators of which only the first output matters unless a second one is read."""


def check_inference_mode(draft: Draft) -> None:
    """Refuse a model exported for training.

    Raises:
        ModelError: a BatchNormalization or Dropout trains; the message names the node.
    """
    for node in draft.nodes:
        if node.op_type == "BatchNormalization":
            trains = integer(node, "training_mode", 0) != 0
            trains |= draft.opset < _TRAINING_MODE_OPSET and len(present(node.output)) > 1
        elif node.op_type == "Dropout" and draft.opset >= _MASK_OPSET:
            mode = input_at(node, 2)
            value = draft.array(mode)
            trains = bool(mode) and (value is None or bool(np.any(value)))
        else:
            continue
        if trains:
            raise bad_node(draft.model, node, "is in training mode; export the model for inference")


def drop_noops(draft: Draft, types: Types) -> Draft:
    """The draft without Identity, inference Dropout, empty Pad and the like.

    Names of the network's outputs stay as they are.
    """
    stands_for: dict[str, str] = {}
    renamed: dict[str, str] = {}
    produced: set[str] = set()
    nodes = []
    for node in draft.nodes:
        if _passes_through(node, draft, types):
            source = stands_for.get(node.input[0], node.input[0])
            target = node.output[0]
            if target not in draft.outputs:
                stands_for[target] = source
                continue
            if source in produced and source not in draft.outputs and source not in renamed:
                renamed[source] = target
                continue
        nodes.append(rewired(node, stands_for))
        produced.update(present(node.output))
    return replace(draft, nodes=tuple(rewired(node, renamed) for node in nodes))


def drop_unused_outputs(draft: Draft, _types: Types) -> Draft:
    """The draft without the indices of a MaxPool or the mask of a Dropout that nobody reads."""
    uses = draft.uses()
    return replace(draft, nodes=tuple(_with_one_output(node, uses) for node in draft.nodes))


def _with_one_output(node: NodeProto, uses: Mapping[str, int]) -> NodeProto:
    if node.op_type not in _OPTIONAL_OUTPUTS or len(node.output) < 2:
        return node
    if any(name in uses for name in present(node.output[1:])):
        return node
    twin = copied(node)
    del twin.output[1:]
    return twin


def drop_dead(draft: Draft) -> Draft:
    """The draft without nodes and constants that no output of the network needs."""
    needed = set(draft.outputs)
    alive = []
    for node in reversed(draft.nodes):
        if needed.intersection(node.output):
            alive.append(node)
            needed.update(reads(node))
    constants = {name: tensor for name, tensor in draft.constants.items() if name in needed}
    return replace(draft, nodes=tuple(reversed(alive)), constants=constants)


def _passes_through(node: NodeProto, draft: Draft, types: Types) -> bool:
    rule = _RULES.get(node.op_type)
    if rule is None or not present(node.input) or len(present(node.output)) != 1:
        return False
    return rule(node, draft, types)


def _always(_node: NodeProto, _draft: Draft, _types: Types) -> bool:
    return True


def _same_shape(node: NodeProto, _draft: Draft, types: Types) -> bool:
    source, target = types.get(node.input[0]), types.get(node.output[0])
    if source is None or target is None or source.shape is None:
        return False
    return source.shape == target.shape


def _same_type(node: NodeProto, _draft: Draft, types: Types) -> bool:
    source, target = types.get(node.input[0]), types.get(node.output[0])
    return source is not None and target is not None and source.dtype == target.dtype != ""


def _keeps_order(node: NodeProto, _draft: Draft, _types: Types) -> bool:
    perm = integers(node, "perm")
    return perm is not None and perm == tuple(range(len(perm)))


def _pads_nothing(node: NodeProto, draft: Draft, types: Types) -> bool:
    padding = padding_of(node, draft.array, len(shape_of(node.input[0], types)))
    return padding is not None and not padding.axes


def _takes_all(node: NodeProto, draft: Draft, types: Types) -> bool:
    steps = draft.array(input_at(node, 4))
    forward = not input_at(node, 4) or (steps is not None and bool(np.all(steps > 0)))
    return forward and _same_shape(node, draft, types)


def _has_one_input(node: NodeProto, _draft: Draft, _types: Types) -> bool:
    return len(node.input) == 1


_RULES: Mapping[str, Callable[[NodeProto, Draft, Types], bool]] = {
    "Identity": _always,
    "Dropout": _always,  # check_inference_mode has refused the training ones
    "Reshape": _same_shape,
    "Flatten": _same_shape,
    "Squeeze": _same_shape,
    "Unsqueeze": _same_shape,
    "Expand": _same_shape,
    "Resize": _same_shape,  # whatever the factors, ONNX Runtime copies
    "Upsample": _same_shape,
    "Cast": _same_type,
    "Transpose": _keeps_order,
    "Pad": _pads_nothing,
    "Slice": _takes_all,
    "Split": _same_shape,
    "Concat": _has_one_input,
    "Sum": _has_one_input,
    "Mean": _has_one_input,
    "Max": _has_one_input,
    "Min": _has_one_input,
}
