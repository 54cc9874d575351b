"""The row bound: no plan of whole rows is faster. ``docs/bounds.md`` has its proof.

It knows what the fluid bound does not: that rows are whole, that rows of deep maps need many of
shallow ones, and that all paths of a plan have one fused layer. A *band* is a range of fused rows
with one cut. Bands share the fused rows out, and each loads the machines with at least the rows
that it needs where the edge server goes on from the band above. Loads add up, so that the least
ones of all ways to share the rows out are found band by band, by dynamic programming.
What can only be made of the last row that is sent comes on top.
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
from fusepath.plan.fluid.bands import LEVELS, Bands, Part, least_loads
from fusepath.plan.fluid.bound import fluid_bound, section_bound
from fusepath.plan.fluid.weights import best_weights_for
from fusepath.plan.timing import AddedRows, Timing
from fusepath.schedule.problem import NS_PER_S
from fusepath.tiling import Intervals, Resume, needed_regions, strip_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusepath.arrays import BoolArray, FloatArray, IntArray
    from fusepath.cost import AlikeMaps, Charge
    from fusepath.graph import ModelGraph
    from fusepath.plan.setting import Setting
    from fusepath.plan.timing import StripTiming

DEVICE, LINK, EDGE, WAY_BACK = range(4)
_GRAIN = 2_000
"""Parts of a time that is known to be enough, to which loads of the device are rounded down."""
_MEANS = 7
"""Weights of the device with which loads are judged that more rows are added to."""


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
            after_s = self.around_s + self.arrival_s * weights[EDGE - 1]
            if len(weights) == WAY_BACK:
                after_s += self.fill_s * weights[-1]
            ends_s = [enough_s]
            for waits, (device_s, other_s) in least_loads(self._bands(weights, room_s)).items():
                waited_s = weights[0] * self.limits[LINK] * waits * room_s / LEVELS
                longer_s = np.maximum(device_s + self.around_s, other_s + waited_s + after_s)
                ends_s += longer_s.tolist()
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
        together *= self.limits
        loads = {
            part: {key: _weighted(items_s, together) for key, items_s in by_key.items()}
            for part, by_key in self._bands_s.items()
        }
        idle = {
            first: int(min(min(self.idle_s[cut] for cut in cuts) / enough_s, 1.0) * LEVELS)
            for first, cuts in self._alike_cuts.items()
        }
        sends: dict[tuple[int, int], BoolArray] = {
            key: np.logical_or.reduce(several_s[:, LINK] > 0)
            for key, several_s in self._bands_s[Part.ANY].items()
        }
        rows_s = np.tensordot(together, self.timing.row_loads_s, axes=1)
        means = np.linspace(0, 1, _MEANS + 2)[1:-1]
        mean_s = np.stack([mean * rows_s[0] + (1 - mean) * rows_s[1] for mean in means])
        return Bands(
            loads=loads,
            sends=sends,
            idle=idle,
            means=means,
            row_means=mean_s.min(axis=1),
            grain=enough_s / _GRAIN,
            enough=enough_s,
        )

    @cached_property
    def _bands_s(self) -> dict[Part, dict[tuple[int, int], FloatArray]]:
        """Seconds of bands of alike cuts, by these and by those of the band above.

        A band that does not go on from the one above, because that is not the one before it, begins
        afresh. Shape (ways, machines, first rows, rows behind the last).
        """
        found: dict[Part, dict[tuple[int, int], FloatArray]] = {part: {} for part in Part}
        for first, cuts in self._alike_cuts.items():
            afresh = [self._parts_s(cut, self.timing.rows.fresh) for cut in cuts]
            for above in self._alike_cuts:
                going_on = [self._parts_s(cut, self._goes_on(cut, above)) for cut in cuts]
                ways = {
                    Part.ANY: [way[Part.ANY] for way in going_on],
                    Part.LAST: [way[Part.LAST] for way in (*going_on, *afresh)],
                    Part.FOLLOWS: [way[Part.FOLLOWS] for way in going_on],
                    Part.BEFORE: [way[Part.ANY] for way in afresh],
                }
                for part, several in ways.items():
                    found[part][first, above] = np.stack(several)
        return found

    def _goes_on(self, cut: int, above: int) -> Resume:
        """Where a band goes on at most below one with a cut that is alike to another.

        The device with no layers but those that it computes for both.
        """
        return Resume(min(cut, self._alike_cuts[above][-1]) - 1, max(cut, above))

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

    def _band_s(self, cut: int, resume: Resume) -> FloatArray:
        """Seconds of every band with a cut; shape (machines, first rows, rows behind the last)."""
        rows = AddedRows(self._rows(resume.edge), self._rows(ALL_LAYERS))
        return self.timing.strips_s(cut, resume, rows)

    def _rows(self, resume: int) -> tuple[AlikeMaps, IntArray]:
        """Rows that bands need which go on from a layer; shape (groups of maps, first, behind)."""
        if resume not in self._rows_of:
            alike = self.timing.costs.least(resume)
            rows = np.maximum(alike.stops[:, None, :] - alike.begins[:, :, None], 0)
            self._rows_of[resume] = alike, rows
        return self._rows_of[resume]

    @cached_property
    def _rows_of(self) -> dict[int, tuple[AlikeMaps, IntArray]]:
        return {}

    def _parts_s(self, cut: int, resume: Resume) -> dict[Part, FloatArray]:
        """`_band_s` of a band as each part, endless where it is none.

        What the edge server can only make once the last row has been sent comes behind all that
        is sent, and, where all of the device's work is sent, behind that and this row.
        """
        rows = self.timing.rows
        band_s = self._band_s(cut, resume)
        sends = np.zeros(band_s.shape[1:], dtype=bool)
        for name in rows.graph.sent(cut):
            sends |= rows.stops[name] > rows.begins(resume.edge)[name][:, None]
        last_s = self._with_behind(band_s, self._made_last_s(cut, resume.edge))
        if not rows.makes_outputs:
            last_s[DEVICE] += self._row_sent_s.get(cut, 0.0) * self.limits[LINK]
        follows_s = self._with_behind(band_s, band_s[EDGE])
        return {
            Part.ANY: band_s,
            Part.LAST: np.where(sends, last_s, np.inf),
            Part.FOLLOWS: np.where(sends, np.inf, follows_s),
        }

    def _with_behind(self, band_s: FloatArray, made_s: FloatArray) -> FloatArray:
        """Seconds of bands, and work of the edge server that comes behind all that is sent."""
        together_s = band_s.copy()
        together_s[LINK] += made_s * self.limits[EDGE]
        if not self.timing.rows.makes_outputs:
            together_s[DEVICE] += made_s * self.limits[EDGE]
        return together_s

    def _made_last_s(self, cut: int, resume: int) -> FloatArray:
        """What the edge server makes of a band once its last row has arrived.

        Of every map the rows that can only be made then; shape (first rows, rows behind the last).
        """
        alike, _ = self._rows(resume)
        released, done = self._before_last[cut]
        made = np.maximum(alike.made[:, released], alike.stops[:, done])
        begun = np.maximum(made[:, None, :], alike.begins[:, :, None])
        left = np.maximum(alike.stops[:, None, :] - begun, 0)
        weights = alike.total(self.timing.costs.of_cut(cut, Resume(0, resume))[EDGE])
        made_s: FloatArray = np.tensordot(weights, left, axes=1)
        return made_s

    @cached_property
    def _before_last(self) -> dict[int, IntArray]:
        """Rows of the input released, and fused rows done, at most while a band has a row to send.

        By cut; shape (2, rows behind the last).
        """
        rows = self.timing.rows
        most = {}
        for cut in range(1, self._last + 1):
            most[cut] = np.zeros((2, rows.height + 1), dtype=np.int64)
            for name in rows.graph.sent(cut):
                stops = rows.stops[name]
                both = [np.searchsorted(values, stops) - 1 for values in (rows.ready[name], stops)]
                most[cut] = np.maximum(most[cut], both)
        return most

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
            (
                self._band_s(cut, Resume(cut - 1, fresh))[:EDGE, first, first + 1].T
                * self.limits[:EDGE]
            ).max(axis=1)
            for cut in range(1, fresh)
        ]
        return float(np.min(row_s))

    @cached_property
    def arrival_s(self) -> float:
        """Until the edge server has got the first row."""
        return min(self.idle_s[cut] + row_s for cut, row_s in self._row_sent_s.items())

    @cached_property
    def _row_sent_s(self) -> dict[int, float]:
        """By cut that sends anything, what a row takes on the link of whatever it sends."""
        graph, per_row = self.timing.rows.graph, self.timing.costs.prices.per_row
        row_bytes = {
            cut: [per_row[1, cut - 1, self._places[name]] for name in graph.sent(cut)]
            for cut in range(1, self._last + 1)
        }
        return {
            cut: self.timing.setting.link.up_s(float(min(several)))
            for cut, several in row_bytes.items()
            if several
        }

    @property
    def _places(self) -> dict[str, int]:
        return {name: at for at, name in enumerate(self.timing.costs.prices.ready)}


def _weighted(bands_s: FloatArray, weights: FloatArray) -> FloatArray:
    """Means of machines; shape (bands, means, first rows, rows behind the last).

    Args:
        bands_s: shape (bands, machines, first rows, rows behind the last).
        weights: shape (means, machines).
    """
    counted = np.where(weights[:, :, None, None] > 0, bands_s[:, None], 0.0)
    mean_s: FloatArray = (weights[:, :, None, None] * counted).sum(axis=2)
    return mean_s


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
