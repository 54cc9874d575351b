"""The row bound: no plan of whole rows is faster. ``docs/bounds.md`` has its proof.

It knows what the fluid bound does not: that rows are whole, that rows of deep maps need many of
shallow ones, and that all paths of a plan have one fused layer. A *band* is a range of fused rows
with one cut. Bands share the fused rows out, and each loads the machines with at least the rows
that it needs where the edge server goes on from the band above. Loads add up, so that the least
ones of all ways to share the rows out are found band by band, by dynamic programming.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost import ALL_LAYERS
from fusepath.errors import GeometryError
from fusepath.plan.fluid.bound import fluid_bound, section_bound
from fusepath.plan.fluid.weights import best_weights_for
from fusepath.plan.timing import AddedRows, Timing
from fusepath.schedule.problem import NS_PER_S
from fusepath.tiling import Intervals, Resume, needed_regions, strip_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fusepath.arrays import BoolArray, FloatArray, IntArray
    from fusepath.cost import AlikeMaps, Charge
    from fusepath.graph import ModelGraph
    from fusepath.plan.setting import Setting
    from fusepath.plan.timing import StripTiming

    Pairs = tuple[FloatArray, FloatArray]
    """Loads of the device and of the others, the first rising and the second falling."""

DEVICE, LINK, EDGE, WAY_BACK = range(4)
_GRAIN = 2_000
"""Parts of a time that is known to be enough, to which loads of the device are rounded down."""
_LEVELS = 3
"""And to which the link's waiting is."""


def row_bound_s(setting: Setting) -> float:
    """Seconds that no plan of whole rows beats: strips and single cuts.

    It is never below the fluid bound, which holds for those as well.

    Args:
        setting: network, machines and link.
    """
    graph, prices = setting.graph, Timing(setting).prices
    least_s = _section_s(setting, math.inf)
    if setting.convention.counts_untileable:
        for start in graph.starts[1:]:
            head_s = prices.head_ns(start) / NS_PER_S
            if head_s < least_s:
                rest_s = _section_s(setting.behind(start), least_s - head_s)
                least_s = min(least_s, head_s + rest_s)
    return max(fluid_bound(setting).bound_s, least_s)


def _section_s(setting: Setting, enough_s: float) -> float:
    """The same of plans that begin at the input, or ``enough_s`` where that is less."""
    fluid = section_bound(setting)
    best_s = min(fluid.undivided_s, enough_s)
    if fluid.bound_s >= best_s:
        return best_s
    try:
        fused = sorted(_fused_layers(setting), key=lambda layer: layer.shared_s)
    except GeometryError:  # one cannot be cut into strips
        return fluid.bound_s
    for layer in fused:
        if layer.shared_s >= best_s:
            break
        best_s = min(best_s, layer.bound_s(best_s))
    return max(fluid.bound_s, best_s)


def _fused_layers(setting: Setting) -> Iterator[_FusedLayer]:
    """Every fused layer, with the tail on the edge server and on the device."""
    timing, graph = Timing(setting), setting.graph
    for tau in range(1, graph.tileable_layers + 1):
        yield _FusedLayer(_cheapest(timing.strips(strip_rows(graph, tau))))
        if tau < graph.depth:
            front = timing.up_to(tau)
            yield _FusedLayer(_cheapest(front.strips(strip_rows(front.setting.graph, tau))))


def _cheapest(strips: StripTiming) -> StripTiming:
    """Whether the edge server waits or not, rows are charged what they cost at least."""
    return strips.waiting or strips


@dataclass(frozen=True)
class _FusedLayer:
    """Plans of one fused layer with the tail at one place."""

    timing: StripTiming

    @property
    def around_s(self) -> float:
        """The delay of the first message, and what comes after all paths."""
        timing = self.timing
        return timing.setting.link.delay_s + timing.tail_s + timing.down_s + timing.finish_s

    @cached_property
    def limits(self) -> FloatArray:
        """What a second of work counts on every machine; 0 where a machine does not limit."""
        setting = self.timing.setting
        way = 1.0 if setting.convention.shared_link else 0.0
        workers = setting.convention.edge_workers
        # Single cuts do not pay for being strips.
        device = 1 / max(setting.device.strip_factor, 1.0)
        dearer = min(setting.edge.strip_ahead_factor, setting.edge.strip_factor)
        edge = (1 / workers if workers else 0.0) / max(dearer, 1.0)
        return np.array([device, way, edge, way])[: len(self.timing.loads_s)]

    @cached_property
    def _best_weights(self) -> FloatArray:
        """Of the machines, if rows are shared out freely and none is like another."""
        return best_weights_for((self.timing.loads_s * self.limits[:, None]).T)[0]

    @cached_property
    def shared_s(self) -> float:
        """What plans take at least if fused rows are shared out freely, without halos.

        Row by row: those at the border need less, and go where that is worth the most.
        """
        weights = self._best_weights * self.limits
        row_s = np.tensordot(weights, self.timing.row_loads_s, axes=1).min(axis=0)
        return float(row_s.sum()) + self.around_s

    def bound_s(self, enough_s: float) -> float:
        """What plans of whole rows take at least, or ``enough_s`` where that is less."""
        best_s, room_s = self.shared_s, enough_s - self.around_s
        for weights in self._weights():
            after_s = self.around_s
            if len(weights) == WAY_BACK:
                after_s += self.fill_s * weights[-1]
            ends_s = [enough_s]
            for level, (device_s, other_s) in least_loads(self._bands(weights, room_s)).items():
                drained_s = device_s + self.drain_s * (device_s > 0) + self.around_s
                waited_s = weights[0] * self.limits[LINK] * level * room_s / _LEVELS
                ends_s += np.maximum(drained_s, other_s + waited_s + after_s).tolist()
            best_s = max(best_s, min(ends_s))
            if best_s >= enough_s:
                break
        return min(best_s, enough_s)

    def _weights(self) -> Iterator[FloatArray]:
        """Of the machines besides the device: each by itself, and the best without halos."""
        best = self._best_weights[1:]
        yield from np.eye(len(best))
        if np.count_nonzero(best) > 1:
            yield best / best.sum()

    def _bands(self, weights: FloatArray, enough_s: float) -> Bands:
        """What the device takes for bands, and a mean of what the others take."""
        together = np.zeros((2, len(self.limits)))
        together[0, DEVICE] = 1.0
        together[1, LINK:] = weights
        loads = {}
        for key, several_s in self._bands_s.items():
            both_s = np.tensordot(several_s, together * self.limits, axes=(1, 1))
            loads[key] = np.moveaxis(both_s, -1, 1)
        idle = {
            resume: int(min(min(self.idle_s[cut] for cut in cuts) / enough_s, 1.0) * _LEVELS)
            for resume, cuts in self._alike_cuts.items()
        }
        sends: dict[tuple[int, int], BoolArray] = {
            key: np.logical_or.reduce(several_s[:, LINK] > 0)
            for key, several_s in self._bands_s.items()
        }
        return Bands(loads=loads, sends=sends, idle=idle, grain=enough_s / _GRAIN, enough=enough_s)

    @cached_property
    def _bands_s(self) -> dict[tuple[int, int], FloatArray]:
        """Seconds of bands of alike cuts, by these and the layer from which they go on.

        Shape (cuts, machines, first rows, rows behind the last).
        """
        return {
            (first, resume): np.stack([self._band_s(cut, resume) for cut in cuts])
            for first, cuts in self._alike_cuts.items()
            for resume in self._alike_cuts
            if resume >= first
        }

    @cached_property
    def _alike_cuts(self) -> dict[int, range]:
        """Cuts from which to go on makes no difference to the rows that are new; by the first."""
        begins = self.timing.rows.begins
        firsts = [
            cut
            for cut in range(1, self._last + 1)
            if cut == 1
            or any((begins(cut)[name] != rows).any() for name, rows in begins(cut - 1).items())
        ]
        return {
            first: range(first, stop)
            for first, stop in itertools.pairwise([*firsts, self._last + 1])
        }

    def _band_s(self, cut: int, resume: int) -> FloatArray:
        """Seconds of every band with a cut; shape (machines, first rows, rows behind the last).

        The device goes on with all that it computes, whatever it has made for the band above.
        """
        goes_on = Resume(cut - 1, resume)
        rows = AddedRows(self._rows(resume), self._rows(ALL_LAYERS))
        return self.timing.strips_s(cut, goes_on, rows)

    def _rows(self, resume: int) -> tuple[AlikeMaps, IntArray]:
        """Rows that bands need which go on from a layer; shape (groups of maps, first, behind)."""
        alike = self.timing.costs.least(resume)
        return alike, np.maximum(alike.stops[:, None, :] - alike.begins[:, :, None], 0)

    @cached_property
    def idle_s(self) -> dict[int, float]:
        """By cut, until the device can have made a row to be sent; endless where none is sent."""
        graph, device = self.timing.rows.graph, self.timing.setting.device
        charges = [*device.charges(graph, self.timing.setting.convention)]
        row_s = {
            name: _row_s(graph, name, charges)
            for name in {name for cut in range(1, self._last + 1) for name in graph.sent(cut)}
        }
        return {
            cut: min((row_s[name] for name in graph.sent(cut)), default=math.inf)
            for cut in range(1, self._last + 1)
        }

    @property
    def _last(self) -> int:
        """The cut behind the fused layer."""
        return self.timing.rows.tau + 1

    @cached_property
    def fill_s(self) -> float:
        """Until the edge server can have made a fused row, where its rows return one by one.

        The first band of which it makes any begins afresh.
        """
        if not self.timing.returns_parts:
            return 0.0
        first = np.arange(self.timing.rows.height)
        fresh = self._last
        row_s = [
            (self._band_s(cut, fresh)[:EDGE, first, first + 1].T * self.limits[:EDGE]).max(axis=1)
            for cut in range(1, fresh)
        ]
        return float(np.min(row_s))

    @cached_property
    def drain_s(self) -> float:
        """From the device's last row until it has been sent, where all of them are."""
        rows = self.timing.rows
        if rows.makes_outputs or not self.limits[LINK]:
            return 0.0
        row_s = [
            self.timing.setting.link.up_s(float(self.timing.costs.prices.per_row[1, cut - 1, at]))
            for cut in range(2, rows.tau + 2)
            for name, at in self._places.items()
            if name in rows.graph.sent(cut) and name not in rows.graph.entry
        ]
        return min(row_s, default=0.0)

    @property
    def _places(self) -> dict[str, int]:
        return {name: at for at, name in enumerate(self.timing.costs.prices.ready)}


def _row_s(graph: ModelGraph, name: str, charges: Sequence[Charge]) -> float:
    """What it takes the device to make a row of a map, whichever is made soonest."""
    if name in graph.entry:
        return 0.0
    layer = next(
        layer.index for layer in graph.layers if any(name in op.outputs for op in layer.operators)
    )
    first = np.arange(graph.tensors[name].size(0))
    regions = needed_regions(graph, layer, {name: Intervals(first, first + 1)}, axis=0)
    makers = {
        made.index
        for made in graph.layers[:layer]
        if any(out in regions for op in made.operators for out in op.outputs)
    }
    rows_s = np.zeros(len(first))
    for charge in charges:
        if charge.layer in makers and charge.tensor in regions:
            rows = regions[charge.tensor]
            width = graph.tensors[charge.tensor].size(1)
            rows_s += charge.amount * width * (rows.stop - rows.start)
    return float(rows_s.min())


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """What bands of rows take of the device and of the others."""

    loads: Mapping[tuple[int, int], FloatArray]
    """By the first of alike cuts and of the cuts from which they go on; shape (cuts, 2, first
    rows, rows behind the last)."""
    sends: Mapping[tuple[int, int], BoolArray]
    """Whether any of the cuts then sends anything; shape (first rows, rows behind the last)."""
    idle: Mapping[int, int]
    """By the first of alike cuts, for how long the link waits for the first row to be sent."""
    grain: float
    """To multiples of this, loads of the device are rounded down, once for every band."""
    enough: float
    """What takes as long is left out."""

    def options(self, first: int, resume: int, begin: int, stop: int) -> Pairs:
        """Of alike cuts those of which none takes less of both."""
        both = self.loads[first, resume][:, :, begin, stop]
        both = both[(both < self.enough).all(axis=1)]
        if len(both) < 2:
            return both[:, 0], both[:, 1]
        return _together([(both[:, 0], both[:, 1])], self.enough)


def least_loads(bands: Bands) -> dict[int, Pairs]:
    """Loads of which no way to share the rows out has less of both, by how long the link waits.

    A band goes on from the later of its own cut and that of the band above.
    """
    firsts = sorted(bands.idle)
    height = bands.loads[firsts[0], firsts[0]].shape[2]
    ends: list[dict[int, dict[int, Pairs]]] = [{}]
    upto: list[dict[int, dict[int, Pairs]]] = [
        {first: {_LEVELS: (np.zeros(1), np.zeros(1))} for first in firsts}
    ]
    for stop in range(1, height + 1):
        ends.append({})
        for first in firsts:
            found: dict[int, list[Pairs]] = {}
            for begin, resume in itertools.product(range(stop), firsts):
                before = upto[begin][first] if resume == first else ends[begin].get(resume)
                if resume < first or not before:
                    continue
                device, other = bands.options(first, resume, begin, stop)
                if not len(device):
                    continue
                waits = bands.idle[first] if bands.sends[first, resume][begin, stop] else _LEVELS
                for level, (device_before, other_before) in before.items():
                    together = (device_before[:, None] + device).ravel()
                    down = np.floor(together / bands.grain) * bands.grain
                    pairs = down, (other_before[:, None] + other).ravel()
                    found.setdefault(min(level, waits), []).append(pairs)
            ends[stop][first] = {
                level: _together(several, bands.enough) for level, several in found.items()
            }
        upto.append({})
        above: dict[int, Pairs] = {}
        for first in firsts:
            above = _merged([above, ends[stop][first]])
            upto[stop][first] = above
    return upto[-1][firsts[-1]]


def _merged(several: Sequence[Mapping[int, Pairs]]) -> dict[int, Pairs]:
    by_level: dict[int, list[Pairs]] = {}
    for levels in several:
        for level, pairs in levels.items():
            by_level.setdefault(level, []).append(pairs)
    return {level: _together(pairs, math.inf) for level, pairs in by_level.items()}


def _together(several: Sequence[Pairs], enough_s: float) -> Pairs:
    """Those of which none is less than another in both, below a limit."""
    if len(several) == 1 and math.isinf(enough_s):
        return several[0]
    first, second = (np.concatenate(part) for part in zip(*several, strict=True))
    below = (first < enough_s) & (second < enough_s)
    first, second = first[below], second[below]
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    keep = np.ones(len(first), dtype=bool)
    keep[1:] = second[1:] < np.minimum.accumulate(second)[:-1]
    return first[keep], second[keep]
