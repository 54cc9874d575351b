"""What strips of one fused layer take on every machine, and how long strips take in turn."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost import AlikeMaps, StripCosts, StripPrices, strip_prices
from fusepath.errors import GeometryError
from fusepath.plan.limits.constraints import NO_CONSTRAINTS
from fusepath.plan.limits.memory import weight_bytes
from fusepath.plan.limits.usage import StripUsage
from fusepath.schedule.problem import Problem, nanoseconds, ns
from fusepath.tiling import StripRows, resume_layers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusepath.arrays import BoolArray, FloatArray, IntArray
    from fusepath.plan.limits.constraints import Constraints
    from fusepath.plan.plan import Segment
    from fusepath.plan.setting import Setting


_MARKS = 32
"""Strips into which the first search cuts the input."""
_LAST_ROWS = 6
"""Steps in which the first search does the last fused rows of a segment."""
_USUAL_STRIPS = 8
"""Strips whose fixed costs the first search reckons with; how many there are comes later."""


@dataclass(frozen=True)
class Layer:
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
        """Fused rows."""
        return self.rows.height

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
        return self.seconds_of(self.costs.loads)

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

    def rows_of(
        self, begin: IntArray | None, stop: IntArray, resume: int | None
    ) -> tuple[AlikeMaps, IntArray]:
        """Rows that every strip of a segment adds, for many choices of its ends at once.

        Strips release the input evenly, all but the last row, and then do fused rows one by one.

        Args:
            begin: first fused rows, one per choice; None begins at the top.
            stop: fused rows behind the last, one per choice, or one for all.
            resume: layer from which the segment goes on; None for the first one.

        Returns:
            Shape (groups of maps, choices, strips).
        """
        alike = self.costs.alike(self.rows.tau + 1 if resume is None else resume)
        ready = self.costs.prices.ready
        kind = alike.ready_kind[:, None, None]
        source = self.rows.stops[self.rows.graph.input.name]
        releases = spread(self.rows.graph.input.size(0), _MARKS)
        released = np.minimum(releases[None, :], np.maximum(source[stop] - 1, 0)[:, None])
        step = -(-self.height // _MARKS)
        done = np.maximum(stop[:, None] - step * np.arange(_LAST_ROWS, -1, -1), 0)
        made = ready[kind, released]
        upto = np.concatenate([made, np.maximum(alike.stops[:, done], made[:, :, -1:])], axis=-1)
        upto = np.minimum(upto, alike.stops[:, stop][:, :, None])
        if begin is not None:
            upto = np.maximum(upto, self._first_rows(alike, begin)[:, :, None])
        return alike, np.diff(upto, axis=-1)

    def _first_rows(self, alike: AlikeMaps, begin: IntArray) -> IntArray:
        """First new row of segments that begin at some fused rows, by group of maps."""
        inside = np.minimum(begin, self.height - 1)
        first: IntArray = np.where(
            begin < self.height, alike.begins[:, inside], alike.stops[:, -1:]
        )
        return first

    def seconds_of_strips(self, cut: int, rows: tuple[AlikeMaps, IntArray]) -> FloatArray:
        """Seconds of strips that add these rows; shape (machines, choices, strips)."""
        alike, added = rows
        weights = alike.total(self.seconds_of(self.costs.of_cut(cut)))
        seconds = weights @ added.reshape(len(added), -1)
        return seconds.reshape(-1, *added.shape[1:])

    def costs_of(self, segment: Segment, resume: int) -> FloatArray:
        """What `StripCosts` counts, fixed costs included; shape (3 or 4, strips)."""
        if (segment, resume) not in self._met:
            costs = self.costs.segment(
                segment.cut, segment.start, segment.stop, resume, segment.strips
            )
            device, edge = self.setting.device, self.setting.edge
            # A strip that adds nothing on a machine costs nothing there.
            costs[0] += device.strip_s(1, segment.cut - 1) * (costs[0] > 0)
            costs[2] += edge.strip_s(segment.cut, self.rows.tau) * (costs[2] > 0)
            self._met[segment, resume] = costs
        return self._met[segment, resume]

    @cached_property
    def _met(self) -> dict[tuple[Segment, int], FloatArray]:
        """Segments are changed one at a time, and the others stay as they are."""
        return {}

    @cached_property
    def counts_per_row(self) -> FloatArray:
        """Device MACs and bytes per row of every map of the prefix; shape (2; cuts; maps)."""
        counting = self.setting.counting
        prices = strip_prices(
            self.rows.graph,
            device=counting.device,
            edge=counting.edge,
            convention=counting.convention,
        )
        return prices.per_row[:2]

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
            segments: cut, and begin, stop and resume as of `rows_of`, for each segment.
        """
        macs, sent_bytes = np.zeros((2, len(segments[0][2])))
        for cut, begin, stop, resume in segments:
            alike = self.costs.alike(self.rows.tau + 1 if resume is None else resume)
            rows = alike.stops[:, stop]
            if begin is not None:
                rows = np.maximum(rows - self._first_rows(alike, begin), 0)
            more = alike.total(self.counts_per_row[:, cut - 1]) @ rows
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
        demand = StripUsage(self.rows.graph, self.setting.convention, self.rows.tau, segments)
        over = sum(item.excess for item in self.constraints.shortfalls(demand))
        most = self.constraints.max_paths
        strips = sum(len(item.strips) for item in segments)
        return over + (0.0 if most is None else max(strips / most - 1, 0.0))


def layers_of(setting: Setting, tau: int | None, constraints: Constraints) -> Iterator[Layer]:
    """All fused layers that can be cut into strips, or the one that is asked for.

    Raises:
        GeometryError: the one that is asked for cannot.
    """
    first = max(constraints.keep_on_device, 1)  # what follows the fused layer runs on the edge
    taus = [tau] if tau is not None else range(first, setting.graph.tileable_layers + 1)
    prices: StripPrices | None = None
    for at in taus:
        try:
            rows = StripRows(setting.graph, at)
        except GeometryError:
            if tau is not None:
                raise
            continue
        prices = prices or _prices_of(setting)
        yield _layer_of(setting, prices.at(rows), constraints)


def layer_of(setting: Setting, tau: int, constraints: Constraints) -> Layer:
    """One fused layer.

    Raises:
        GeometryError: it cannot be cut into strips.
    """
    rows = StripRows(setting.graph, tau)
    return _layer_of(setting, _prices_of(setting).at(rows), constraints)


def _prices_of(setting: Setting) -> StripPrices:
    return strip_prices(
        setting.graph,
        device=setting.device,
        edge=setting.edge,
        convention=setting.convention,
        compression=setting.compression,
    )


def _layer_of(setting: Setting, costs: StripCosts, constraints: Constraints) -> Layer:
    rows = costs.rows
    down_s = setting.down_s(in_parts=rows.makes_outputs)
    return Layer(setting, constraints, rows, costs, setting.tail_s(rows.tau), down_s)


def strip_problem(setting: Setting, tau: int, segments: Sequence[Segment]) -> Problem:
    """The scheduling problem of given segments: one class per strip, one cut each.

    Strips must be scheduled segment by segment, each in order; its durations assume that.

    Raises:
        GeometryError: the fused layer cannot be cut into strips.
    """
    return problem_of(layer_of(setting, tau, NO_CONSTRAINTS), segments)


def problem_of(layer: Layer, segments: Sequence[Segment]) -> Problem:
    """The scheduling problem of given segments of a fused layer; see `strip_problem`."""
    times_ns = nanoseconds(_durations(layer, segments))
    return layer.setting.assemble(
        class_of=tuple(range(times_ns.shape[1])),
        device_ns=times_ns[0, :, None],
        link_ns=times_ns[1, :, None],
        edge_ns=times_ns[2, :, None],
        back_ns=times_ns[3, :, None] if layer.returns_parts else None,
        tail_ns=ns(layer.tail_s),
    )


def makespan_of(layer: Layer, segments: Sequence[Segment]) -> float:
    """Seconds that given segments take, without the delay of the link on the way there."""
    return float(chain(_durations(layer, segments))) + layer.tail_s + layer.down_s


def _durations(layer: Layer, segments: Sequence[Segment]) -> FloatArray:
    """Seconds of every strip by machine, fixed costs included; shape (machines, strips)."""
    setting, tau = layer.setting, layer.rows.tau
    resumes = resume_layers(
        tau, [item.cut for item in segments], [(item.start, item.stop) for item in segments]
    )
    costs = np.concatenate(
        [layer.costs_of(*item) for item in zip(segments, resumes, strict=True)], axis=1
    )
    seconds = layer.seconds_of(costs)
    returned = costs[3] if layer.returns_parts else 0.0
    messages = setting.link.messages(costs[1], returned, paths=costs.shape[1])
    seconds[0] += messages.device_s
    seconds[1] = messages.link_s
    seconds[2] += messages.edge_s
    return seconds


def chain(durations: FloatArray) -> FloatArray:
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


def spread(size: int, most: int) -> IntArray:
    """0, size and at most ``most − 1`` rows evenly between them."""
    step = -(-size // most)
    return np.append(np.arange(0, size, step, dtype=np.int64), size)
