"""Rows counted from the bottom: what an operator depends on, seen in a mirror.

Who pads a map of even size for a stride of 2 at its end alone (SAME, as TensorFlow has it) has its
first output reach further down than its last one does up. Counted from the bottom, it is the other
way round.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fusepath.graph.footprint import Crop, Padding, Window

if TYPE_CHECKING:
    from fusepath.graph.footprint import Footprint


def mirrored(footprint: Footprint, inputs: int, outputs: int) -> Footprint | None:
    """The footprint with elements counted from the other end; None where that is none.

    Args:
        footprint: of one axis.
        inputs: elements of the map that is read.
        outputs: elements of the map that is made.
    """
    match footprint:
        case Window():
            # Behind the map, or before its end where that is not read and this is negative.
            last = (outputs - 1) * footprint.stride - footprint.pad_begin
            behind = last + footprint.extent - inputs
            if behind > footprint.pad_end:
                return None  # a part of a window that ceil_mode adds
            return replace(footprint, pad_begin=behind, pad_end=footprint.pad_begin)
        case Crop(stride=stride):
            last = footprint.begin + (outputs - 1) * stride
            return Crop(begin=inputs - 1 - last, stride=stride)
        case Padding():
            return replace(footprint, begin=footprint.end, end=footprint.begin)
    return None  # a session resamples from the beginning of a map, and spreads it from there
