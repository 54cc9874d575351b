"""From a candidate to segments: numbers of strips and exact sizes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost import ALL_LAYERS
from fusepath.plan.families.strips.layer import makespan_of
from fusepath.tiling import Segment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusepath.plan.families.strips.layer import Layer
    from fusepath.plan.families.strips.outlines import Outline
    from fusepath.schedule.budget import Meter


_STEPS = (-8, -4, -2, -1, 1, 2, 4, 8)
"""Fused rows by which the end of a segment is moved."""
_NEAR = 1.02
"""An edge server that waits is worth a search where it takes no longer than this to begin with."""
_THIN = (48, 1)
"""Releases and steps of a segment in many strips."""
_TRY_EVALUATIONS = 20
_MAPS_PER_EVALUATION = 64
_USAGE_EVALUATIONS = 50
_MEMORY_EVALUATIONS = 4
_SHORT_STEPS = (-2, -1, 1, 2)
_STRIP_COUNTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96)

Counts = tuple[int, int]
"""Numbers of a segment's releases, and of its steps to the last row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """Segments with their strips."""

    layer: Layer
    segments: tuple[Segment, ...]
    excess: float
    """By how much they exceed the constraints, relative to these; 0 if they do not."""
    makespan_s: float
    tried: int


def refine(layer: Layer, candidate: Outline, meter: Meter) -> Refined:
    """Numbers of strips and exact sizes, fixed costs included: one at a time, then two.

    To exceed the constraints less is better than anything else. The first try is made whatever the
    budget; when that ends, the best of what has been tried is returned.
    """
    edges = list(candidate.edges)
    tries = _Tries(layer, candidate.cuts, meter, edges, [(8, 2)] * len(edges))
    tries.begin()
    tries.go_on()
    several = [tries]
    if tries.excess > 0 and len(edges) > 1:
        several += _alone(tries)
    if layer.waiting is not None and not meter.is_over:
        waiting = replace(min(several, key=_Tries.rank), layer=layer.waiting, best=None, tried=0)
        waiting.begin()
        if waiting.is_near(min(several, key=_Tries.rank)):
            waiting.go_on()
        several.append(waiting)
    best = min(several, key=_Tries.rank).refined()
    return replace(best, tried=sum(item.tried for item in several))


def _alone(tries: _Tries) -> Iterator[_Tries]:
    """Each of the cuts for all rows, in many strips that are alike: so the device holds least."""
    for cut in sorted({*tries.cuts}):
        alone = replace(
            tries, cuts=(cut,), edges=tries.edges[-1:], counts=[_THIN], best=None, tried=0
        )
        alone.begin()
        alone.go_on()
        yield alone


@dataclass(slots=True)
class _Tries:
    """The best that was tried so far: its excess over the constraints, and its makespan."""

    layer: Layer
    cuts: tuple[int, ...]
    meter: Meter
    edges: list[int]
    counts: list[Counts]
    best: tuple[float, float] | None = None
    tried: int = 0

    def begin(self) -> None:
        """Try what it begins with, whatever the budget."""
        self.improve(self.edges, self.counts)

    @property
    def excess(self) -> float:
        """By how much the best exceeds the constraints."""
        return self.rank()[0]

    def rank(self) -> tuple[float, float]:
        """What is less for a better one."""
        assert self.best is not None  # the first try improves on nothing
        return self.best

    def is_near(self, other: _Tries) -> bool:
        """Whether it may well become better than another one."""
        excess, makespan_s = other.rank()
        return self.rank() <= (excess, makespan_s * _NEAR)

    def go_on(self) -> None:
        """Change numbers of strips and sizes until nothing is better, or the budget ends."""
        improved = True
        while improved and not self.meter.is_over:
            improved = False
            for index in range(len(self.counts)):
                for other in _other_counts(self.counts, index):
                    improved |= self.improve(self.edges, other)
            for index in range(len(self.edges) - 1):
                for moved in _moved(self.edges, index, _STEPS):
                    improved |= self.improve(moved, self.counts)
            if not improved:
                both = _both_changed(self.edges, self.counts)
                improved = any(self.improve(moved, other) for moved, other in both)

    def refined(self) -> Refined:
        """The best so far."""
        excess, makespan_s = self.rank()
        return Refined(
            layer=self.layer,
            segments=_segments(self.layer, self.cuts, self.edges, self.counts),
            excess=excess,
            makespan_s=makespan_s,
            tried=self.tried,
        )

    def improve(self, edges: list[int], counts: list[Counts]) -> bool:
        """Whether these are better than the best so far; they are kept if so."""
        best = self.best
        if best is not None and self.meter.is_over:
            return False
        self.tried += 1
        segments = _segments(self.layer, self.cuts, edges, counts)
        strips = sum(len(item.strips) for item in segments)
        maps = self.layer.maps
        self.meter.spend(_TRY_EVALUATIONS + strips * maps // _MAPS_PER_EVALUATION)
        time_s = makespan_of(self.layer, segments)
        if best is not None and best[0] == 0 and not time_s < best[1] * (1 - 1e-6):
            return False
        if self.layer.constraints:
            self.meter.spend(_USAGE_EVALUATIONS + strips * maps * _usage_evaluations(self.layer))
        excess = self.layer.excess(segments)
        if best is not None and (excess, time_s) >= (best[0], best[1] * (1 - 1e-6)):
            return False
        self.best = excess, time_s
        self.edges, self.counts = edges, counts
        return True


def _usage_evaluations(layer: Layer) -> int:
    """What it takes to count a strip's demand, by map: what is alive at once above all."""
    return _MEMORY_EVALUATIONS if layer.constraints.device_memory_bytes is not None else 1


def _other_counts(counts: Sequence[Counts], index: int) -> Iterator[list[Counts]]:
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
    edges: Sequence[int], counts: Sequence[Counts]
) -> Iterator[tuple[list[int], list[Counts]]]:
    """One segment with another end and another number of strips.

    A longer segment may be better with more strips, and with those alone.
    """
    for index in range(len(edges) - 1):
        for moved in _moved(edges, index, _SHORT_STEPS):
            for other in _other_counts(counts, index):
                yield moved, other


def _segments(
    layer: Layer,
    cuts: Sequence[int],
    edges: Sequence[int],
    counts: Sequence[Counts],
) -> tuple[Segment, ...]:
    """Segments from their ends and, for each, numbers of releases and of steps to the last row."""
    source = layer.rows.graph.source
    segments: list[Segment] = []
    ranges = list(itertools.pairwise([0, *edges]))
    resumes = layer.rows.resumes(cuts, ranges)
    for cut, (start, stop), (releases, steps), resume in zip(
        cuts, ranges, counts, resumes, strict=True
    ):
        begins = layer.rows.begins(ALL_LAYERS if resume.device else resume.edge)
        first = int(begins[source][start])
        last = int(layer.rows.stops[source][stop]) - 1
        evenly = {first + (last - first) * (i + 1) // releases for i in range(releases)}
        released = sorted(rows for rows in evenly if first < rows)
        most = released[-1] if released else 0
        done = min(max(int(layer.rows.done[most]), start), stop - 1)
        rows = sorted({done + (stop - done) * (i + 1) // steps for i in range(steps)} - {done})
        marks = [(item, 0) for item in released] + [(most, item) for item in rows]
        segments.append(Segment(start=start, stop=stop, cut=cut, strips=tuple(marks)))
    return tuple(segments)
