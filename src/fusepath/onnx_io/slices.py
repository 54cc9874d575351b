"""What a Slice node takes of each axis; opsets write it as attributes or as inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.nodes import input_at, integers, whole_numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from fusepath.arrays import Array


def slices_of(
    node: NodeProto, array: Callable[[str], Array | None], rank: int
) -> dict[int, slice] | None:
    """What a Slice takes of every axis that it names, counted from the front.

    As in Python, except that -1 and less as the end of a backward slice count from the end.

    Args:
        node: the Slice.
        array: the value of a constant by name; None for what is none.
        rank: how many axes its input has.

    Returns:
        None where a bound is not constant.
    """
    starts, ends = integers(node, "starts"), integers(node, "ends")
    axes, steps = integers(node, "axes"), None
    if starts is None:
        given = [whole_numbers(array(input_at(node, at))) for at in range(1, 5)]
        if any(value is None and input_at(node, at) for at, value in enumerate(given, 1)):
            return None
        starts, ends, axes, steps = given
    starts, ends = starts or (), ends or ()
    axes = axes if axes is not None else tuple(range(len(starts)))
    steps = steps if steps is not None else (1,) * len(starts)
    counted = (axis + rank if axis < 0 else axis for axis in axes)
    bounds = zip(counted, starts, ends, steps, strict=True)
    return {axis: slice(start, end, step) for axis, start, end, step in bounds}
