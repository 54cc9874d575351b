"""What strips of rows cost, for every segment and cut at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost.work import bytes_per_element

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fusepath.cost.convention import Convention
    from fusepath.cost.machine import Charge, Machine
    from fusepath.tiling import StripRows

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class StripCosts:
    """Cumulative costs; a strip's own is a difference of two of them.

    For cut ``o`` (1-based), a strip that takes a segment from fused row ``b`` to ``c`` costs
    ``reached[o − 1, c] − reached[o − 1, b]``; the first strip of a segment that begins at row ``a``
    and reaches ``b`` costs ``reached[o − 1, b] − begun(resume)[o − 1, a]``.
    """

    rows: StripRows
    reached: Cumulative
    """Shape (cuts, height + 1)."""
    device_charges: tuple[Charge, ...]
    edge_charges: tuple[Charge, ...]
    convention: Convention

    def begun(self, resume: int) -> Cumulative:
        """What has been done before a segment begins; shape (cuts, height).

        Args:
            resume: layer from which the segment resumes (`StripRows.begins`).
        """
        if resume not in self._begun:
            self._begun[resume] = _cumulative(
                self.rows,
                self.rows.begins(resume),
                self.device_charges,
                self.edge_charges,
                self.convention,
            )
        return self._begun[resume]

    @cached_property
    def _begun(self) -> dict[int, Cumulative]:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cumulative:
    """Work up to some rows of every map, by cut and fused row."""

    device_s: FloatArray
    up_bytes: FloatArray
    edge_s: FloatArray


def strip_costs(
    rows: StripRows, *, device: Machine, edge: Machine, convention: Convention
) -> StripCosts:
    """Costs of all strips over one fused layer; strips have the full width of every map."""
    graph = rows.graph
    device_charges, edge_charges = (
        tuple(c for c in machine.charges(graph, convention) if c.layer <= rows.tau)
        for machine in (device, edge)
    )
    return StripCosts(
        rows=rows,
        reached=_cumulative(rows, rows.stops, device_charges, edge_charges, convention),
        device_charges=device_charges,
        edge_charges=edge_charges,
        convention=convention,
    )


def _cumulative(
    rows: StripRows,
    upto: Mapping[str, IntArray],
    device_charges: tuple[Charge, ...],
    edge_charges: tuple[Charge, ...],
    convention: Convention,
) -> Cumulative:
    """Work of the rows of every map up to ``upto`` (exclusive)."""
    graph, tau = rows.graph, rows.tau
    width = len(upto[graph.input.name])
    up = np.zeros((tau + 1, width))
    for cut in range(1, tau + 2):
        for name in graph.sent(cut):
            tensor = graph.tensors[name]
            row_bytes = (
                tensor.channels * tensor.size(1) * bytes_per_element(graph, name, convention)
            )
            up[cut - 1] += row_bytes * upto[name]
    edge = _below_cuts(rows, upto, edge_charges)
    return Cumulative(
        device_s=_below_cuts(rows, upto, device_charges),
        up_bytes=up,
        # What runs on the edge server is all that does not run on the device.
        edge_s=edge[-1] - edge,
    )


def _below_cuts(
    rows: StripRows, upto: Mapping[str, IntArray], charges: tuple[Charge, ...]
) -> FloatArray:
    """Seconds of the layers before each cut."""
    below = np.zeros((rows.tau + 1, len(upto[rows.graph.input.name])))
    for charge in charges:
        per_row_s = charge.seconds * rows.graph.tensors[charge.tensor].size(1)
        below[charge.layer :] += per_row_s * upto[charge.tensor]
    return below
