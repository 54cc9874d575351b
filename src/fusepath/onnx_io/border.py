"""Pad: what is added at the border of a map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusepath.graph import POINT, Border, Padding
from fusepath.onnx_io.nodes import input_at, integers, text
from fusepath.onnx_io.work import shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from onnx import NodeProto

    from fusepath.arrays import Array
    from fusepath.graph import Footprint
    from fusepath.onnx_io.draft import Draft, Types

_BORDERS = {"constant": Border.CONSTANT, "edge": Border.EDGE, "reflect": Border.MIRROR}
_RANK = 4
_SPATIAL = (2, 3)


def pads_of(node: NodeProto, array: Callable[[str], Array | None]) -> tuple[int, ...] | None:
    """Elements that a Pad of a map adds before each axis, then behind; None where not constant.

    Args:
        node: the Pad.
        array: the value of a constant by name; None for what is none.
    """
    pads = integers(node, "pads")
    if pads is not None:
        return pads
    stated, chosen = array(input_at(node, 1)), array(input_at(node, 3))
    if stated is None or (input_at(node, 3) and chosen is None):
        return None
    values = [int(value) for value in np.ravel(stated)]
    axes = range(_RANK) if chosen is None else [int(axis) % _RANK for axis in np.ravel(chosen)]
    if len(values) != 2 * len(axes):
        return None
    begins, ends = [0] * _RANK, [0] * _RANK
    for at, axis in enumerate(axes):
        begins[axis], ends[axis] = values[at], values[len(axes) + at]
    return (*begins, *ends)


def pad_footprints(
    node: NodeProto, draft: Draft, types: Types
) -> tuple[Footprint, Footprint] | str:
    """How a Pad of a map reads it along (rows, cols), or why tiles cannot."""
    pads = pads_of(node, draft.array)
    value = input_at(node, 2)
    if pads is None or (value and value not in draft.constants):
        return "what it adds is not constant"
    shape = shape_of(input_at(node, 0), types)
    reason = next(_objections(node, pads, shape), "")
    if reason:
        return reason
    rows, cols = (
        Padding(
            begin=pads[axis],
            end=pads[_RANK + axis],
            size=shape[axis],
            border=_BORDERS[_mode(node)],
        )
        if pads[axis] or pads[_RANK + axis]
        else POINT
        for axis in _SPATIAL
    )
    return rows, cols


def _objections(node: NodeProto, pads: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[str]:
    mode = _mode(node)
    if len(pads) != 2 * _RANK or len(shape) != _RANK:
        yield "does not pad a map"
        return
    if mode not in _BORDERS:
        yield "adds to each border what is at the other"
    if pads[0] or pads[_RANK]:
        yield "pads the batch"
    if min(pads) < 0:
        yield "its negative pads crop the map; export it with a Slice"
    if mode == "reflect" and any(
        max(pads[axis], pads[_RANK + axis]) >= shape[axis] for axis in _SPATIAL
    ):
        yield "mirrors more than the map has"


def _mode(node: NodeProto) -> str:
    return text(node, "mode", "constant")
