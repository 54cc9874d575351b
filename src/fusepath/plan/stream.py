"""Stream: rows in strips that reuse their halos, in one to three segments with cuts of their own.

A segment whose first layers run on the device and one that is sent raw complement each other: while
the link carries raw rows, the device computes; while the device's rows are on the wire, the edge
server works. Sizes, cuts, order and the fused layer are searched; strips are as many as their fixed
costs allow.
"""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost import StripCosts, strip_costs
from fusepath.errors import GeometryError, InfeasibleError, InputError
from fusepath.plan.found import Found, ranked
from fusepath.plan.limits.constraints import NO_CONSTRAINTS
from fusepath.plan.limits.demand import StripsDemand
from fusepath.plan.limits.memory import weight_bytes
from fusepath.plan.offload import Segment
from fusepath.plan.problem import Problem, nanoseconds, ns
from fusepath.plan.schedule import evaluate
from fusepath.tiling import Grid, StripRows, resume_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from fusepath.plan.found import Search
    from fusepath.plan.limits.constraints import Constraints
    from fusepath.plan.setting import Setting

    BoolArray = NDArray[np.bool_]
    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

_EDGES = 24
"""Places where the first search may end a segment."""
_MARKS = 32
"""Strips into which the first search cuts the input."""
_LAST_ROWS = 6
"""Steps in which the first search does the last fused rows of a segment."""
_EDGES_OF_THREE = 12
_SHORT_LIST = 16
_WORTH_REFINING = 1.15
_MEMORY_LIMIT_S = 5.0
_STEPS = (-8, -4, -2, -1, 1, 2, 4, 8)
"""Fused rows by which the end of a segment is moved."""
_SHORT_STEPS = (-2, -1, 1, 2)
_USUAL_STRIPS = 8
"""Strips whose fixed costs the first search reckons with; how many there are comes later."""
_STRIP_COUNTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    makespan_s: float
    tau: int
    cuts: tuple[int, ...]
    edges: tuple[int, ...]
    """Fused rows where segments end; the last is the height."""


@dataclass(frozen=True)
class _Layer:
    """One fused layer: what strips of it cost."""

    setting: Setting
    constraints: Constraints
    rows: StripRows
    costs: StripCosts
    tail_s: float
    down_s: float
    """What returns after all strips."""

    @property
    def height(self) -> int:
        return self.rows.height

    @cached_property
    def per_row_s(self) -> FloatArray:
        """Seconds per row of every map, by machine; shape (machines, cuts, maps)."""
        return self.seconds_of(self.costs.per_row)

    def seconds_of(self, costs: FloatArray) -> FloatArray:
        """Costs of `StripCosts` in seconds on device, link, edge and, for parts, the way back."""
        machines = 4 if self.returns_parts else 3
        seconds = costs[:machines].copy()
        seconds[1] /= self.setting.link.up_bytes_per_s
        seconds[3:] /= self.setting.link.down_bytes_per_s
        return seconds

    @property
    def returns_parts(self) -> bool:
        """Whether every strip returns its rows of the result, and that takes time."""
        return self.rows.makes_outputs and self.setting.convention.counts_result

    @cached_property
    def loads_s(self) -> FloatArray:
        """Seconds of the whole prefix by machine and cut; shape (machines, cuts)."""
        return self.per_row_s @ self.costs.stops[:, -1]

    @cached_property
    def pair_bounds_s(self) -> FloatArray:
        """What two segments with these cuts cannot beat; shape (cuts, cuts)."""
        return _pair_bounds(self.loads_s) + self.tail_s + self.down_s

    def fixed_s(self, cuts: Sequence[int]) -> float:
        """What a usual number of strips costs on the machine where it costs most."""
        setting, tau = self.setting, self.rows.tau
        link = setting.link
        device_s = sum(link.message_device_s + setting.device.strip_s(1, cut - 1) for cut in cuts)
        link_s = len(cuts) * link.message_bytes / link.up_bytes_per_s
        edge_s = sum(link.message_edge_s + setting.edge.strip_s(cut, tau) for cut in cuts)
        return _USUAL_STRIPS * max(device_s, link_s, edge_s) / len(cuts)

    def strips_of(
        self, cut: int, begin: IntArray | None, stop: IntArray, resume: int | None
    ) -> FloatArray:
        """Seconds of every strip of a segment, for many choices of its ends at once.

        Strips release the input evenly, all but the last row, and then do fused rows one by one.

        Args:
            cut: 1-based.
            begin: first fused rows, one per choice; None begins at the top.
            stop: fused rows behind the last, one per choice.
            resume: layer from which the segment goes on; None for the first one.

        Returns:
            Shape (machines, choices, strips).
        """
        ready, stops = self.costs.ready, self.costs.stops
        source = self.rows.stops[self.rows.graph.input.name]
        releases = _spread(self.rows.graph.input.size(0), _MARKS)
        released = np.minimum(releases[None, :], np.maximum(source[stop] - 1, 0)[:, None])
        step = -(-self.height // _MARKS)
        done = np.maximum(stop[:, None] - step * np.arange(_LAST_ROWS, -1, -1), 0)
        last = ready[:, released[:, -1]][:, :, None]
        upto = np.concatenate([ready[:, released], np.maximum(stops[:, done], last)], axis=-1)
        upto = np.minimum(upto, stops[:, stop][:, :, None])
        if begin is not None and resume is not None:
            inside = np.minimum(begin, self.height - 1)
            first = np.where(
                begin < self.height, self.costs.begins(resume)[:, inside], stops[:, -1:]
            )
            upto = np.maximum(upto, first[:, :, None])
        work: FloatArray = np.tensordot(self.per_row_s[:, cut - 1], upto, axes=1)
        return np.diff(work, axis=-1)

    @cached_property
    def counts_per_row(self) -> FloatArray:
        """Device MACs and bytes per row of every map; shape (2; cuts; maps)."""
        counting = self.setting.counting
        costs = strip_costs(
            self.rows,
            device=counting.device,
            edge=counting.edge,
            convention=counting.convention,
        )
        return costs.per_row[:2]

    @cached_property
    def allowed_cuts(self) -> frozenset[int]:
        """Cuts that a segment may have as far as it alone is concerned."""
        graph, limit = self.rows.graph, self.constraints.device_memory_bytes
        return frozenset(
            cut
            for cut in range(1, self.rows.tau + 2)
            if self.constraints.allows_cut(graph, cut)
            and (limit is None or weight_bytes(graph, cut) <= limit)
        )

    def keep_to_totals(
        self, segments: Sequence[tuple[int, IntArray | None, IntArray, int | None]]
    ) -> BoolArray:
        """Which choices compute and send no more than the constraints allow.

        However many strips a segment is cut into, they add up to the same rows.

        Args:
            segments: cut, begin, stop and resume as of `strips_of`, for each segment.
        """
        macs, sent_bytes = np.zeros((2, len(segments[0][2])))
        stops = self.costs.stops
        for cut, begin, stop, resume in segments:
            rows = stops[:, stop]
            if begin is not None and resume is not None:
                inside = np.minimum(begin, self.height - 1)
                first = self.costs.begins(resume)[:, inside]
                rows = np.where(begin < self.height, np.maximum(rows - first, 0), 0)
            more = self.counts_per_row[:, cut - 1] @ rows
            macs, sent_bytes = macs + more[0], sent_bytes + more[1]
        limits = self.constraints
        keeps = np.ones(len(macs), dtype=bool)
        if limits.device_macs is not None:
            keeps &= macs <= limits.device_macs
        if limits.upload_bytes is not None:
            keeps &= sent_bytes <= limits.upload_bytes
        return keeps

    def excess(self, segments: tuple[Segment, ...]) -> float:
        """By how much segments exceed the constraints, relative to these; 0 if they do not."""
        if not self.constraints:
            return 0.0
        demand = StripsDemand(self.rows.graph, self.setting.convention, self.rows.tau, segments)
        over = sum(item.excess for item in self.constraints.shortfalls(demand))
        most = self.constraints.max_paths
        strips = sum(len(item.strips) for item in segments)
        return over + (0.0 if most is None else max(strips / most - 1, 0.0))


def search_stream(setting: Setting, search: Search) -> Found:
    """Strips of rows that reuse their halos, in one to three segments.

    Two cuts are searched for every fused layer, best bound first, and dropped when their bound
    cannot win: the larger of the machines' loads when rows are shared out freely between the two,
    without halos. Around the best few, a third segment is tried, then the numbers of strips. Of
    constraints, the first search knows what does not depend on the numbers of strips.

    When the time limit is over, the best of what has been tried is refined, and no more; once more
    as long, until something keeps to the constraints. Without one, the search takes as long as it
    takes, but for a limit on memory, which has one of its own.

    Raises:
        InputError: a grid was asked for.
        GeometryError: the fused layer that was asked for cannot be cut into strips.
        InfeasibleError: no fused layer can be cut into strips, or none of them was found to keep
            to the constraints.
    """
    if search.grid is not None:
        raise InputError("stream chooses its own strips: leave out --grid")
    constraints, time_limit_s = search.constraints, search.time_limit_s
    if time_limit_s is None:
        # How much memory strips take is slow to count.
        counts_memory = constraints.device_memory_bytes is not None
        time_limit_s = _MEMORY_LIMIT_S if counts_memory else math.inf
    until_s = time.perf_counter() + time_limit_s
    last_s = until_s + time_limit_s
    layers = sorted(
        _layers(setting, search.tau, constraints),
        key=lambda layer: float(layer.pair_bounds_s.min()),
    )
    by_tau = {layer.rows.tau: layer for layer in layers}
    short, evaluated = _short_list(by_tau, until_s)
    refined: list[_Refined] = []
    keeping: list[_Refined] = []
    for candidate in short:
        now_s = time.perf_counter()
        if refined and now_s >= (until_s if len(keeping) >= search.top else last_s):
            break
        result = _refine(by_tau[candidate.tau], candidate, until_s=last_s)
        refined.append(result)
        evaluated += result.tried
        if result.excess == 0:
            keeping.append(result)
    if not keeping:
        raise _nothing_keeps(setting, constraints, refined)
    keeping.sort(key=lambda item: item.makespan_s)
    found = (_found(by_tau[item.tau], item.segments, evaluated) for item in keeping[: search.top])
    return ranked(found, search.top)


def _short_list(layers: Mapping[int, _Layer], until_s: float) -> tuple[list[_Candidate], int]:
    """Candidates that are worth refining, and how many were looked at.

    Args:
        layers: by ``tau``, the most promising first.
        until_s: when to look at no more.
    """
    short: list[_Candidate] = []
    evaluated = 0
    best_s = math.inf
    for layer in layers.values():
        if short and time.perf_counter() >= until_s:
            break
        for candidate in _pairs(layer, lambda: best_s):  # noqa: B023 - read at once
            evaluated += 1
            if candidate.makespan_s < best_s * _WORTH_REFINING:
                short.append(candidate)
                best_s = min(best_s, candidate.makespan_s)
    short = _diverse(short)
    for candidate in tuple(short[:2]):
        if time.perf_counter() >= until_s:
            break
        triples = list(_with_third(layers[candidate.tau], candidate))
        evaluated += len(triples)
        better = [item for item in triples if item.makespan_s < candidate.makespan_s]
        short += sorted(better, key=lambda item: item.makespan_s)[:2]
    return short, evaluated


def _found(layer: _Layer, segments: tuple[Segment, ...], evaluated: int) -> Found:
    problem = _problem(layer, segments)
    return Found(
        tau=layer.rows.tau,
        grid=Grid(problem.paths, 1),
        schedule=evaluate(problem, range(problem.paths), [1] * problem.paths),
        lower_bound_ns=0,
        evaluated=evaluated,
        segments=segments,
    )


def _nothing_keeps(
    setting: Setting, constraints: Constraints, refined: Sequence[_Refined]
) -> InfeasibleError:
    if not constraints:
        return InfeasibleError("no fused layer can be cut into strips")
    message = "no strips were found that keep to the constraints"
    if not refined:
        return InfeasibleError(f"{message}; a single cut (nfl) may")
    closest = min(refined, key=lambda item: item.excess)
    demand = StripsDemand(setting.graph, setting.convention, closest.tau, closest.segments)
    needs = [str(item) for item in constraints.shortfalls(demand)]
    strips = sum(len(item.strips) for item in closest.segments)
    if not constraints.allows_paths(strips):
        needs.append(f"{strips} strips, but --max-paths allows {constraints.max_paths}")
    return InfeasibleError(
        f"{message}; the closest (tau {closest.tau}) needs {' and '.join(needs)}"
    )


def _diverse(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The best ones, but for every fused layer and number of segments only one.

    Fixed costs can turn the order of what the first search found; neighbours would all turn alike.
    """
    best: dict[tuple[int, int], _Candidate] = {}
    for candidate in sorted(candidates, key=lambda item: item.makespan_s):
        best.setdefault((candidate.tau, len(candidate.cuts)), candidate)
    return list(best.values())[:_SHORT_LIST]


def strip_problem(setting: Setting, tau: int, segments: Sequence[Segment]) -> Problem:
    """The scheduling problem of given segments: one class per strip, one cut each.

    Strips must be scheduled segment by segment, each in order; its durations assume that.

    Raises:
        GeometryError: the fused layer cannot be cut into strips.
    """
    return _problem(_layer(setting, tau, NO_CONSTRAINTS), segments)


def _problem(layer: _Layer, segments: Sequence[Segment]) -> Problem:
    times_ns = nanoseconds(_durations(layer, segments))
    return layer.setting.assemble(
        class_of=tuple(range(times_ns.shape[1])),
        device_ns=times_ns[0, :, None],
        link_ns=times_ns[1, :, None],
        edge_ns=times_ns[2, :, None],
        back_ns=times_ns[3, :, None] if layer.returns_parts else None,
        tail_ns=ns(layer.tail_s),
    )


def _layers(setting: Setting, tau: int | None, constraints: Constraints) -> Iterator[_Layer]:
    first = max(constraints.keep_on_device, 1)  # what follows the fused layer runs on the edge
    taus = [tau] if tau is not None else range(first, setting.graph.tileable_layers + 1)
    for at in taus:
        try:
            yield _layer(setting, at, constraints)
        except GeometryError:
            if tau is not None:
                raise


def _layer(setting: Setting, tau: int, constraints: Constraints) -> _Layer:
    rows = StripRows(setting.graph, tau)
    costs = strip_costs(
        rows,
        device=setting.device,
        edge=setting.edge,
        convention=setting.convention,
        compression=setting.compression,
    )
    down_s = setting.down_s(in_parts=rows.makes_outputs)
    return _Layer(setting, constraints, rows, costs, setting.tail_s(tau), down_s)


def _pairs(layer: _Layer, best_s: Callable[[], float]) -> Iterator[_Candidate]:
    """Two segments (one, where the other is empty): the best sizes of every pair of cuts."""
    edges = _spread(layer.height, _EDGES)
    bounds_s = layer.pair_bounds_s
    first: dict[int, FloatArray] = {}
    second: dict[tuple[int, int], FloatArray] = {}
    bottom = np.full_like(edges, layer.height)
    for flat in np.argsort(bounds_s, axis=None):
        above, below = (int(at) + 1 for at in divmod(int(flat), bounds_s.shape[1]))
        if bounds_s[above - 1, below - 1] >= best_s():
            return
        if not {above, below} <= layer.allowed_cuts:
            continue
        resume = max(above, below)
        if above not in first:
            first[above] = layer.strips_of(above, None, edges, None)
        if (below, resume) not in second:
            second[below, resume] = layer.strips_of(below, edges, bottom, resume)
        times = _chain(np.concatenate([first[above], second[below, resume]], axis=-1))
        if layer.constraints:
            segments = ((above, None, edges, None), (below, edges, bottom, resume))
            times = np.where(layer.keep_to_totals(segments), times, np.inf)
        at = int(times.argmin())
        if np.isinf(times[at]):
            continue
        yield _candidate(layer, float(times[at]), (above, below), (int(edges[at]), layer.height))


def _with_third(layer: _Layer, best: _Candidate) -> Iterator[_Candidate]:
    """A third segment with any cut, put anywhere into the order of two."""
    edges = _spread(layer.height, _EDGES_OF_THREE)
    pairs = np.array(list(itertools.combinations_with_replacement(edges, 2)))
    bottom = np.full(len(pairs), layer.height)
    two = best.cuts if len(best.cuts) == 2 else (best.cuts[0], best.cuts[0])
    for cut in sorted(layer.allowed_cuts):
        for at in range(3):
            cuts = (*two[:at], cut, *two[at:])
            segments = (
                (cuts[0], None, pairs[:, 0], None),
                (cuts[1], pairs[:, 0], pairs[:, 1], max(cuts[0], cuts[1])),
                (cuts[2], pairs[:, 1], bottom, max(cuts[1], cuts[2])),
            )
            strips = [layer.strips_of(*segment) for segment in segments]
            times = _chain(np.concatenate(strips, axis=-1))
            if layer.constraints:
                times = np.where(layer.keep_to_totals(segments), times, np.inf)
            least = int(times.argmin())
            if np.isinf(times[least]):
                continue
            first, second = (int(edge) for edge in pairs[least])
            yield _candidate(layer, float(times[least]), cuts, (first, second, layer.height))


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
        makespan_s=time_s + layer.tail_s + layer.down_s + layer.fixed_s(kept_cuts),
        tau=layer.rows.tau,
        cuts=tuple(kept_cuts),
        edges=tuple(kept_edges),
    )


_Counts = tuple[int, int]
"""Numbers of a segment's releases, and of its steps to the last row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refined:
    tau: int
    segments: tuple[Segment, ...]
    excess: float
    makespan_s: float
    tried: int


def _refine(layer: _Layer, candidate: _Candidate, *, until_s: float) -> _Refined:
    """Numbers of strips and exact sizes, fixed costs included: one at a time, then two.

    To exceed the constraints less is better than anything else.
    """
    cuts = candidate.cuts
    edges = list(candidate.edges)
    counts: list[_Counts] = [(8, 2)] * len(edges)
    tried = 0
    best: tuple[float, float] | None = None

    def improves(edges: Sequence[int], counts: Sequence[_Counts]) -> bool:
        nonlocal tried, best
        tried += 1
        segments = _segments(layer, cuts, edges, counts)
        time_s = _makespan_of(layer, segments)
        if best is not None and best[0] == 0 and not time_s < best[1] * (1 - 1e-6):
            return False
        excess = layer.excess(segments)
        if best is not None and (excess, time_s) >= (best[0], best[1] * (1 - 1e-6)):
            return False
        best = excess, time_s
        return True

    improved = improves(edges, counts)
    while improved and time.perf_counter() < until_s:
        improved = False
        for index in range(len(counts)):
            for other in _other_counts(counts, index):
                if improves(edges, other):
                    counts, improved = other, True
        for index in range(len(edges) - 1):
            for moved in _moved(edges, index, _STEPS):
                if improves(moved, counts):
                    edges, improved = moved, True
        if not improved:
            for moved, other in _both_changed(edges, counts):
                if improves(moved, other):
                    edges, counts, improved = moved, other, True
                    break
    assert best is not None  # the first try improves on nothing
    return _Refined(
        tau=candidate.tau,
        segments=_segments(layer, cuts, edges, counts),
        excess=best[0],
        makespan_s=best[1],
        tried=tried,
    )


def _other_counts(counts: Sequence[_Counts], index: int) -> Iterator[list[_Counts]]:
    """One segment with another number of releases, or of steps to the last row."""
    releases, rows = counts[index]
    pairs = [(count, rows) for count in (0, *_STRIP_COUNTS)]
    pairs += [(releases, count) for count in _STRIP_COUNTS]
    for pair in pairs:
        yield [*counts[:index], pair, *counts[index + 1 :]]


def _moved(edges: Sequence[int], index: int, steps: Sequence[int]) -> Iterator[list[int]]:
    """One segment with another end, as far as there is room."""
    for step in steps:
        moved = [*edges[:index], edges[index] + step, *edges[index + 1 :]]
        if np.diff([0, *moved]).min() >= 1:
            yield moved


def _both_changed(
    edges: Sequence[int], counts: Sequence[_Counts]
) -> Iterator[tuple[list[int], list[_Counts]]]:
    """One segment with another end and another number of strips.

    A longer segment may be better with more strips, and with those alone.
    """
    for index in range(len(edges) - 1):
        for moved in _moved(edges, index, _SHORT_STEPS):
            for other in _other_counts(counts, index):
                yield moved, other


def _segments(
    layer: _Layer,
    cuts: Sequence[int],
    edges: Sequence[int],
    counts: Sequence[_Counts],
) -> tuple[Segment, ...]:
    """Segments from their ends and, for each, numbers of releases and of steps to the last row."""
    source, fused = layer.rows.graph.input.name, layer.rows.graph.frontier(layer.rows.tau)[0]
    segments: list[Segment] = []
    ranges = list(itertools.pairwise([0, *edges]))
    resumes = resume_layers(layer.rows.tau, cuts, ranges)
    for cut, (start, stop), (releases, steps), resume in zip(
        cuts, ranges, counts, resumes, strict=True
    ):
        first = int(layer.rows.begins(resume)[source][start])
        last = int(layer.rows.stops[source][stop]) - 1
        evenly = {first + (last - first) * (i + 1) // releases for i in range(releases)}
        released = sorted(rows for rows in evenly if first < rows)
        most = released[-1] if released else 0
        done = min(max(int(layer.rows.ready[fused][most]), start), stop - 1)
        rows = sorted({done + (stop - done) * (i + 1) // steps for i in range(steps)} - {done})
        marks = [(item, 0) for item in released] + [(most, item) for item in rows]
        segments.append(Segment(start=start, stop=stop, cut=cut, strips=tuple(marks)))
    return tuple(segments)


def _makespan_of(layer: _Layer, segments: Sequence[Segment]) -> float:
    return float(_chain(_durations(layer, segments))) + layer.tail_s + layer.down_s


def _durations(layer: _Layer, segments: Sequence[Segment]) -> FloatArray:
    """Seconds of every strip by machine, fixed costs included; shape (machines, strips)."""
    setting, tau = layer.setting, layer.rows.tau
    parts = []
    resumes = resume_layers(
        tau, [item.cut for item in segments], [(item.start, item.stop) for item in segments]
    )
    for segment, resume in zip(segments, resumes, strict=True):
        costs = layer.costs.segment(
            segment.cut, segment.start, segment.stop, resume, segment.strips
        )
        # A strip that adds nothing on a machine costs nothing there.
        costs[0] += setting.device.strip_s(1, segment.cut - 1) * (costs[0] > 0)
        costs[2] += setting.edge.strip_s(segment.cut, tau) * (costs[2] > 0)
        parts.append(costs)
    costs = np.concatenate(parts, axis=1)
    seconds = layer.seconds_of(costs)
    messages = setting.link.messages(costs[1], costs[3] if layer.returns_parts else 0.0)
    seconds[0] += messages.device_s
    seconds[1] = messages.link_s
    seconds[2] += messages.edge_s + setting.link.receiving_s(costs[1])
    return seconds


def _chain(durations: FloatArray) -> FloatArray:
    """When the last machine is through with strips that pass all of them in order.

    ``end_i = max(end_{i−1}, arrived_i) + duration_i`` in closed form, for each machine in turn.
    """
    ends = np.cumsum(durations[0], axis=-1)
    for machine in range(1, len(durations)):
        work = np.cumsum(durations[machine], axis=-1)
        ends = work + np.maximum.accumulate(ends - (work - durations[machine]), axis=-1)
    return ends[..., -1]


def _pair_bounds(loads: FloatArray) -> FloatArray:
    """For every pair of cuts, the least largest load when work is shared out freely.

    ``min over x of max over machines of x·a + (1 − x)·b`` is reached at an end or where two of
    these lines cross. Halos and the beginning and end of the pipeline come on top of it.
    """
    first, second = loads[:, :, None], loads[:, None, :]
    slope = first - second
    shares = [np.zeros(slope.shape[1:]), np.ones(slope.shape[1:])]
    for one, other in itertools.combinations(range(len(loads)), 2):
        steepness = slope[one] - slope[other]
        gap = np.broadcast_to(second[other] - second[one], steepness.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(steepness != 0, gap / steepness, 0.0)
        shares.append(np.clip(share, 0.0, 1.0))
    values = [(share * first + (1 - share) * second).max(axis=0) for share in shares]
    least: FloatArray = np.minimum.reduce(values)
    return least


def _spread(size: int, most: int) -> IntArray:
    """0, size and at most ``most − 1`` rows evenly between them."""
    step = -(-size // most)
    return np.append(np.arange(0, size, step, dtype=np.int64), size)
