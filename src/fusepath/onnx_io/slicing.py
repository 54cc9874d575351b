"""Slice along rows and columns: what it states, and how it reads a map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.graph import POINT, Crop
from fusepath.onnx_io.slices import slices_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from fusepath.arrays import Array
    from fusepath.graph import Footprint

SLICE_TAKES_INPUTS = 10
"""From this opset on bounds are inputs; before, they are attributes."""
ENDLESS = 2**31 - 1
"""A slice that ends here or later ends at the border of any map."""
_RANK = 4
_SPATIAL = (2, 3)

Bounds = list[tuple[int, int, int, int]]
"""(axis, start, end, step) of every axis that a Slice names, axes counted from the front."""


def slice_bounds(node: NodeProto, array: Callable[[str], Array | None]) -> Bounds | None:
    """What a Slice of a map states; None where it is not constant.

    Args:
        node: the Slice.
        array: the value of a constant by name; None for what is none.
    """
    parts = slices_of(node, array, _RANK)
    if parts is None:
        return None
    return [(axis, part.start, part.stop, part.step) for axis, part in parts.items()]


def crops_of(bounds: Bounds) -> tuple[Footprint, Footprint] | str:
    """How a rewritten Slice reads a map along (rows, cols), or why tiles cannot."""
    crops: dict[int, Footprint] = {}
    for axis, start, end, step in bounds:
        if axis == 0:
            return "cuts the batch"
        if axis in _SPATIAL and step < 1:
            return "reverses rows or columns"
        if axis in _SPATIAL and (start < 0 or 0 <= end < ENDLESS):
            return "its bounds hold for the size of the whole map alone"
        if axis in _SPATIAL:
            crops[axis] = Crop(begin=start, stride=step)
    return crops.get(2, POINT), crops.get(3, POINT)
