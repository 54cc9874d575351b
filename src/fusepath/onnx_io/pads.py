"""What a Pad node adds around a tensor; opsets write it as attributes or as inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusepath.onnx_io.nodes import input_at, integers, number, text

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft


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


def padding_of(node: NodeProto, draft: Draft, rank: int) -> Padding | None:
    """The padding of a Pad node on a tensor of so many axes; None where it is not constant."""
    mode = text(node, "mode", "constant")
    pads = integers(node, "pads")
    value: float | None = number(node, "value", 0.0)
    axes: tuple[int, ...] | None = tuple(range(rank))
    if pads is None:
        pads = _integers(input_at(node, 1), draft)
        value = _value(input_at(node, 2), draft)
        if input_at(node, 3):
            axes = _integers(input_at(node, 3), draft)
    if pads is None or value is None or axes is None or len(pads) != 2 * len(axes):
        return None
    begins, ends = [0] * rank, [0] * rank
    for at, axis in enumerate(axes):
        if not -rank <= axis < rank:
            return None
        begins[axis], ends[axis] = pads[at], pads[len(axes) + at]
    return Padding(tuple(begins), tuple(ends), mode, value)


def _integers(name: str, draft: Draft) -> tuple[int, ...] | None:
    value = draft.array(name)
    return None if value is None else tuple(int(item) for item in np.ravel(value))


def _value(name: str, draft: Draft) -> float | None:
    """The value added; 0 where the input is left out, None where it is computed."""
    if not name:
        return 0.0
    value = draft.array(name)
    return None if value is None or value.size != 1 else float(np.ravel(value)[0])
