"""What a Pad node adds around a tensor; opsets write it as attributes or as inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusepath.onnx_io.nodes import input_at, integers, number, text, whole_numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from fusepath.arrays import Array


@dataclass(frozen=True, slots=True)
class Padding:
    """Elements added before and behind every axis; negative numbers crop."""

    begins: tuple[int, ...]
    ends: tuple[int, ...]
    mode: str
    """``constant``, ``reflect``, ``edge`` or ``wrap``."""
    value: float
    """What is added in mode ``constant``."""

    @property
    def axes(self) -> frozenset[int]:
        """The axes that change."""
        pairs = enumerate(zip(self.begins, self.ends, strict=True))
        return frozenset(axis for axis, pair in pairs if any(pair))


def padding_of(node: NodeProto, array: Callable[[str], Array | None], rank: int) -> Padding | None:
    """The padding of a Pad node; None where it is not constant.

    Args:
        node: the Pad.
        array: the value of a constant by name; None for what is none.
        rank: how many axes its input has.
    """
    mode = text(node, "mode", "constant")
    pads = integers(node, "pads")
    value: float | None = number(node, "value", 0.0)
    axes: tuple[int, ...] | None = tuple(range(rank))
    if pads is None:
        pads = whole_numbers(array(input_at(node, 1)))
        value = _value(input_at(node, 2), array)
        if input_at(node, 3):
            axes = whole_numbers(array(input_at(node, 3)))
    if pads is None or value is None or axes is None or len(pads) != 2 * len(axes):
        return None
    begins, ends = [0] * rank, [0] * rank
    for at, axis in enumerate(axes):
        if not -rank <= axis < rank:
            return None
        begins[axis], ends[axis] = pads[at], pads[len(axes) + at]
    return Padding(tuple(begins), tuple(ends), mode, value)


def _value(name: str, array: Callable[[str], Array | None]) -> float | None:
    """The value added; 0 where the input is left out, None where it is computed."""
    if not name:
        return 0.0
    value = array(name)
    return None if value is None or value.size != 1 else float(np.ravel(value)[0])
