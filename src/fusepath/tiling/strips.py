"""Row strips that keep what the strip before has computed: halo reuse along the rows.

A *segment* is a band of rows of the fused layer. It is worked through from top to bottom in
*strips*. A strip goes on to a *mark* of two numbers: input rows released, and fused rows done. In
every layer it makes all rows that can be made of the released ones, and all rows that the done ones
need, less those that the strips before it have made; the device before the cut, the edge server
behind it. So nothing is computed or sent twice within a segment. Releasing input rows sets shallow
layers to work long before a fused row can be done; doing fused rows one by one ends a segment
gently, where the last input rows would set everything free at once.

A segment right below the one before it *resumes* where the edge server stands: from the layer that
both segments run there (the later of their two cuts) nothing is done twice either. Below that layer
it has the halo of an ordinary path, for those layers alone.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.errors import GeometryError
from fusepath.graph import Kind
from fusepath.tiling.interval import Box, Interval
from fusepath.tiling.reach import first_read
from fusepath.tiling.strip_rows import StripRows
from fusepath.tiling.strip_step import MapRows, Reading, StripOperation, StripStep, portion

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        return StripRows(self.graph, self.tau)

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
    def resumes(self) -> tuple[int, ...]:
        """For each band, the layer from which it resumes; ``tau + 1`` where it begins afresh."""
        return resume_layers(self.tau, self.cuts, [(band.start, band.stop) for band in self.bands])

    def is_first(self, strip: int) -> bool:
        """Whether the strip opens its band."""
        return self.strips[strip][1] == (0, 0)

    def goes_on(self, strip: int) -> bool:
        """Whether the edge server goes on with it where it stands after the strip before."""
        return not self.is_first(strip) or self.resumes[self.strips[strip][0]] <= self.tau

    def new_rows(self, strip: int, tensor: str) -> tuple[int, int]:
        """Rows of a map that the strip adds, ``[start, stop)``; may be empty."""
        if (strip, tensor) not in self._known_rows:
            self._known_rows[strip, tensor] = self._new_rows(strip, tensor)
        return self._known_rows[strip, tensor]

    @cached_property
    def _known_rows(self) -> dict[tuple[int, str], tuple[int, int]]:
        """Rows that were asked for before: every map is, once for each that reads it."""
        return {}

    def _new_rows(self, strip: int, tensor: str) -> tuple[int, int]:
        index, before, after = self.strips[strip]
        band = self.bands[index]
        begin = int(self.rows.begins(self.resumes[index])[tensor][band.start])
        begin = max(begin, self._reached(tensor, before, band))
        return begin, max(begin, self._reached(tensor, after, band))

    def _reached(self, tensor: str, mark: Mark, band: Band) -> int:
        released, done = mark
        ready, stops = self.rows.ready[tensor], self.rows.stops[tensor]
        return int(min(max(ready[released], stops[done]), stops[band.stop]))

    def region(self, strip: int, tensor: str) -> Box | None:
        """Where a map gets what the strip adds, over the whole width; None for nothing."""
        begin, end = self.new_rows(strip, tensor)
        if begin == end:
            return None
        height, width = (self.graph.tensors[tensor].size(axis) for axis in (0, 1))
        rows = Interval(height - end, height - begin) if self.graph.upward else Interval(begin, end)
        return Box(rows, Interval(0, width))

    def step(self, strip: int, first: int, last: int) -> StripStep:
        """What a machine that runs layers ``first … last`` (1-based) does in a strip."""
        operators = self.graph.operators(first, last)
        operations = []
        for op in operators:
            # All outputs of an operator are asked for the same rows.
            begin, end = self.new_rows(strip, op.outputs[0])
            if begin < end:
                operations.append(self._operation(op, begin, end))
        names = {name for op in operators for name in (*op.inputs, *op.outputs)}
        return StripStep(
            maps={name: self._map_rows(strip, name, operators) for name in sorted(names)},
            operations=tuple(operations),
            upward=self.graph.upward,
        )

    def _operation(self, op: Operator, begin: int, end: int) -> StripOperation:
        if op.kind is not Kind.WINDOW:
            readings = tuple(Reading(tensor=name, start=begin, stop=end) for name in op.inputs)
            return StripOperation(operator=op, rows=(begin, end), readings=readings)
        (name,) = op.inputs
        return portion(op, name, (begin, end), self.graph.tensors[name].size(0))

    def _map_rows(self, strip: int, tensor: str, operators: tuple[Operator, ...]) -> MapRows:
        known, reached = self.new_rows(strip, tensor)
        cached = known
        if not self.is_first(strip) or self._goes_on(self.strips[strip][0], tensor):
            # Where a fresh halo reaches further up than what is kept, nothing of that is read.
            cached = min(self._kept(strip - 1, tensor, operators), known)
        return MapRows(
            cached=cached, known=known, reached=reached, kept=self._kept(strip, tensor, operators)
        )

    def _goes_on(self, index: int, tensor: str) -> bool:
        """Whether a band takes over rows of a map from the band before it."""
        resume = self.resumes[index]
        return any(tensor in op.inputs and at >= resume for op, at in self._layers.values())

    @cached_property
    def _layers(self) -> dict[str, tuple[Operator, int]]:
        """Every operator of the prefix and its layer, by name."""
        return {
            op.name: (op, layer.index)
            for layer in self.graph.layers[: self.tau]
            for op in layer.operators
        }

    def _kept(self, strip: int, tensor: str, operators: tuple[Operator, ...]) -> int:
        """First row that a later strip still reads; all rows reached if none does."""
        index = self.strips[strip][0]
        reached = self.new_rows(strip, tensor)[1]
        wanted = [reached]
        for op in operators:
            if tensor not in op.inputs:
                continue
            out = op.outputs[0]
            made = self.new_rows(strip, out)[1]
            if made >= int(self.rows.stops[out][self._last_row(index, op)]):
                continue  # the operator is through with this band and those that resume from it
            row = made
            if op.kind is Kind.WINDOW:
                first = int(first_read(op.rows, np.array(made)))
                row = min(max(first, 0), self.graph.tensors[tensor].size(0) - 1)
            wanted.append(row)
        return min(wanted)

    def _last_row(self, index: int, op: Operator) -> int:
        """Fused row at which an operator ends that goes on from band to band."""
        layer = self._layers[op.name][1]
        while index + 1 < len(self.bands) and layer >= self.resumes[index + 1]:
            index += 1
        return self.bands[index].stop


def resume_layers(
    tau: int, cuts: Sequence[int], ranges: Sequence[tuple[int, int]]
) -> tuple[int, ...]:
    """For each segment, the layer (1-based) from which the edge server goes on where it stands.

    Right below a segment that is all layers that the edge server computes for both of them;
    anywhere else there is nothing to go on from, and that is ``tau + 1``.

    Args:
        tau: the fused layer.
        cuts: of the segments.
        ranges: fused rows of the segments, half-open.
    """
    resumes = [tau + 1]
    for (cut, (_, stop)), (next_cut, (start, _)) in itertools.pairwise(
        zip(cuts, ranges, strict=True)
    ):
        resumes.append(max(cut, next_cut) if stop == start else tau + 1)
    return tuple(resumes)
