"""Which maps are known to hold nothing below zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusepath.onnx_io.nodes import input_at, number, present
from fusepath.onnx_io.pads import padding_of
from fusepath.onnx_io.work import shape_of

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

_NEVER_BELOW = frozenset(
    ["Abs", "Exp", "HardSigmoid", "Relu", "Sigmoid", "Softmax", "Softplus", "Sqrt", "ReduceL2"]
)
_KEEP_THE_SIGN = frozenset(
    [
        "Add",
        "AveragePool",
        "Concat",
        "DepthToSpace",
        "Dropout",
        "Expand",
        "Flatten",
        "Gather",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "Identity",
        "LeakyRelu",
        "MaxPool",
        "Mean",
        "Min",
        "Mul",
        "Reshape",
        "Slice",
        "SpaceToDepth",
        "Split",
        "Squeeze",
        "Sum",
        "Tile",
        "Transpose",
        "Unsqueeze",
    ]
)
"""Operators that give nothing negative where they are given nothing negative."""
_INDEXED = frozenset(
    ["Expand", "Gather", "Reshape", "Slice", "Split", "Squeeze", "Tile", "Unsqueeze"]
)
"""Those of which only the first input holds values."""


def nonnegative(draft: Draft, types: Types) -> frozenset[str]:
    """Activations that are at least 0 whatever the input is (or NaN)."""
    known: set[str] = set()
    for node in draft.nodes:
        if _is_nonnegative(node, known, draft, types):
            known.update(present(node.output))
    return frozenset(known)


def _is_nonnegative(node: NodeProto, known: set[str], draft: Draft, types: Types) -> bool:
    op, names = node.op_type, present(node.input)
    if op in _KEEP_THE_SIGN:
        values = names[:1] if op in _INDEXED else names
        return all(_holds(name, known, draft) for name in values)
    if op == "Max":
        return any(_holds(name, known, draft) for name in names)
    if op == "Clip":
        low = input_at(node, 1)
        stays = not low and _holds(names[0], known, draft)
        return stays or _holds(low, known, draft) or number(node, "min", -1.0) >= 0
    if op == "Pad":
        padding = padding_of(node, draft.array, len(shape_of(names[0], types)))
        return padding is not None and padding.value >= 0 and _holds(names[0], known, draft)
    return op in _NEVER_BELOW


def _holds(name: str, known: set[str], draft: Draft) -> bool:
    if name in known:
        return True
    value = draft.array(name)
    return value is not None and value.dtype.kind in "fiu" and bool(np.all(value >= 0))
