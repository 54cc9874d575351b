"""What strips of rows cost: weights per row of every map, times the rows that a strip adds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost.compression import NO_CODECS, crossing
from fusepath.tiling import ready_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fusepath.arrays import FloatArray, IntArray
    from fusepath.cost.compression import Codecs
    from fusepath.cost.convention import Convention
    from fusepath.cost.latency import Charge, Charging
    from fusepath.graph import ModelGraph
    from fusepath.tiling import Mark, Resume, StripRows

ALL_LAYERS = 1
"""The layer from which a segment goes on that begins nothing afresh."""


@dataclass(frozen=True, kw_only=True)
class StripPrices:
    """What a row of every map of the tileable prefix costs, whatever the fused layer."""

    graph: ModelGraph
    ready: Mapping[str, IntArray]
    """By map, in running order: rows that can be made, by input rows released."""
    per_row: FloatArray
    """Device seconds, bytes, edge seconds and bytes returned of a row; shape (4, cuts, maps).

    What the device itself has finished, the last cut, does not return.
    """
    waiting_s: FloatArray
    """Edge seconds of a row in place of those, where the edge server waits; shape (cuts, maps)."""
    computed: FloatArray
    """Device seconds of a row without what coding takes; shape (cuts, maps)."""

    def at(self, rows: StripRows) -> StripCosts:
        """Costs of strips over one fused layer."""
        return StripCosts(prices=self, rows=rows)


@dataclass(frozen=True, kw_only=True)
class AlikeMaps:
    """Maps taken together of which every strip of a segment adds the same rows."""

    members: IntArray
    """Places of the maps in `StripPrices`, group by group."""
    groups: IntArray
    """Where each group begins in ``members``."""
    made: IntArray
    """Rows made, by input rows released; shape (groups, input height + 1)."""
    stops: IntArray
    """Rows needed, by fused rows done; shape (groups, height + 1)."""
    begins: IntArray
    """First new row of a segment, by its first fused row; shape (groups, height)."""

    def total(self, per_map: FloatArray) -> FloatArray:
        """Sums over maps that are alike, along the last axis."""
        totals: FloatArray = np.add.reduceat(per_map[..., self.members], self.groups, axis=-1)
        return totals


@dataclass(frozen=True, kw_only=True)
class StripCosts:
    """Costs of strips over one fused layer.

    Rows of all maps are kept as one array, so that costs are a product: for cut ``o`` (1-based),
    ``per_row[:, o − 1] @ rows`` gives device seconds, bytes sent, edge seconds and, where the fused
    layer makes the outputs, bytes returned of some rows of every map. Strips have the full width.
    Most maps of a network have the rows of a map beside them; `alike` takes these together.
    """

    prices: StripPrices
    rows: StripRows

    @cached_property
    def maps(self) -> tuple[str, ...]:
        """All maps that strips make, and the input."""
        return tuple(name for name in self.prices.ready if name in self.rows.stops)

    @property
    def per_row(self) -> FloatArray:
        """Device seconds, bytes, edge seconds and perhaps bytes returned of a row.

        By cut; shape (3 or 4, cuts, maps).
        """
        return self._per_row[:, : self.rows.tau + 1, self._places]

    @cached_property
    def stops(self) -> IntArray:
        """Rows needed, by fused rows done; shape (maps, height + 1)."""
        return np.stack([self.rows.stops[name] for name in self.maps])

    def of_cut(self, cut: int, resume: Resume) -> FloatArray:
        """What `per_row` counts for one cut, of all maps of the prefix; shape (3 or 4, maps).

        Of rows that a segment adds to maps on either side of what it goes on with: what the device
        computes of those is left out.
        """
        weights: FloatArray = self._per_row[:, cut - 1].copy()
        weights[0] -= self.prices.computed[resume.device]
        return weights

    def goes_on(self, resume: Resume) -> FloatArray:
        """Device seconds of a row of every map with which a segment goes on; shape (maps,)."""
        per_row: FloatArray = self.prices.computed[resume.device]
        return per_row

    @cached_property
    def loads(self) -> FloatArray:
        """What every fused row costs beyond those above it; shape (3 or 4, cuts, height).

        Of rows that it needs, without halos: rows that nothing needs are not among them.
        """
        fresh = self.rows.begins(self.rows.fresh.edge)
        begins = np.stack([fresh[name] for name in self.maps])
        added = np.maximum(self.stops[:, 1:] - np.maximum(self.stops[:, :-1], begins), 0)
        loads: FloatArray = self.per_row @ added
        return loads

    def alike(self, resume: int, cut: int | None = None) -> AlikeMaps:
        """Maps taken together for a segment whose layers go on from ``resume`` (1-based).

        Without a cut all rows are made that can be.
        """
        if (resume, cut) not in self._alike:
            made = self.prices.ready if cut is None else self.rows.made(cut)
            self._alike[resume, cut] = self._group(self.rows.begins(resume), made)
        return self._alike[resume, cut]

    def least(self, resume: int) -> AlikeMaps:
        """`alike` of the rows that are needed: none between those above and the first of these."""
        fresh = self.rows.begins(self.rows.fresh.edge)
        begins = self.rows.begins(resume)
        least = {name: np.maximum(rows, fresh[name]) for name, rows in begins.items()}
        return self._group(least, self.prices.ready)

    @cached_property
    def _alike(self) -> dict[tuple[int, int | None], AlikeMaps]:
        return {}

    @cached_property
    def _per_row(self) -> FloatArray:
        """`StripPrices.per_row` as far as it is counted here; shape (3 or 4, cuts, maps)."""
        per_row = self.prices.per_row[: 4 if self.rows.makes_outputs else 3]
        if self.rows.waits:
            per_row = per_row.copy()
            per_row[2] = self.prices.waiting_s
        return per_row

    @cached_property
    def _places(self) -> IntArray:
        places = [at for at, name in enumerate(self.prices.ready) if name in self.rows.stops]
        return np.array(places)

    def _group(self, begins: Mapping[str, IntArray], made: Mapping[str, IntArray]) -> AlikeMaps:
        tables = (begins, made, self.rows.stops)
        packed = {id(rows): rows for table in tables for rows in table.values()}
        contents = {key: rows.tobytes() for key, rows in packed.items()}  # most are shared
        groups: dict[tuple[bytes, ...], list[int]] = {}
        for at, name in enumerate(self.maps):
            key = tuple(contents[id(table[name])] for table in tables)
            groups.setdefault(key, []).append(at)
        examples = [self.maps[members[0]] for members in groups.values()]
        sizes = [len(members) for members in groups.values()]
        return AlikeMaps(
            members=self._places[[at for members in groups.values() for at in members]],
            groups=np.cumsum([0, *sizes[:-1]]),
            made=np.stack([made[name] for name in examples]),
            stops=np.stack([self.rows.stops[name] for name in examples]),
            begins=np.stack([begins[name] for name in examples]),
        )

    def segment(
        self, cut: int, start: int, stop: int, resume: Resume, marks: Sequence[Mark]
    ) -> FloatArray:
        """What `per_row` counts, of every strip of a segment; shape (3 or 4, strips).

        Args:
            cut: first layer on the edge server, 1-based.
            start: first fused row.
            stop: fused row behind the last.
            resume: where the segment goes on.
            marks: input rows released and fused rows done by each strip.
        """
        alike = self.alike(resume.edge, cut)
        weights = alike.total(self.of_cut(cut, resume))
        costs: FloatArray = weights @ _added(alike, start, stop, marks)
        if resume.device:
            alike = self.alike(ALL_LAYERS, cut)
            costs[0] += alike.total(self.goes_on(resume)) @ _added(alike, start, stop, marks)
        return costs


def _added(alike: AlikeMaps, start: int, stop: int, marks: Sequence[Mark]) -> IntArray:
    """Rows that every strip of a segment adds; shape (groups of maps, strips)."""
    begin = alike.begins[:, start, None]
    released, done = (np.array(column) for column in zip(*marks, strict=True))
    upto = np.maximum(alike.made[:, released], alike.stops[:, done])
    upto = np.minimum(upto, alike.stops[:, stop, None])
    added: IntArray = np.diff(np.concatenate([begin, np.maximum(upto, begin)], axis=1), axis=1)
    return added


def strip_prices(
    graph: ModelGraph,
    *,
    device: Charging,
    edge: Charging,
    convention: Convention,
    codecs: Codecs = NO_CODECS,
) -> StripPrices:
    """What rows cost of all maps of a network that strips can make."""
    depth = graph.tileable_layers
    ready = ready_rows(graph, depth)
    place = {name: at for at, name in enumerate(ready)}
    per_row = np.zeros((4, depth + 1, len(place)))
    _charge(per_row[0], graph, place, device.charges(graph, convention), on_device=True)
    _charge(per_row[2], graph, place, edge.charges(graph, convention), on_device=False)
    per_row[0] *= device.strip_factor
    waiting_s = per_row[2] * edge.strip_factor
    per_row[2] *= edge.strip_ahead_factor
    computed = per_row[0].copy()
    for cut in range(1, depth + 2):
        for name in graph.sent(cut):
            per_element = crossing(graph, name, convention, codecs.up)
            row = _row_elements(graph, name) * np.array(per_element)
            per_row[:3, cut - 1, place[name]] += row
            waiting_s[cut - 1, place[name]] += row[2]
        for name in graph.returned(cut) if depth == graph.depth else ():
            encode_s, size, decode_s = crossing(graph, name, convention, codecs.back)
            per_row[3, cut - 1, place[name]] = _row_elements(graph, name) * size
            per_row[2, cut - 1, place[name]] += _row_elements(graph, name) * encode_s
            waiting_s[cut - 1, place[name]] += _row_elements(graph, name) * encode_s
            per_row[0, cut - 1, place[name]] += _row_elements(graph, name) * decode_s
    return StripPrices(
        graph=graph,
        ready=ready,
        per_row=per_row,
        waiting_s=waiting_s,
        computed=computed,
    )


def strip_costs(
    rows: StripRows,
    *,
    device: Charging,
    edge: Charging,
    convention: Convention,
    codecs: Codecs = NO_CODECS,
) -> StripCosts:
    """Costs of strips over the fused layer of ``rows`` alone."""
    prices = strip_prices(
        rows.graph, device=device, edge=edge, convention=convention, codecs=codecs
    )
    return prices.at(rows)


def _row_elements(graph: ModelGraph, name: str) -> int:
    tensor = graph.tensors[name]
    return tensor.channels * tensor.size(1)


def _charge(
    per_row: FloatArray,
    graph: ModelGraph,
    place: Mapping[str, int],
    charges: Iterable[Charge],
    *,
    on_device: bool,
) -> None:
    """Add what a row is charged: on the device in layers before the cut, in others on the edge."""
    for charge in charges:
        amount = charge.amount * graph.tensors[charge.tensor].size(1)
        cuts = slice(charge.layer, None) if on_device else slice(None, charge.layer)
        per_row[cuts, place[charge.tensor]] += amount
