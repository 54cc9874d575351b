"""Stream: rows in strips that reuse their halos, in one to three segments with cuts of their own.

A segment whose first layers run on the device and one that is sent raw complement each other: while
the link carries raw rows, the device computes; while the device's rows are on the wire, the edge
server works. Sizes, cuts, order and the fused layer are searched; strips are as many as their fixed
costs allow.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost import Cumulative, StripCosts, strip_costs, strip_s
from fusepath.errors import GeometryError
from fusepath.plan.offload import Segment
from fusepath.plan.problem import NS_PER_S, Problem
from fusepath.tiling import StripRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from fusepath.plan.setting import Setting

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

_COARSE_ROWS = 48
"""Rows of the fused layer are gathered into at most so many for the first search."""
_COARSE_ROWS_OF_THREE = 20
_SHORT_LIST = 6
_STRIP_COUNTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFound:
    """The best segments found, and how many arrangements were looked at."""

    tau: int
    segments: tuple[Segment, ...]
    makespan_s: float
    evaluated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    makespan_s: float
    tau: int
    cuts: tuple[int, ...]
    edges: tuple[int, ...]
    """Fused rows where segments end; the last is the height."""


@dataclass(frozen=True)
class _Layer:
    """One fused layer: what strips of it cost, as cumulative times by cut (0-based) and row."""

    setting: Setting
    rows: StripRows
    costs: StripCosts
    tail_s: float

    @property
    def height(self) -> int:
        return self.rows.height

    def reached(self, marks: IntArray) -> FloatArray:
        """Device, link and edge seconds up to some rows; shape (3, cuts, marks)."""
        return self._stack(self.costs.reached, marks)

    def begun(self, resume: int, marks: IntArray) -> FloatArray:
        """The same where a segment begins that resumes from a layer (1-based)."""
        return self._stack(self.costs.begun(resume), marks)

    def _stack(self, work: Cumulative, marks: IntArray) -> FloatArray:
        link_s = work.up_bytes[:, marks] / self.setting.link.up_bytes_per_s
        return np.stack([work.device_s[:, marks], link_s, work.edge_s[:, marks]])


def search_segments(
    setting: Setting, *, tau: int | None = None, beat_s: float = float("inf")
) -> StreamFound | None:
    """The best stream plan found; None if none beats ``beat_s``.

    Two cuts are searched for every fused layer, best bound first, and dropped when their bound
    cannot win: the larger of the machines' loads when rows are shared out freely between the two,
    without halos. Around the best few, a third segment is tried, then the numbers of strips.

    Args:
        setting: network, machines, link.
        tau: only this fused layer.
        beat_s: a makespan that is known to be possible without streaming.
    """
    layers = list(_layers(setting, tau))
    short: list[_Candidate] = []
    evaluated = 0
    best_s = beat_s
    for layer in layers:
        for candidate in _pairs(layer, lambda: best_s):  # noqa: B023 - read at once
            evaluated += 1
            if candidate.makespan_s < best_s * 1.05:
                short.append(candidate)
                best_s = min(best_s, candidate.makespan_s)
    short = sorted(short, key=lambda item: item.makespan_s)[:_SHORT_LIST]
    by_tau = {layer.rows.tau: layer for layer in layers}
    for candidate in tuple(short[:3]):
        triples = list(_with_third(by_tau[candidate.tau], candidate))
        evaluated += len(triples)
        short += [item for item in triples if item.makespan_s < candidate.makespan_s]
    short = sorted(short, key=lambda item: item.makespan_s)[:_SHORT_LIST]
    found = None
    for candidate in short:
        refined, tried = _refine(by_tau[candidate.tau], candidate)
        evaluated += tried
        if refined[0] < beat_s and (found is None or refined[0] < found.makespan_s):
            found = StreamFound(
                tau=candidate.tau, segments=refined[1], makespan_s=refined[0], evaluated=0
            )
    if found is None:
        return None
    return StreamFound(
        tau=found.tau,
        segments=found.segments,
        makespan_s=found.makespan_s,
        evaluated=evaluated,
    )


def strip_problem(setting: Setting, tau: int, segments: Sequence[Segment]) -> Problem:
    """The scheduling problem of given segments: one class per strip, one cut each.

    Strips must be scheduled segment by segment, each in order; its durations assume that.

    Raises:
        GeometryError: the fused layer cannot be cut into strips.
    """
    layer = _layer(setting, tau)
    durations, sent = _durations(layer, segments)
    return setting.assemble(
        class_of=tuple(range(durations.shape[1])),
        device_ns=_ns(durations[0])[:, None],
        link_ns=_ns(sent / setting.link.up_bytes_per_s)[:, None],
        edge_ns=_ns(durations[2])[:, None],
        tail_ns=round(layer.tail_s * NS_PER_S),
    )


def _layers(setting: Setting, tau: int | None) -> Iterator[_Layer]:
    taus = [tau] if tau is not None else range(1, setting.graph.tileable_layers + 1)
    for at in taus:
        try:
            yield _layer(setting, at)
        except GeometryError:
            if tau is not None:
                raise


def _layer(setting: Setting, tau: int) -> _Layer:
    rows = StripRows(setting.graph, tau)
    costs = strip_costs(
        rows, device=setting.device, edge=setting.edge, convention=setting.convention
    )
    return _Layer(setting, rows, costs, setting.tail_s(tau))


def _pairs(layer: _Layer, best_s: Callable[[], float]) -> Iterator[_Candidate]:
    """Two segments (one, where the other is empty): the best sizes of every pair of cuts."""
    marks = _marks(layer.height, _COARSE_ROWS)
    reached = layer.reached(marks)
    bounds_s = _pair_bounds(reached[:, :, -1]) + layer.tail_s
    count = len(marks) - 1
    sizes = np.arange(count + 1)  # marks that belong to the first segment
    segment = (np.arange(count)[None, :] >= sizes[:, None]).astype(np.int64)
    order = np.argsort(bounds_s, axis=None)
    for flat in order:
        first, second = divmod(int(flat), bounds_s.shape[1])
        if bounds_s[first, second] >= best_s():
            return
        begun = layer.begun(max(first, second) + 1, marks[:-1])
        times = _makespans(reached, [begun], np.array([first, second])[segment], segment)
        at = int(times.argmin())
        edges = (int(marks[at]), layer.height)
        yield _candidate(layer, float(times[at]), (first + 1, second + 1), edges)


def _with_third(layer: _Layer, best: _Candidate) -> Iterator[_Candidate]:
    """A third segment with any cut, put anywhere into the order of two."""
    marks = _marks(layer.height, _COARSE_ROWS_OF_THREE)
    reached = layer.reached(marks)
    count = len(marks) - 1
    sizes = np.array(list(itertools.combinations_with_replacement(range(count + 1), 2)))
    rows = np.arange(count)[None, :]
    segment = (rows >= sizes[:, :1]).astype(np.int64) + (rows >= sizes[:, 1:])
    two = best.cuts if len(best.cuts) == 2 else (best.cuts[0], best.cuts[0])
    for cut in range(1, layer.rows.tau + 2):
        for at in range(3):
            cuts = (*two[:at], cut, *two[at:])
            begun = [layer.begun(max(pair), marks[:-1]) for pair in itertools.pairwise(cuts)]
            times = _makespans(reached, begun, (np.array(cuts) - 1)[segment], segment)
            least = int(times.argmin())
            edges = (int(marks[sizes[least, 0]]), int(marks[sizes[least, 1]]), layer.height)
            yield _candidate(layer, float(times[least]), cuts, edges)


def _candidate(
    layer: _Layer, time_s: float, cuts: tuple[int, ...], edges: tuple[int, ...]
) -> _Candidate:
    """Without its empty segments, and with neighbours of the same cut joined."""
    kept_cuts: list[int] = []
    kept_edges: list[int] = []
    start = 0
    for cut, edge in zip(cuts, edges, strict=True):
        if edge == start:
            continue
        if kept_cuts and kept_cuts[-1] == cut:
            kept_edges[-1] = edge
        else:
            kept_cuts.append(cut)
            kept_edges.append(edge)
        start = edge
    return _Candidate(
        makespan_s=time_s + layer.tail_s,
        tau=layer.rows.tau,
        cuts=tuple(kept_cuts),
        edges=tuple(kept_edges),
    )


def _refine(layer: _Layer, candidate: _Candidate) -> tuple[tuple[float, tuple[Segment, ...]], int]:
    """Numbers of strips and exact sizes, by improving one at a time, fixed costs included."""
    cuts = candidate.cuts
    edges = list(candidate.edges)
    counts = [min(8, size) for size in np.diff([0, *edges]).tolist()]
    tried = 0

    def value(edges: Sequence[int], counts: Sequence[int]) -> float:
        nonlocal tried
        tried += 1
        return _makespan_of(layer, _segments(cuts, edges, counts))

    best_s = value(edges, counts)
    improved = True
    while improved:
        improved = False
        for index in range(len(counts)):
            size = edges[index] - ([0, *edges][index])
            for count in _STRIP_COUNTS:
                if count > size:
                    break
                other = [*counts[:index], count, *counts[index + 1 :]]
                if (time_s := value(edges, other)) < best_s * (1 - 1e-9):
                    best_s, counts, improved = time_s, other, True
        for index in range(len(edges) - 1):
            for step in (-8, -4, -2, -1, 1, 2, 4, 8):
                moved = [*edges[:index], edges[index] + step, *edges[index + 1 :]]
                sizes = np.diff([0, *moved])
                if sizes.min() < 1:
                    continue
                fitting = [min(c, int(s)) for c, s in zip(counts, sizes, strict=True)]
                if (time_s := value(moved, fitting)) < best_s * (1 - 1e-9):
                    best_s, edges, counts, improved = time_s, moved, fitting, True
    return (best_s, _segments(cuts, edges, counts)), tried


def _segments(
    cuts: Sequence[int], edges: Sequence[int], counts: Sequence[int]
) -> tuple[Segment, ...]:
    segments = []
    for cut, (start, stop), count in zip(
        cuts, itertools.pairwise([0, *edges]), counts, strict=True
    ):
        ends = tuple(start + (stop - start) * (i + 1) // count for i in range(count))
        segments.append(Segment(start=start, stop=stop, cut=cut, strips=ends))
    return tuple(segments)


def _makespan_of(layer: _Layer, segments: Sequence[Segment]) -> float:
    durations, sent = _durations(layer, segments)
    durations[1] = sent / layer.setting.link.up_bytes_per_s
    return float(_chain(durations)) + layer.tail_s


def _durations(layer: _Layer, segments: Sequence[Segment]) -> tuple[FloatArray, FloatArray]:
    """Seconds of every strip (device, 0, edge) with fixed costs, and bytes of every strip."""
    costs, setting = layer.costs, layer.setting
    device: list[FloatArray] = []
    edge: list[FloatArray] = []
    sent: list[FloatArray] = []
    resume = layer.rows.tau + 1
    for segment, following in itertools.zip_longest(segments, segments[1:]):
        cut, ends = segment.cut - 1, list(segment.strips)
        reached, begun = costs.reached, costs.begun(resume)
        device_call_s = strip_s(setting.device, 1, segment.cut - 1)
        edge_call_s = strip_s(setting.edge, segment.cut, layer.rows.tau)
        for upto, begin, call_s, into in (
            (reached.device_s, begun.device_s, device_call_s, device),
            (reached.edge_s, begun.edge_s, edge_call_s, edge),
            (reached.up_bytes, begun.up_bytes, 0.0, sent),
        ):
            before = np.concatenate([[begin[cut, segment.start]], upto[cut, ends[:-1]]])
            into.append(np.maximum(upto[cut, ends] - before, 0.0) + call_s)
        if following is not None:
            resume = _resume(layer.rows.tau, segment, following)
    device_s, edge_s = np.concatenate(device), np.concatenate(edge)
    return np.stack([device_s, np.zeros_like(device_s), edge_s]), np.concatenate(sent)


def _resume(tau: int, above: Segment, below: Segment) -> int:
    """Layer from which a segment goes on where the one before it has ended."""
    return max(above.cut, below.cut) if above.stop == below.start else tau + 1


def _makespans(
    reached: FloatArray, begun: Sequence[FloatArray], cut: IntArray, segment: IntArray
) -> FloatArray:
    """Ends of many arrangements at once, a strip per mark, without fixed costs.

    Args:
        reached: (3, cuts, marks).
        begun: for every segment but the first, (3, cuts, marks − 1).
        cut: (arrangements, marks − 1), 0-based cut of every strip.
        segment: (arrangements, marks − 1), which segment each strip belongs to.
    """
    strip = np.arange(cut.shape[1])[None, :]
    before = reached[:, cut, strip]
    before[:, :, 0] = 0.0
    for index, begin in enumerate(begun, start=1):
        opens = segment == index
        opens[:, 1:] &= segment[:, :-1] != index
        opens[:, 0] = False  # nothing has been done before the first row
        before = np.where(opens, begin[:, cut, strip], before)
    return _chain(np.maximum(reached[:, cut, strip + 1] - before, 0.0))


def _chain(durations: FloatArray) -> FloatArray:
    """When the edge server is through with strips that pass three machines in order.

    ``end_i = max(end_{i−1}, arrived_i) + duration_i`` in closed form, for each machine in turn.
    """
    ends = np.cumsum(durations[0], axis=-1)
    for machine in (1, 2):
        work = np.cumsum(durations[machine], axis=-1)
        ends = work + np.maximum.accumulate(ends - (work - durations[machine]), axis=-1)
    return ends[..., -1]


def _pair_bounds(loads: FloatArray) -> FloatArray:
    """For every pair of cuts, the least largest load when work is shared out freely.

    ``min over x of max over machines of x·a + (1 − x)·b`` is reached at an end or where two of the
    three lines cross. Halos and the beginning and end of the pipeline come on top of it.
    """
    first, second = loads[:, :, None], loads[:, None, :]
    slope = first - second
    shares = [np.zeros(slope.shape[1:]), np.ones(slope.shape[1:])]
    for one, other in itertools.combinations(range(3), 2):
        steepness = slope[one] - slope[other]
        gap = np.broadcast_to(second[other] - second[one], steepness.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(steepness != 0, gap / steepness, 0.0)
        shares.append(np.clip(share, 0.0, 1.0))
    values = [(share * first + (1 - share) * second).max(axis=0) for share in shares]
    least: FloatArray = np.minimum.reduce(values)
    return least


def _marks(height: int, most: int) -> IntArray:
    step = -(-height // most)
    return np.append(np.arange(0, height, step, dtype=np.int64), height)


def _ns(seconds: FloatArray) -> IntArray:
    return np.rint(seconds * NS_PER_S).astype(np.int64)
