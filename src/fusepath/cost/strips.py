"""What strips of rows cost: weights per row of every map, times the rows that a strip adds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost.compression import crossing
from fusepath.cost.operations import bytes_per_element

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.arrays import FloatArray, IntArray
    from fusepath.cost.compression import Compression
    from fusepath.cost.convention import Convention
    from fusepath.cost.latency import Charge, LatencyModel
    from fusepath.tiling import Mark, StripRows


@dataclass(frozen=True, kw_only=True)
class StripCosts:
    """Costs of strips over one fused layer.

    Rows of all maps are kept as one array, so that costs are a product: for cut ``o`` (1-based),
    ``per_row[:, o − 1] @ rows`` gives device seconds, bytes sent, edge seconds and, where the fused
    layer makes the outputs, bytes returned of some rows of every map. Strips have the full width.
    """

    rows: StripRows
    maps: tuple[str, ...]
    per_row: FloatArray
    """Device seconds, bytes, edge seconds and perhaps bytes returned of a row, by cut; shape (3 or
    4, cuts, maps)."""

    @cached_property
    def ready(self) -> IntArray:
        """Rows that can be made, by input rows released; shape (maps, input height + 1)."""
        return self._array(self.rows.ready)

    @cached_property
    def stops(self) -> IntArray:
        """Rows needed, by fused rows done; shape (maps, height + 1)."""
        return self._array(self.rows.stops)

    def begins(self, resume: int) -> IntArray:
        """First new row of a segment, by its first fused row; shape (maps, height)."""
        if resume not in self._begins:
            self._begins[resume] = self._array(self.rows.begins(resume))
        return self._begins[resume]

    @cached_property
    def _begins(self) -> dict[int, IntArray]:
        return {}

    def segment(
        self, cut: int, start: int, stop: int, resume: int, marks: Sequence[Mark]
    ) -> FloatArray:
        """What `per_row` counts, of every strip of a segment; shape (3 or 4, strips).

        Args:
            cut: first layer on the edge server, 1-based.
            start: first fused row.
            stop: fused row behind the last.
            resume: layer from which the segment goes on where the one before has ended.
            marks: input rows released and fused rows done by each strip.
        """
        begin = self.begins(resume)[:, start, None]
        released, done = (list(column) for column in zip(*marks, strict=True))
        upto = np.maximum(self.ready[:, released], self.stops[:, done])
        upto = np.minimum(upto, self.stops[:, stop, None])
        upto = np.concatenate([begin, np.maximum(upto, begin)], axis=1)
        costs: FloatArray = self.per_row[:, cut - 1] @ np.diff(upto, axis=1)
        return costs

    def _array(self, by_map: Mapping[str, IntArray]) -> IntArray:
        return np.stack([by_map[name] for name in self.maps])


def strip_costs(
    rows: StripRows,
    *,
    device: LatencyModel,
    edge: LatencyModel,
    convention: Convention,
    compression: Mapping[str, Compression] = MappingProxyType({}),
) -> StripCosts:
    """Costs of strips over the fused layer of ``rows``."""
    graph, tau = rows.graph, rows.tau
    maps = tuple(name for name in rows.ready if name in rows.stops)
    place = {name: at for at, name in enumerate(maps)}
    per_row = np.zeros((4 if rows.makes_outputs else 3, tau + 1, len(maps)))
    _charge(per_row[0], rows, place, device.charges(graph, convention), on_device=True)
    _charge(per_row[2], rows, place, edge.charges(graph, convention), on_device=False)
    per_row[0] *= device.strip_factor
    per_row[2] *= edge.strip_factor
    for cut in range(1, tau + 2):
        for name in graph.sent(cut):
            elements = graph.tensors[name].channels * graph.tensors[name].size(1)
            per_element = crossing(graph, name, convention, compression)
            per_row[:3, cut - 1, place[name]] += elements * np.array(per_element)
    if rows.makes_outputs:
        for name in graph.outputs:
            elements = graph.tensors[name].channels * graph.tensors[name].size(1)
            # What the device itself has finished, the last cut, does not return.
            per_row[3, :tau, place[name]] = elements * bytes_per_element(graph, name, convention)
    return StripCosts(rows=rows, maps=maps, per_row=per_row)


def _charge(
    per_row_s: FloatArray,
    rows: StripRows,
    place: Mapping[str, int],
    charges: Sequence[Charge],
    *,
    on_device: bool,
) -> None:
    """Add seconds per row: layers before the cut run on the device, the others on the edge."""
    for charge in charges:
        if charge.layer > rows.tau:
            continue
        seconds = charge.seconds * rows.graph.tensors[charge.tensor].size(1)
        cuts = slice(charge.layer, None) if on_device else slice(None, charge.layer)
        per_row_s[cuts, place[charge.tensor]] += seconds
