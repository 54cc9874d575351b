"""Operators over some axes of a map: pointwise where these are the channels alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusepath.onnx_io.nodes import input_at, integer, integers, whole_numbers
from fusepath.onnx_io.work import shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

CHANNELS = 1
"""The channel axis of (N, C, H, W)."""
BY_AXIS = 13
"""From this opset on Softmax and its kin work along one axis; before, over all behind it."""

REDUCTIONS = frozenset(
    [
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "ReduceSumSquare",
    ]
)


def mixes_positions(node: NodeProto, draft: Draft, types: Types) -> str:
    """Why an operator needs more of a map than one position; empty where it does not."""
    axes = _AXES[node.op_type](node, draft, len(shape_of(input_at(node, 0), types)))
    if axes is None:
        return "the axes that it works on are not constant"
    if axes != {CHANNELS}:
        return _SPACE[bool(axes & {2}), bool(axes & {3})]
    if not integer(node, "keepdims", 1):
        return "drops the channel axis, so that no map is left"
    return ""


_SPACE = {
    (True, True): "needs the whole feature map",
    (True, False): "needs whole columns of the feature map",
    (False, True): "needs whole rows of the feature map",
    (False, False): "works on the batch",
}


def reduced_axes(node: NodeProto, draft: Draft, rank: int) -> frozenset[int] | None:
    """Axes of a reduction, counted from the front; None where they are not constant."""
    axes = integers(node, "axes")
    if axes is None and input_at(node, 1):
        axes = whole_numbers(draft.array(input_at(node, 1)))
        if axes is None:
            return None
    if not axes:
        return frozenset() if integer(node, "noop_with_empty_axes", 0) else _all(0, rank)
    return frozenset(axis % rank for axis in axes)


def _all(first: int, rank: int) -> frozenset[int]:
    return frozenset(range(first, rank))


def _one_axis(default: int) -> Callable[[NodeProto, Draft, int], frozenset[int] | None]:
    def axes(node: NodeProto, _draft: Draft, rank: int) -> frozenset[int]:
        return frozenset({integer(node, "axis", default) % rank})

    return axes


def _softmax(node: NodeProto, draft: Draft, rank: int) -> frozenset[int]:
    if draft.opset < BY_AXIS:
        return _all(integer(node, "axis", 1) % rank, rank)
    return frozenset({integer(node, "axis", -1) % rank})


def _from_axis(node: NodeProto, _draft: Draft, rank: int) -> frozenset[int]:
    """LayerNormalization works over its axis and all behind it."""
    return _all(integer(node, "axis", -1) % rank, rank)


def _axis_input(node: NodeProto, draft: Draft, rank: int) -> frozenset[int] | None:
    value = draft.array(input_at(node, 1))
    return None if value is None else frozenset({int(np.ravel(value)[0]) % rank})


def _mean_variance(node: NodeProto, _draft: Draft, rank: int) -> frozenset[int]:
    return frozenset(axis % rank for axis in integers(node, "axes") or (0, 2, 3))


_AXES: Mapping[str, Callable[[NodeProto, Draft, int], frozenset[int] | None]] = {
    **dict.fromkeys(REDUCTIONS, reduced_axes),
    **dict.fromkeys(["Softmax", "LogSoftmax", "Hardmax"], _softmax),
    **dict.fromkeys(["ArgMax", "ArgMin"], _one_axis(0)),
    **dict.fromkeys(["LpNormalization", "TopK"], _one_axis(-1)),
    **dict.fromkeys(["LayerNormalization", "RMSNormalization"], _from_axis),
    "CumSum": _axis_input,
    "MeanVarianceNormalization": _mean_variance,
}
OVER_AXES = frozenset(_AXES)
"""Operators that `mixes_positions` knows."""
