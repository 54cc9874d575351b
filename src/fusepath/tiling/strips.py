"""Row strips that keep what the strip before has computed: halo reuse along the rows.

A *segment* is a band of rows of the fused layer. It is worked through from top to bottom in
*strips*. A strip goes on to a *mark* of two numbers: input rows released, and fused rows done. In
every layer it makes rows that the released ones allow (`StripRows.made`), and those that the done
ones need, less those that strips before it have made; the device before the cut, the edge server
behind it. So nothing is computed or sent twice within a segment. Releasing input rows sets shallow
layers to work long before a fused row can be done; doing fused rows one by one ends a segment
gently, where the last input rows would set everything free at once.

A segment right below the one before it *resumes*: in layers that both segments run on the edge
server (from the later of their two cuts on), and in layers that both run on the device (before the
earlier one), nothing is done twice either. It has the halo of an ordinary path for the layers
between alone. What these read again of the layers before them, the device has kept.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property, partial
from typing import TYPE_CHECKING

from fusepath.errors import GeometryError
from fusepath.graph import Kind
from fusepath.tiling.interval import Box, Interval
from fusepath.tiling.strip_rows import Resume, StripRows
from fusepath.tiling.strip_step import MapRows, Reading, StripOperation, StripStep, portion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fusepath.graph import ModelGraph, Operator


Mark = tuple[int, int]
"""Input rows released, fused rows done."""


@dataclass(frozen=True, slots=True)
class Band:
    """A segment: fused rows ``[start, stop)``, worked through in strips.

    ``marks`` are what the strips go on to: (input rows released, fused rows done), both absolute,
    neither ever falling; the last has all fused rows done.
    """

    start: int
    stop: int
    marks: tuple[Mark, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise GeometryError(f"rows {self.start} to {self.stop} are no segment")
        steps = list(itertools.pairwise(((0, 0), *self.marks)))
        if any(b == a or b[0] < a[0] or b[1] < a[1] for a, b in steps):
            raise GeometryError(f"marks {list(self.marks)} of a segment are not ascending")
        if not self.marks or self.marks[-1][1] != self.stop:
            raise GeometryError(f"the last strip of a segment must do all rows to {self.stop}")


@dataclass(frozen=True)
class StripTiling:
    """Bands of strips over the first ``tau`` layers.

    Of a network whose rows are counted from the bottom (`ModelGraph.mirrored`) they go upwards; all
    rows here are counted so, and `region` alone says where they are.

    Strips are numbered from 0, band after band in the given order, which is also the order in time.
    Bands must cover the fused rows exactly once.
    """

    graph: ModelGraph
    tau: int
    bands: tuple[Band, ...]
    cuts: tuple[int, ...]
    """First layer on the edge server (1-based), by band."""
    waits: bool = False
    """Whether the edge server makes rows no earlier than the fused layer can use them."""

    def __post_init__(self) -> None:
        covered = sorted((band.start, band.stop) for band in self.bands)
        edges = [0, *(stop for _, stop in covered)]
        if [start for start, _ in covered] != edges[:-1] or edges[-1] != self.rows.height:
            raise GeometryError(
                f"segments {covered} do not cover the {self.rows.height} rows of the fused layer "
                f"at tau={self.tau} exactly once"
            )
        height = self.graph.tensors[self.graph.source].size(0)
        if any(mark[0] > height for band in self.bands for mark in band.marks):
            raise GeometryError(f"strips release more than the {height} rows of the input")

    @cached_property
    def rows(self) -> StripRows:
        """Where every map is needed."""
        return StripRows(self.graph, self.tau, self.waits)

    @cached_property
    def strips(self) -> tuple[tuple[int, Mark, Mark], ...]:
        """For each strip: its band, and the marks before and after it."""
        return tuple(
            (index, before, after)
            for index, band in enumerate(self.bands)
            for before, after in itertools.pairwise(((0, 0), *band.marks))
        )

    @property
    def paths(self) -> int:
        """Number of strips."""
        return len(self.strips)

    @cached_property
    def resumes(self) -> tuple[Resume, ...]:
        """For each band, where it goes on from the one above it."""
        return self.rows.resumes(self.cuts, [(band.start, band.stop) for band in self.bands])

    def is_first(self, strip: int) -> bool:
        """Whether the strip opens its band."""
        return self.strips[strip][1] == (0, 0)

    def goes_on(self, strip: int) -> bool:
        """Whether the edge server goes on with it where it stands after the strip before."""
        return not self.is_first(strip) or self.resumes[self.strips[strip][0]].edge <= self.tau

    def new_rows(self, strip: int, tensor: str) -> tuple[int, int]:
        """Rows of a map that the strip adds, ``[start, stop)``; may be empty.

        Those that layers read which do not go on with it on the device, and that are sent. What the
        device makes of them are `made_rows`.
        """
        if (strip, tensor) not in self._known_rows:
            self._known_rows[strip, tensor] = self._new_rows(strip, tensor)
        return self._known_rows[strip, tensor]

    def made_rows(self, strip: int, tensor: str) -> tuple[int, int]:
        """Rows of a map that the device makes in the strip, ``[start, stop)``; may be empty."""
        resume = self.resumes[self.strips[strip][0]]
        continued = self.rows.is_continued(tensor, resume)
        return self._next_rows(strip, tensor) if continued else self.new_rows(strip, tensor)

    def counted_rows(self, strip: int, op: Operator) -> int:
        """How many rows an operator's work is counted by in the strip."""
        resume = self.resumes[self.strips[strip][0]]
        goes_on = self._layers[op.name][1] <= resume.device
        begin, end = (self._next_rows if goes_on else self.new_rows)(strip, op.counted)
        return end - begin

    @cached_property
    def _known_rows(self) -> dict[tuple[int, str], tuple[int, int]]:
        """Rows that were asked for before: every map is, once for each that reads it."""
        return {}

    def _new_rows(self, strip: int, tensor: str) -> tuple[int, int]:
        index = self.strips[strip][0]
        resume = self.resumes[index]
        if tensor in self.graph.entry and self.rows.is_continued(tensor, resume):
            return self._next_rows(strip, tensor)
        begins = self.rows.begins(resume.edge)[tensor]
        return self._rows_from(strip, tensor, int(begins[self.bands[index].start]))

    def _next_rows(self, strip: int, tensor: str) -> tuple[int, int]:
        """Rows of a map with which the strip goes on where all above has ended."""
        start = self.bands[self.strips[strip][0]].start
        return self._rows_from(strip, tensor, int(self.rows.stops[tensor][start]))

    def _rows_from(self, strip: int, tensor: str, begin: int) -> tuple[int, int]:
        """Rows that a strip adds to a map whose first row in the band is known."""
        index, before, after = self.strips[strip]
        begin = max(begin, self._reached(tensor, before, index))
        return begin, max(begin, self._reached(tensor, after, index))

    def _reached(self, tensor: str, mark: Mark, index: int) -> int:
        """Row behind the last that a band has made by a mark."""
        (released, done), band, cut = mark, self.bands[index], self.cuts[index]
        made, stops = self.rows.made(cut)[tensor], self.rows.stops[tensor]
        return int(min(max(made[released], stops[done]), stops[band.stop]))

    def region(self, strip: int, tensor: str) -> Box | None:
        """Where a map gets what the strip adds, over the whole width; None for nothing."""
        begin, end = self.new_rows(strip, tensor)
        if begin == end:
            return None
        height, width = (self.graph.tensors[tensor].size(axis) for axis in (0, 1))
        rows = Interval(height - end, height - begin) if self.graph.upward else Interval(begin, end)
        return Box(rows, Interval(0, width))

    def step(self, strip: int, first: int, last: int) -> StripStep:
        """What a machine that runs layers ``first … last`` (1-based) does in a strip.

        The device runs ``1 … cut − 1``, the edge server ``cut … tau``.
        """
        operators = self.graph.operators(first, last)
        names = {name for op in operators for name in (*op.inputs, *op.outputs)}
        stage = self._stage(strip, last)
        later = self._later(stage)
        return StripStep(
            maps={name: self._map_rows(strip, name, stage, later) for name in sorted(names)},
            operations=self._operations(strip, first, last, stage),
            sent=self._kept_and_sent(strip, last, stage),
            upward=self.graph.upward,
        )

    def _stage(self, strip: int, last: int) -> _Machine:
        return _Machine.DEVICE if last < self.cuts[self.strips[strip][0]] else _Machine.EDGE

    def _layers_of(self, strip: int, machine: _Machine) -> tuple[int, int]:
        """First and last layer that a machine runs of a strip."""
        cut = self.cuts[self.strips[strip][0]]
        return (1, cut - 1) if machine is _Machine.DEVICE else (cut, self.tau)

    def _rows_on(self, strip: int, tensor: str, machine: _Machine) -> tuple[int, int]:
        """Rows of a map that are new to a machine in a strip."""
        if machine is _Machine.DEVICE:
            return self.made_rows(strip, tensor)
        return self.new_rows(strip, tensor)

    def _operations(
        self, strip: int, first: int, last: int, machine: _Machine
    ) -> tuple[StripOperation, ...]:
        operations = []
        for op in self.graph.operators(first, last):
            # All outputs of an operator are asked for the same rows.
            begin, end = self._rows_on(strip, op.outputs[0], machine)
            if begin < end:
                operations.append(self._operation(op, begin, end))
        return tuple(operations)

    def _operation(self, op: Operator, begin: int, end: int) -> StripOperation:
        if op.kind is not Kind.WINDOW:
            readings = tuple(Reading(tensor=name, start=begin, stop=end) for name in op.inputs)
            return StripOperation(operator=op, rows=(begin, end), readings=readings)
        (name,) = op.inputs
        return portion(op, name, (begin, end), self.graph.tensors[name].size(0))

    def _kept_and_sent(
        self, strip: int, last: int, machine: _Machine
    ) -> Mapping[str, tuple[int, int]]:
        """Rows that the device sends of maps of which it makes others."""
        if machine is _Machine.EDGE:
            return {}
        return {
            name: self.new_rows(strip, name)
            for name in self.graph.frontier(last)
            if name not in self.graph.entry
            and self.new_rows(strip, name) != self.made_rows(strip, name)
        }

    def _map_rows(
        self, strip: int, tensor: str, machine: _Machine, later: Sequence[Mapping[str, int]]
    ) -> MapRows:
        known, reached = self._rows_on(strip, tensor, machine)
        before = later[strip - 1] if strip > 0 else {}
        return MapRows(
            # Where a fresh halo reaches further up than what is kept, nothing of that is read.
            cached=min(before.get(tensor, known), known),
            known=known,
            reached=reached,
            kept=min(later[strip].get(tensor, reached), reached),
        )

    def _later(self, machine: _Machine) -> Sequence[Mapping[str, int]]:
        """By strip, the first row of every map that strips after it read of what was before."""
        if machine not in self._known_later:
            wanted: list[Mapping[str, int]] = [{}]
            for strip in range(self.paths - 1, 0, -1):
                read = {**wanted[-1]}
                for name, row in self._first_read(strip, machine):
                    read[name] = min(row, read.get(name, row))
                goes_on = partial(self._goes_on, strip, machine=machine)
                wanted.append({name: row for name, row in read.items() if goes_on(name)})
            self._known_later[machine] = tuple(reversed(wanted))
        return self._known_later[machine]

    @cached_property
    def _known_later(self) -> dict[_Machine, Sequence[Mapping[str, int]]]:
        return {}

    def _first_read(self, strip: int, machine: _Machine) -> Iterator[tuple[str, int]]:
        """Maps that a strip reads or sends, and the first row of each."""
        first, last = self._layers_of(strip, machine)
        for item in self._operations(strip, first, last, machine):
            for reading in item.readings:
                yield reading.tensor, reading.start
        for name, (begin, end) in self._kept_and_sent(strip, last, machine).items():
            if begin < end:
                yield name, begin

    def _goes_on(self, strip: int, tensor: str, *, machine: _Machine) -> bool:
        """Whether a strip takes over rows of a map from the strip before it."""
        if not self.is_first(strip):
            return True
        resume = self.resumes[self.strips[strip][0]]
        if machine is _Machine.DEVICE:
            return self.rows.is_continued(tensor, resume)
        return any(tensor in op.inputs and at >= resume.edge for op, at in self._layers.values())

    @cached_property
    def _layers(self) -> dict[str, tuple[Operator, int]]:
        """Every operator of the prefix and its layer, by name."""
        return {
            op.name: (op, layer.index)
            for layer in self.graph.layers[: self.tau]
            for op in layer.operators
        }


class _Machine(Enum):
    """Where a part of a strip's layers runs."""

    DEVICE = auto()
    EDGE = auto()
