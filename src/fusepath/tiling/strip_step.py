"""What a machine does in one strip, operator by operator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fusepath.graph import Padding, Sampling, Transposed, Window
from fusepath.tiling.reach import first_read, stop_read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.graph import Operator


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What an operator reads of one input map in one strip: absolute rows ``[start, stop)``."""

    tensor: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StripOperation:
    """One operator in one strip: which rows it makes, from which rows, with which padding.

    Of a transposed convolution ``pad_end`` is what is added to its output. What comes out has
    ``crop_begin`` and ``crop_end`` rows more than are wanted.
    """

    operator: Operator
    rows: tuple[int, int]
    readings: tuple[Reading, ...]
    pad_begin: int = 0
    pad_end: int = 0
    crop_begin: int = 0
    crop_end: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRows:
    """A map in one strip, in absolute rows.

    ``[cached, known)`` is kept from the strip before, ``[known, reached)`` is new, and
    ``[kept, reached)`` is kept for the strip after.
    """

    cached: int
    known: int
    reached: int
    kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StripStep:
    """A strip on one machine: all that a stateful sub-model of its layers needs to know."""

    maps: Mapping[str, MapRows]
    operations: tuple[StripOperation, ...]
    sent: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Absolute rows that come out of maps of which others are new; perhaps none."""
    upward: bool = False
    """Whether all rows are counted from the bottom."""

    @property
    def likeness(self) -> tuple[object, ...]:
        """Equal for steps that do the same, further down: one sub-model serves them all."""
        maps = tuple(
            (name, rows.known - rows.cached, rows.reached - rows.known, rows.kept - rows.cached)
            for name, rows in self.maps.items()
        )
        operations = tuple(
            (
                item.operator.name,
                item.rows[1] - item.rows[0],
                item.pad_begin,
                item.pad_end,
                item.crop_begin,
                item.crop_end,
                tuple(
                    (r.start - self.maps[r.tensor].cached, r.stop - self.maps[r.tensor].cached)
                    for r in item.readings
                ),
            )
            for item in self.operations
        )
        sent = tuple(
            (name, start - self.maps[name].cached, stop - self.maps[name].cached)
            for name, (start, stop) in self.sent.items()
        )
        return self.upward, maps, operations, sent


def portion(op: Operator, tensor: str, rows: tuple[int, int], size: int) -> StripOperation:
    """An operator that makes some rows and no others.

    Args:
        op: it reads other rows of its one input than it makes.
        tensor: that input.
        rows: wanted of the output, absolute and half-open.
        size: rows of the whole input.
    """
    begin, end = rows
    footprint = op.rows
    first = int(first_read(footprint, np.array(begin)))
    behind = int(stop_read(footprint, np.array(end - 1)))
    start, stop = min(max(first, 0), size - 1), min(max(behind, 1), size)
    made = rows
    pads = (0, 0)
    match footprint:
        case Window():
            pads = (max(-first, 0), max(behind - size, 0))
        case Transposed(stride=stride):
            made_end = (stop - 1) * stride + footprint.extent - footprint.pad_begin
            pads = (0, max(end - made_end, 0))
            made = (start * stride - footprint.pad_begin, made_end + pads[1])
        case Sampling(inputs=inputs, outputs=outputs):
            made_begin = start // inputs * outputs
            made = (made_begin, made_begin + (stop - start) * outputs // inputs)
        case Padding():
            # Only where the strip reaches the border of the map is there anything to add.
            pads = (
                footprint.begin if begin < footprint.begin else 0,
                footprint.end if end > footprint.begin + size else 0,
            )
            made = (start + footprint.begin - pads[0], stop + footprint.begin + pads[1])
    return StripOperation(
        operator=op,
        rows=rows,
        readings=(Reading(tensor=tensor, start=start, stop=stop),),
        pad_begin=pads[0],
        pad_end=pads[1],
        crop_begin=begin - made[0],
        crop_end=made[1] - end,
    )
