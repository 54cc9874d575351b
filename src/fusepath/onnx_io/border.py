"""Pad: what is added at the border of a map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.graph import POINT, Border, Padding
from fusepath.onnx_io.nodes import input_at
from fusepath.onnx_io.pads import padding_of
from fusepath.onnx_io.work import shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onnx import NodeProto

    from fusepath.graph import Footprint
    from fusepath.onnx_io.draft import Draft, Types
    from fusepath.onnx_io.pads import Padding as Added

_BORDERS = {"constant": Border.CONSTANT, "edge": Border.EDGE, "reflect": Border.MIRROR}
_RANK = 4
_SPATIAL = (2, 3)


def pad_footprints(
    node: NodeProto, draft: Draft, types: Types
) -> tuple[Footprint, Footprint] | str:
    """How a Pad of a map reads it along (rows, cols), or why tiles cannot."""
    shape = shape_of(input_at(node, 0), types)
    if len(shape) != _RANK:
        return "does not pad a map"
    padding = padding_of(node, draft.array, _RANK)
    if padding is None:
        return "what it adds is not constant"
    reason = next(_objections(padding, shape), "")
    if reason:
        return reason
    rows, cols = (
        Padding(
            begin=padding.begins[axis],
            end=padding.ends[axis],
            size=shape[axis],
            border=_BORDERS[padding.mode],
        )
        if axis in padding.axes
        else POINT
        for axis in _SPATIAL
    )
    return rows, cols


def _objections(padding: Added, shape: tuple[int, ...]) -> Iterator[str]:
    if padding.mode not in _BORDERS:
        yield "adds to each border what is at the other"
    if 0 in padding.axes:
        yield "pads the batch"
    if min(*padding.begins, *padding.ends) < 0:
        yield "its negative pads crop the map; export it with a Slice"
    if padding.mode == "reflect" and any(
        max(padding.begins[axis], padding.ends[axis]) >= shape[axis] for axis in _SPATIAL
    ):
        yield "mirrors more than the map has"
