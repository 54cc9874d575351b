"""How far up and down every map is needed, and how far it can be made, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fusepath.errors import GeometryError
from fusepath.graph import POINT, Kind, Window
from fusepath.tiling.reach import first_read, stop_read
from fusepath.tiling.tiling import check_tileable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.arrays import IntArray
    from fusepath.graph import ModelGraph, Operator


class Resume(NamedTuple):
    """Where a segment goes on from the one above it, and where it begins afresh.

    Layers ``1 … device`` go on where the device stands, layers from ``edge`` on (1-based) where the
    edge server does. Those between have the halo of an ordinary path.
    """

    device: int
    edge: int


@dataclass(frozen=True)
class StripRows:
    """How far up and down every map is needed for any band of the fused layer.

    The rows that fused rows ``[a, b)`` need of a map end at ``stops[b]`` whatever ``a`` is, and
    begin at a row that depends on ``a`` alone; that is what makes reuse simple.
    """

    graph: ModelGraph
    tau: int
    waits: bool = False
    """Whether the edge server too makes rows when what it hands on can use them, and no earlier."""

    def __post_init__(self) -> None:
        check_tileable(self.graph, self.tau)
        for op in self.graph.operators(1, self.tau):
            if isinstance(op.rows, Window) and op.kind is Kind.WINDOW:
                _check_window(self.graph, op, op.rows)

    @property
    def height(self) -> int:
        """Rows of the fused layer: of its smallest map, in proportion to which others are cut."""
        return self.graph.fused_size(self.tau, 0)

    @property
    def makes_outputs(self) -> bool:
        """Whether rows of the fused layer are rows of the result: nothing is left behind it."""
        return self.tau == self.graph.depth

    @cached_property
    def ready(self) -> Mapping[str, IntArray]:
        """Rows of each map that can be made, by rows of the input released ``0 … input height``."""
        return ready_rows(self.graph, self.tau)

    def made(self, cut: int) -> Mapping[str, IntArray]:
        """Rows of each map that segments with a cut make, by rows of the input released.

        What crosses the cut is made and sent as soon as it can be. Before it a row waits until
        something that crosses can use it: where branches of unlike windows meet again, or a window
        reads rows in pairs, a row ahead would be kept, joined and cut from one strip to the next
        for nothing. Behind it that saves as much, but leaves more to do when the last row has
        arrived: there rows wait for the fused layer only where that is asked for.

        Args:
            cut: first layer on the edge server, 1-based.
        """
        if cut not in self._made:
            made = {**self.ready, **self._used(1, cut - 1)}
            if self.waits:
                used = self._used(cut, self.tau)
                for op in self.graph.operators(cut, self.tau):
                    made |= {out: used[out] for out in op.outputs if out in used}
            self._made[cut] = made
        return self._made[cut]

    @cached_property
    def _made(self) -> dict[int, Mapping[str, IntArray]]:
        return {}

    def _used(self, first: int, last: int) -> dict[str, IntArray]:
        """Of rows that are ready those of which layers can make what they hand on."""
        crossing = {name: self.ready[name] for name in self.graph.frontier(last)}
        return _stops_of(self.graph, first, last, crossing)

    @cached_property
    def stops(self) -> Mapping[str, IntArray]:
        """Row after the last one needed, by fused rows done ``0 … height`` (0 for none)."""
        edges = {name: self._edges(name) for name in self.graph.frontier(self.tau)}
        return _stops_of(self.graph, 1, self.tau, edges)

    @cached_property
    def done(self) -> IntArray:
        """Fused rows that can be done, by rows of the input released ``0 … input height``."""
        by_map = [
            np.searchsorted(self._edges(name), self.ready[name], side="right") - 1
            for name in self.graph.frontier(self.tau)
        ]
        return _reduce(np.minimum, by_map)

    def _edges(self, name: str) -> IntArray:
        """Rows of a map of the fused layer that go with its first ``0 … height`` rows."""
        if (size := self.graph.tensors[name].size(0)) not in self._edges_of_size:
            rows = np.arange(self.height + 1, dtype=np.int64)
            self._edges_of_size[size] = rows * size // self.height
        return self._edges_of_size[size]

    @cached_property
    def _edges_of_size(self) -> dict[int, IntArray]:
        return {}

    @property
    def fresh(self) -> Resume:
        """A segment that goes on from no other."""
        return Resume(0, self.tau + 1)

    def resumes(self, cuts: Sequence[int], ranges: Sequence[tuple[int, int]]) -> tuple[Resume, ...]:
        """For each segment, where it goes on.

        Right below a segment that is on the edge server all layers that it computes for both, and
        on the device all layers that it computes for both, as long as the rows that layers behind
        them read again have been made there. Anywhere else there is nothing to go on from.

        Args:
            cuts: of the segments.
            ranges: fused rows of the segments, half-open.
        """
        found = [self.fresh]
        for at in range(1, len(cuts)):
            if ranges[at - 1][1] != ranges[at][0]:
                found.append(self.fresh)
                continue
            device, edge = min(cuts[at - 1 : at + 1]) - 1, max(cuts[at - 1 : at + 1])
            if not self._were_made(device, edge, found, ranges[: at + 1]):
                # What the segment above has not made, it has perhaps found from the one before.
                device = min(found[-1].device, device)
                if not self._were_made(device, edge, found, ranges[: at + 1]):
                    device = 0
            found.append(Resume(device, edge))
        return tuple(found)

    def _were_made(
        self,
        device: int,
        edge: int,
        above: Sequence[Resume],
        ranges: Sequence[tuple[int, int]],
    ) -> bool:
        """Whether the device has made all that a segment reads of layers that it goes on with.

        Args:
            device: of the segment.
            edge: likewise.
            above: where the segments before it go on.
            ranges: fused rows of those, and of the segment.
        """
        for name in self.graph.frontier(device):
            if name not in self._made_in:
                continue  # the input, all of which is there
            at = len(above) - 1
            while self._made_in[name] <= above[at].device:
                at -= 1
            made = self.begins(above[at].edge)[name][ranges[at][0]]
            if self.begins(edge)[name][ranges[-1][0]] < made:
                return False
        return True

    @cached_property
    def _made_in(self) -> Mapping[str, int]:
        """The layer (1-based) that makes a map."""
        return {
            out: layer.index
            for layer in self.graph.layers[: self.tau]
            for op in layer.operators
            for out in op.outputs
        }

    def is_continued(self, tensor: str, resume: Resume) -> bool:
        """Whether the device goes on with a map at its next row.

        Of what paths begin with there is no next row where layers behind read it afresh.
        """
        if tensor in self._made_in:
            return self._made_in[tensor] <= resume.device
        return resume.device > 0 and tensor not in self.graph.frontier(resume.device)

    def begins(self, resume: int) -> Mapping[str, IntArray]:
        """First new row of each map for a segment that begins at fused row ``0 … height − 1``.

        Args:
            resume: layer (1-based) from which the edge server goes on where it stands, with all
                rows that the fused rows above have needed; ``tau + 1`` begins afresh.
        """
        if resume not in self._begins:
            self._begins[resume] = self._begin_at(resume)
        return self._begins[resume]

    @cached_property
    def _begins(self) -> dict[int, Mapping[str, IntArray]]:
        return {}

    def _begin_at(self, resume: int) -> Mapping[str, IntArray]:
        """Layers from ``resume`` on begin at their next row; walk back from there below it."""
        graph, stops = self.graph, self.stops
        fresh = resume == self.tau + 1
        begins: dict[str, IntArray] = {}
        for name in graph.frontier(resume - 1):
            known = self._edges(name) if fresh else stops[name]
            begins[name] = known[:-1]
        for op in reversed(graph.operators(1, resume - 1)):
            made = [begins[out] for out in op.outputs if out in begins]
            if not made:
                continue
            begin = _reduce(np.minimum, made)
            for out in op.outputs:
                begins[out] = begin
            last = stops[op.outputs[0]][-1]
            for name in op.inputs:
                row = begin
                shifts = _shifts_rows(op)
                if shifts or stops[name][-1] != last:
                    if shifts:
                        size = graph.tensors[name].size(0)
                        row = np.clip(first_read(op.rows, begin), 0, size - 1)
                    row = np.minimum(row, stops[name][-1])
                    row[begin >= last] = stops[name][-1]
                begins[name] = _reduce(np.minimum, [row, begins[name]]) if name in begins else row
        for op in graph.operators(resume, self.tau):
            for name in op.outputs:
                begins[name] = stops[name][:-1]
        return begins


def strip_rows(graph: ModelGraph, tau: int) -> StripRows:
    """The same from the end of the maps at which the first fused row is done sooner.

    That is the top, but where it needs fewer rows of the input at the bottom.

    Raises:
        GeometryError: the fused layer cannot be cut into strips.
        UnsupportedOperatorError: a layer up to it cannot be tiled.
    """
    down, mirrored = StripRows(graph, tau), graph.mirrored
    if mirrored is None or not _leans(graph, mirrored, tau):
        return down
    up = StripRows(mirrored, tau)
    return up if up.stops[graph.source][1] < down.stops[graph.source][1] else down


def _leans(graph: ModelGraph, mirrored: ModelGraph, tau: int) -> bool:
    """Whether a window is padded by less at the top of its map than at the bottom."""
    pairs = zip(graph.operators(1, tau), mirrored.operators(1, tau), strict=True)
    return any(
        isinstance(op.rows, Window)
        and isinstance(other.rows, Window)
        and op.rows.pad_begin < other.rows.pad_begin
        for op, other in pairs
    )


def ready_rows(graph: ModelGraph, last: int) -> dict[str, IntArray]:
    """Rows of each map of layers ``1 … last`` that can be made, by rows of the input released.

    Of several maps that the layers begin with those are meant of the tallest; the others are
    released in proportion.
    """
    tallest = graph.tensors[graph.source].size(0)
    released = np.arange(tallest + 1, dtype=np.int64)
    ready: dict[str, IntArray] = {
        name: released * graph.tensors[name].size(0) // tallest for name in graph.entry
    }
    for op in graph.operators(1, last):
        rows = _reduce(np.minimum, [ready[name] for name in op.inputs])
        if _shifts_rows(op):
            size = graph.tensors[op.inputs[0]].size(0)
            outputs = np.arange(graph.tensors[op.outputs[0]].size(0), dtype=np.int64)
            # At least one row even to pad: with none at all nothing can be made.
            stops = np.clip(stop_read(op.rows, outputs), 1, size)
            rows = np.searchsorted(stops, rows, side="right")
        for out in op.outputs:
            ready[out] = rows
    return ready


def _stops_of(
    graph: ModelGraph, first: int, last: int, handed_on: Mapping[str, IntArray]
) -> dict[str, IntArray]:
    """Row after the last one needed of every map, for rows that layers ``first … last`` hand on.

    Args:
        graph: network.
        first: layer, 1-based.
        last: likewise.
        handed_on: row after the last one wanted of every map behind them, 0 for none.
    """
    stops = {**handed_on}
    for op in reversed(graph.operators(first, last)):
        wanted = [stops[out] for out in op.outputs if out in stops]
        if not wanted:
            continue
        stop = _reduce(np.maximum, wanted)
        for out in op.outputs:
            stops[out] = stop
        for name in op.inputs:
            row = stop
            if _shifts_rows(op):
                size = graph.tensors[name].size(0)
                row = np.where(stop > 0, np.clip(stop_read(op.rows, stop - 1), 1, size), 0)
            stops[name] = _reduce(np.maximum, [row, stops[name]]) if name in stops else row
    return stops


def _shifts_rows(op: Operator) -> bool:
    """Whether the rows that an operator makes have other numbers than those that it reads."""
    return op.kind is Kind.WINDOW and op.rows != POINT


def _reduce(pick: np.ufunc, several: Sequence[IntArray]) -> IntArray:
    """The least (largest) of each; the very array where all are one, as in most of a network."""
    first, *others = several
    for other in others:
        if other is not first:
            first = pick(first, other)
    return first


def _check_window(graph: ModelGraph, op: Operator, window: Window) -> None:
    """Raise where a strip could not state an operator's padding of its own."""
    size = graph.tensors[op.inputs[0]].size(0)
    last = (graph.tensors[op.outputs[0]].size(0) - 1) * window.stride - window.pad_begin
    if window.pad_begin >= window.extent or last >= size:
        raise GeometryError(f"'{op.name}' makes rows from padding alone, which strips cannot")
    if op.op_type == "AveragePool" and last + window.extent - size > window.pad_end:
        raise GeometryError(
            f"'{op.name}' averages over a part of a window that ceil_mode adds, which strips cannot"
        )
    if op.op_type == "MaxPool" and last + window.extent - size >= window.kernel:
        raise GeometryError(
            f"'{op.name}' has a last window with more beside the map than a strip may pad"
        )
