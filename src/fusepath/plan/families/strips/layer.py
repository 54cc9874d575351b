"""What strips of one fused layer take on every machine, and how long strips take in turn."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost import ALL_LAYERS
from fusepath.errors import GeometryError
from fusepath.plan.families.before_tail import fronts
from fusepath.plan.families.quick_bounds import WEIGHTS
from fusepath.plan.limits.memory import weight_bytes
from fusepath.plan.limits.usage import StripUsage
from fusepath.plan.recipe import TailPlace
from fusepath.plan.timing import AddedRows
from fusepath.tiling import Strips, strip_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusepath.arrays import BoolArray, FloatArray, IntArray
    from fusepath.cost import AlikeMaps, StripPrices
    from fusepath.plan.limits.constraints import Constraints
    from fusepath.plan.timing import StripTiming, Timing
    from fusepath.schedule.budget import Meter
    from fusepath.tiling import Resume, Segment, StripRows


_LAYER_EVALUATIONS = 40
"""What the costs of a fused layer are worth, by layer of the network before it."""
_MARKS = 32
"""Strips into which the first search cuts the input."""
_LAST_ROWS = 6
"""Steps in which the first search does the last fused rows of a segment."""
DEVICE, UPLINK, EDGE = range(3)
"""What strips pass, in order; the way back is the fourth."""
_USUAL_STRIPS = 8
"""Strips whose fixed costs the first search reckons with; how many there are comes later."""


@dataclass(frozen=True)
class Layer:
    """One fused layer: what strips of it cost."""

    timing: StripTiming
    counts: StripPrices
    """MACs and bytes."""
    constraints: Constraints
    """What its strips must keep to."""
    tail: TailPlace = TailPlace.EDGE

    @property
    def key(self) -> tuple[int, TailPlace]:
        """Its number and where the tail runs: no other one has these."""
        return self.rows.tau, self.tail

    @property
    def rows(self) -> StripRows:
        """Which rows of every map strips need."""
        return self.timing.rows

    @property
    def height(self) -> int:
        """Fused rows."""
        return self.rows.height

    @property
    def maps(self) -> int:
        """Number of maps whose rows are counted."""
        return len(self.timing.costs.maps)

    @property
    def after_s(self) -> float:
        """What comes after all strips: the tail and what returns behind it, or the other way."""
        return self.timing.tail_s + self.timing.down_s + self.timing.finish_s

    @cached_property
    def pair_bounds_s(self) -> FloatArray:
        """What two segments with these cuts cannot beat; shape (cuts, cuts)."""
        loads = self.timing.loads_s
        if not self.timing.setting.convention.shared_link:
            loads = loads[[DEVICE, EDGE]]
        return _pair_bounds(loads) + self.after_s

    def fixed_s(self, cuts: Sequence[int]) -> float:
        """What a usual number of strips costs on the machine where it costs most."""
        by_machine = np.sum([self.timing.fixed_s(cut) for cut in cuts], axis=0)
        return _USUAL_STRIPS * float(by_machine.max()) / len(cuts)

    @cached_property
    def waiting(self) -> Layer | None:
        """The same with an edge server that waits, where that makes its strips cheaper."""
        waiting = self.timing.waiting
        return None if waiting is None else replace(self, timing=waiting)

    def rows_of(self, begin: IntArray | None, stop: IntArray, edge: int | None) -> AddedRows:
        """Rows that every strip of a segment adds, for many choices of its ends at once.

        Strips release the input evenly, all but the last row, and then do fused rows one by one.

        Args:
            begin: first fused rows, one per choice; None begins at the top.
            stop: fused rows behind the last, one per choice, or one for all.
            edge: layer from which the segment goes on there; None for the first one.
        """
        if edge is None:
            return AddedRows(self._added(begin, stop, self.rows.tau + 1))
        return AddedRows(self._added(begin, stop, edge), self._added(begin, stop, ALL_LAYERS))

    def _added(
        self, begin: IntArray | None, stop: IntArray, resume: int
    ) -> tuple[AlikeMaps, IntArray]:
        """Maps taken together, and rows added; shape (groups of maps, choices, strips)."""
        alike = self.timing.costs.alike(resume)
        source = self.rows.stops[self.rows.graph.source]
        graph = self.rows.graph
        releases = spread(graph.tensors[graph.source].size(0), _MARKS)
        released = np.minimum(releases[None, :], np.maximum(source[stop] - 1, 0)[:, None])
        step = -(-self.height // _MARKS)
        done = np.maximum(stop[:, None] - step * np.arange(_LAST_ROWS, -1, -1), 0)
        made = alike.made[:, released]
        upto = np.concatenate([made, np.maximum(alike.stops[:, done], made[:, :, -1:])], axis=-1)
        upto = np.minimum(upto, alike.stops[:, stop][:, :, None])
        if begin is not None:
            upto = np.maximum(upto, self._first_rows(alike, begin)[:, :, None])
        return alike, np.diff(upto, axis=-1)

    def chained_s(self, strips: Sequence[FloatArray]) -> FloatArray:
        """Seconds until all strips of several segments are done, by choice."""
        shared_link = self.timing.setting.convention.shared_link
        return chain(np.concatenate(strips, axis=-1), shared_link=shared_link)

    def _first_rows(self, alike: AlikeMaps, begin: IntArray) -> IntArray:
        """First new row of segments that begin at some fused rows, by group of maps."""
        inside = np.minimum(begin, self.height - 1)
        first: IntArray = np.where(
            begin < self.height, alike.begins[:, inside], alike.stops[:, -1:]
        )
        return first

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
        self, segments: Sequence[tuple[int, IntArray | None, IntArray, Resume]]
    ) -> BoolArray:
        """Which choices compute and send no more than the constraints allow.

        However many strips a segment is cut into, they add up to the same rows.

        Args:
            segments: cut, begin and stop as of `rows_of`, and where it goes on, for each segment.
        """
        macs, sent_bytes = np.zeros((2, len(segments[0][2])))
        for cut, begin, stop, resume in segments:
            per_row = self.counts.per_row[:2, cut - 1].copy()
            per_row[0] -= self.counts.computed[resume.device]
            more = self._all_rows(begin, stop, resume.edge, per_row)
            macs, sent_bytes = macs + more[0], sent_bytes + more[1]
            if resume.device:
                per_row = self.counts.computed[resume.device]
                macs = macs + self._all_rows(begin, stop, ALL_LAYERS, per_row)
        limits = self.constraints
        keeps = np.ones(len(macs), dtype=bool)
        if limits.device_macs is not None:
            keeps &= macs <= limits.device_macs
        if limits.upload_bytes is not None:
            keeps &= sent_bytes <= limits.upload_bytes
        return keeps

    def _all_rows(
        self, begin: IntArray | None, stop: IntArray, resume: int, per_row: FloatArray
    ) -> FloatArray:
        """What all rows of segments count by what a row of every map does; shape (…, choices)."""
        alike = self.timing.costs.alike(resume)
        rows = alike.stops[:, stop]
        if begin is not None:
            rows = np.maximum(rows - self._first_rows(alike, begin), 0)
        total: FloatArray = alike.total(per_row) @ rows
        return total

    def arranged(self, segments: tuple[Segment, ...]) -> Strips:
        """Segments as an arrangement of the network."""
        rows = self.rows
        return Strips(tau=rows.tau, segments=segments, upward=rows.graph.upward, waits=rows.waits)

    def excess(self, segments: tuple[Segment, ...]) -> float:
        """By how much segments exceed the constraints, relative to these; 0 if they do not."""
        if not self.constraints:
            return 0.0
        arrangement = self.arranged(segments)
        demand = StripUsage(self.timing.setting.graph, self.timing.setting.convention, arrangement)
        over = sum(item.excess for item in self.constraints.shortfalls(demand))
        most = self.constraints.max_paths
        return over + (0.0 if most is None else max(arrangement.paths / most - 1, 0.0))


def layers_of(
    timing: Timing, tau: int | None, constraints: Constraints, meter: Meter
) -> Iterator[Layer]:
    """Fused layers that can be cut into strips, the most promising first, as the budget goes.

    Or the one that is asked for. The tail runs on the edge server.

    Raises:
        GeometryError: the one that is asked for cannot.
    """
    first = max(constraints.keep_on_device, 1)  # what follows the fused layer runs on the edge
    taus = range(first, timing.setting.graph.tileable_layers + 1)
    for at in [tau] if tau is not None else _by_promise(timing, taus):
        if meter.is_over:
            return
        meter.spend(_LAYER_EVALUATIONS * at)
        try:
            strips = timing.strips(strip_rows(timing.setting.graph, at))
        except GeometryError:
            if tau is not None:
                raise
            continue
        yield Layer(strips, timing.prices.counts.strips, constraints)


def layers_before_tail(
    timing: Timing, tau: int | None, constraints: Constraints, meter: Meter, within_s: float
) -> Iterator[Layer]:
    """The same with the tail on the device, of fused layers that may take no longer than so."""
    for front in fronts(timing, tau, constraints, within_s):
        if meter.is_over:
            return
        meter.spend(_LAYER_EVALUATIONS * front.tau)
        try:
            strips = front.timing.strips(strip_rows(front.timing.setting.graph, front.tau))
        except GeometryError:
            continue
        counts = front.timing.prices.counts.strips
        yield Layer(strips, counts, front.constraints, TailPlace.DEVICE)


def _by_promise(timing: Timing, taus: Sequence[int]) -> list[int]:
    """Fused layers in the order of a bound that needs none of their costs, on whole maps."""
    problem = timing.whole_problem()
    times = np.stack([problem.device_ns[0], problem.link_ns[0], problem.edge_ns[0]])
    promised: dict[int, float] = {}
    for tau in taus:
        loads = times[:, : tau + 1].astype(np.float64)
        behind_ns = times[2, tau]
        loads[2] -= behind_ns
        promised[tau] = float((WEIGHTS @ loads).min(axis=1).max()) + float(behind_ns)
    return sorted(taus, key=lambda tau: promised[tau])


def makespan_of(layer: Layer, segments: Sequence[Segment]) -> float:
    """Seconds that given segments take, without the delay of the link on the way there."""
    shared_link = layer.timing.setting.convention.shared_link
    last = chain(layer.timing.durations(segments), shared_link=shared_link)
    return float(last) + layer.after_s


def chain(durations: FloatArray, *, shared_link: bool) -> FloatArray:
    """When strips that pass the machines in order are through with all of them.

    ``end_i = max(end_{i−1}, arrived_i) + duration_i`` in closed form, for each machine in turn; on
    links of their own, there and back, ``end_i = arrived_i + duration_i``.
    """
    ends = np.cumsum(durations[DEVICE], axis=-1)
    for machine in range(UPLINK, len(durations)):
        if machine != EDGE and not shared_link:
            ends = ends + durations[machine]
            continue
        work = np.cumsum(durations[machine], axis=-1)
        ends = work + np.maximum.accumulate(ends - (work - durations[machine]), axis=-1)
    last: FloatArray = ends.max(axis=-1)
    return last


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


def spread(size: int, most: int) -> IntArray:
    """0, size and at most ``most − 1`` rows evenly between them."""
    step = -(-size // most)
    return np.append(np.arange(0, size, step, dtype=np.int64), size)
