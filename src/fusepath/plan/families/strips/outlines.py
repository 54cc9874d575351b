"""The first search: fused layers, cuts and places where segments end; no numbers of strips yet."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from fusepath.plan.families.strips.layer import spread
from fusepath.tiling import Resume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fusepath.arrays import IntArray
    from fusepath.plan.families.strips.layer import Layer
    from fusepath.plan.recipe import TailPlace
    from fusepath.plan.timing import AddedRows
    from fusepath.schedule.budget import Meter


_EDGES = 24
"""Places where a segment may end."""
_EDGES_OF_THREE = 12
_SHORT_LIST = 16
_CHOICES_PER_EVALUATION = 2
_MAPS_PER_EVALUATION = 20
_WORTH_REFINING = 1.15
_ROWS_KEPT = 64
"""Layers to resume from whose rows are kept, for other cuts with the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Cuts and ends of segments, and a makespan that reckons with a usual number of strips."""

    makespan_s: float
    layer: tuple[int, TailPlace]
    """`Layer.key`."""
    cuts: tuple[int, ...]
    edges: tuple[int, ...]
    """Fused rows where segments end; the last is the height."""


def short_list(
    layers: Mapping[tuple[int, TailPlace], Layer], meter: Meter, within_s: float = math.inf
) -> tuple[list[Outline], int]:
    """Candidates that are worth refining, and how many were looked at.

    Args:
        layers: by `Layer.key`, the most promising first.
        meter: what may be spent.
        within_s: what takes as long is of no use.
    """
    short: list[Outline] = []
    evaluated = 0
    best_s = within_s
    for layer in layers.values():
        for candidate in _pairs(layer, lambda: best_s, meter):  # noqa: B023 - read at once
            evaluated += 1
            if candidate.makespan_s < best_s * _WORTH_REFINING:
                short.append(candidate)
                best_s = min(best_s, candidate.makespan_s)
    short = _diverse(short)
    for candidate in tuple(short[:2]):
        triples = list(_with_third(layers[candidate.layer], candidate, meter))
        evaluated += len(triples)
        better = [item for item in triples if item.makespan_s < candidate.makespan_s]
        short += sorted(better, key=lambda item: item.makespan_s)[:2]
    return short, evaluated


def one_segment(layer: Layer, meter: Meter) -> Iterator[Outline]:
    """One segment, for every cut that it may have and the budget that is left."""
    height = np.array([layer.height])
    rows = layer.rows_of(None, height, None)
    for cut in sorted(layer.allowed_cuts):
        if meter.is_over:
            return
        meter.spend(_batch(layer, height))
        times = layer.chained_s([layer.timing.strips_s(cut, layer.rows.fresh, rows)])
        segment = (cut, None, height, layer.rows.fresh)
        if not layer.constraints or layer.keep_to_totals([segment]).all():
            yield _candidate(layer, float(times[0]), (cut,), (layer.height,))


def _diverse(candidates: Sequence[Outline]) -> list[Outline]:
    """The best ones, but for every fused layer and number of segments only one.

    Fixed costs can turn the order of what the first search found; neighbours would all turn alike.
    """
    best: dict[object, Outline] = {}
    for candidate in sorted(candidates, key=lambda item: item.makespan_s):
        best.setdefault((candidate.layer, len(candidate.cuts)), candidate)
    return list(best.values())[:_SHORT_LIST]


def _pairs(layer: Layer, best_s: Callable[[], float], meter: Meter) -> Iterator[Outline]:
    """Two segments (one, where the other is empty): the best sizes of every pair of cuts."""
    edges = spread(layer.height, _EDGES)
    bounds_s = layer.pair_bounds_s
    bottom = np.full_like(edges, layer.height)
    upper = layer.rows_of(None, edges, None)
    first = cache(lambda cut: layer.timing.strips_s(cut, layer.rows.fresh, upper))
    lower = lru_cache(_ROWS_KEPT)(lambda edge: layer.rows_of(edges, bottom[:1], edge))
    for flat in np.argsort(bounds_s, axis=None):
        above, below = (int(at) + 1 for at in divmod(int(flat), bounds_s.shape[1]))
        if meter.is_over or bounds_s[above - 1, below - 1] >= best_s():
            return
        if not {above, below} <= layer.allowed_cuts:
            continue
        resume = _resume(above, below)
        meter.spend(len(edges) // _CHOICES_PER_EVALUATION + _batch(layer, edges))
        second = layer.timing.strips_s(below, resume, lower(resume.edge))
        times = layer.chained_s([first(above), second])
        if layer.constraints:
            segments = ((above, None, edges, layer.rows.fresh), (below, edges, bottom, resume))
            times = np.where(layer.keep_to_totals(segments), times, np.inf)
        at = int(times.argmin())
        if np.isinf(times[at]):
            continue
        yield _candidate(layer, float(times[at]), (above, below), (int(edges[at]), layer.height))


def _resume(above: int, below: int) -> Resume:
    """Where a segment goes on right below another, if that has made all that is read again."""
    return Resume(min(above, below) - 1, max(above, below))


def _batch(layer: Layer, choices: IntArray) -> int:
    """What strips of so many choices are worth: they are worked out map by map."""
    return 1 + len(choices) * layer.maps // _MAPS_PER_EVALUATION


def _with_third(layer: Layer, best: Outline, meter: Meter) -> Iterator[Outline]:
    """A third segment with any cut, put anywhere into the order of two."""
    edges = spread(layer.height, _EDGES_OF_THREE)
    pairs = np.array(list(itertools.combinations_with_replacement(edges, 2)))
    bottom = np.full(len(pairs), layer.height)
    two = best.cuts if len(best.cuts) == 2 else (best.cuts[0], best.cuts[0])
    ends = ((None, pairs[:, 0]), (pairs[:, 0], pairs[:, 1]), (pairs[:, 1], bottom))

    @lru_cache(_ROWS_KEPT)
    def rows_of(part: int, edge: int | None) -> AddedRows:
        begin, stop = ends[part]
        return layer.rows_of(begin, stop, edge)

    for cut in sorted(layer.allowed_cuts):
        for at in range(3):
            if meter.is_over:
                return
            meter.spend(len(pairs) // _CHOICES_PER_EVALUATION + 3 * _batch(layer, pairs))
            cuts = (*two[:at], cut, *two[at:])
            resumes = (layer.rows.fresh, *itertools.starmap(_resume, itertools.pairwise(cuts)))
            strips = [
                layer.timing.strips_s(cut, resume, rows_of(part, resume.edge if part else None))
                for part, (cut, resume) in enumerate(zip(cuts, resumes, strict=True))
            ]
            times = layer.chained_s(strips)
            if layer.constraints:
                segments = [(cuts[part], *ends[part], resumes[part]) for part in range(3)]
                times = np.where(layer.keep_to_totals(segments), times, np.inf)
            least = int(times.argmin())
            if np.isinf(times[least]):
                continue
            first, second = (int(edge) for edge in pairs[least])
            yield _candidate(layer, float(times[least]), cuts, (first, second, layer.height))


def _candidate(
    layer: Layer, time_s: float, cuts: tuple[int, ...], edges: tuple[int, ...]
) -> Outline:
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
    return Outline(
        makespan_s=time_s + layer.after_s + layer.fixed_s(kept_cuts),
        layer=layer.key,
        cuts=tuple(kept_cuts),
        edges=tuple(kept_edges),
    )
