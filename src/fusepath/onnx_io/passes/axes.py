"""Axes as shape inference understands them, where it understands fewer forms than ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fusepath.onnx_io.nodes import (
    copied,
    input_at,
    integer,
    integers,
    with_attributes,
    without_attributes,
)
from fusepath.onnx_io.work import shape_of

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types


def count_axes_from_the_front(draft: Draft, types: Types) -> Draft:
    """The draft with axes of Slice, Squeeze and Concat that are attributes counted from the front.

    A Squeeze of an empty list of axes, which means all of one element, has no list.
    """
    return replace(draft, nodes=tuple(_counted(node, draft, types) for node in draft.nodes))


def _counted(node: NodeProto, draft: Draft, types: Types) -> NodeProto:
    if node.op_type not in {"Slice", "Squeeze", "Concat"}:
        return node
    rank = len(shape_of(input_at(node, 0), types))
    if node.op_type == "Concat":
        axis = integer(node, "axis", 0)
        return with_attributes(node, axis=axis + rank) if axis < 0 and rank else node
    axes = integers(node, "axes")
    if axes and rank and min(axes) < 0:
        return with_attributes(node, axes=[axis + rank if axis < 0 else axis for axis in axes])
    if node.op_type == "Squeeze" and axes == ():
        return without_attributes(node, ("axes",))
    if node.op_type == "Squeeze" and input_at(node, 1):
        value = draft.array(node.input[1])
        if value is not None and value.size == 0:
            twin = copied(node)
            del twin.input[1:]
            return twin
    return node
