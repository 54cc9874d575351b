"""How long strips of one fused layer take on every machine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost import piece_coding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.arrays import FloatArray, IntArray
    from fusepath.cost import AlikeMaps, PieceCoding, StripCosts
    from fusepath.plan.setting import Setting
    from fusepath.tiling import Resume, Segment, StripRows


@dataclass(frozen=True, slots=True)
class AddedRows:
    """Rows that strips add, for many choices of a segment's ends at once.

    Each is maps taken together, and rows added; shape (groups, choices, strips).
    """

    read: tuple[AlikeMaps, IntArray]
    """From the first that layers read which begin afresh."""
    next: tuple[AlikeMaps, IntArray] | None = None
    """From where all above has ended; None where there is nothing above."""


def _total(rows: tuple[AlikeMaps, IntArray], per_map: FloatArray) -> FloatArray:
    """What rows count by what a row of every map does; shape (…, choices, strips)."""
    alike, added = rows
    totals: FloatArray = alike.total(per_map) @ added.reshape(len(added), -1)
    return totals.reshape(*per_map.shape[:-1], *added.shape[1:])


@dataclass(frozen=True, kw_only=True)
class StripTiming:
    """Times of strips over one fused layer."""

    setting: Setting
    costs: StripCosts
    tail_s: float
    down_s: float
    """What returns after all strips."""
    finish_s: float = 0.0
    """What the device computes behind all of that."""
    _met: dict[tuple[Segment, Resume], FloatArray] = field(default_factory=dict)
    """Segments are changed one at a time, and the others stay as they are."""

    @property
    def rows(self) -> StripRows:
        """Which rows of every map strips need."""
        return self.costs.rows

    @property
    def waiting(self) -> StripTiming | None:
        """The same where the edge server makes no row before the fused layer can use it.

        None where that makes its strips no cheaper.
        """
        if self.setting.edge.strip_ahead_factor <= self.setting.edge.strip_factor:
            return None
        rows = replace(self.rows, waits=True)
        return replace(self, costs=replace(self.costs, rows=rows), _met={})

    @property
    def returns_parts(self) -> bool:
        """Whether every strip returns its rows of the result, and that takes time."""
        return self.rows.makes_outputs and self.setting.convention.counts_result

    @cached_property
    def row_loads_s(self) -> FloatArray:
        """Seconds of every fused row without halos; shape (machines, cuts, height)."""
        return self._seconds(self.costs.loads)

    @cached_property
    def loads_s(self) -> FloatArray:
        """Seconds of the whole prefix by machine and cut; shape (machines, cuts)."""
        loads_s: FloatArray = self.row_loads_s.sum(axis=2)
        return loads_s

    def strips_s(self, cut: int, resume: Resume, rows: AddedRows) -> FloatArray:
        """Seconds of strips that add these rows, fixed costs aside.

        Args:
            cut: 1-based.
            resume: where the segment goes on.
            rows: rows that its strips add.

        Returns:
            Shape (machines, choices, strips).
        """
        seconds = _total(rows.read, self._seconds(self.costs.of_cut(cut, resume)))
        if resume.device:
            assert rows.next is not None  # or nothing could go on
            seconds[0] += _total(rows.next, self.costs.goes_on(resume))
        return seconds

    def fixed_s(self, cut: int) -> tuple[float, float, float]:
        """What a strip costs however thin it is, on device, link and edge server."""
        setting, link = self.setting, self.setting.link
        up, back = self._coding[cut - 1]
        return (
            link.message_device_s
            + setting.device.strip_s(1, cut - 1)
            + up.encode_s
            + back.decode_s,
            link.up_s(link.message_bytes),
            link.message_edge_s
            + setting.edge.strip_s(cut, self.rows.tau)
            + up.decode_s
            + back.encode_s,
        )

    @cached_property
    def _coding(self) -> tuple[tuple[PieceCoding, PieceCoding], ...]:
        """By cut, what coding a piece takes besides, on the way up and on the way back."""
        graph, setting = self.rows.graph, self.setting
        return tuple(
            (
                piece_coding(graph.sent(cut), setting.compression),
                piece_coding(
                    graph.returned(cut) if self.rows.makes_outputs else (),
                    setting.back_compression,
                ),
            )
            for cut in range(1, self.rows.tau + 2)
        )

    def durations(self, segments: Sequence[Segment]) -> FloatArray:
        """Seconds of every strip by machine, fixed costs included; shape (machines, strips)."""
        costs = self._costs_of_all(segments)
        seconds = self._seconds(costs)
        returned = costs[3] if self.returns_parts else 0.0
        messages = self.setting.link.messages(costs[1], returned, paths=costs.shape[1])
        seconds[0] += messages.device_s
        seconds[1] = messages.link_s
        seconds[2] += messages.edge_s
        return seconds

    def wire_bytes(self, segments: Sequence[Segment]) -> tuple[FloatArray, FloatArray | None]:
        """What every strip sends up, messages included, and what of it returns, if in parts."""
        costs = self._costs_of_all(segments)
        return self.setting.link.on_wire(costs[1]), costs[3] if self.returns_parts else None

    def _costs_of_all(self, segments: Sequence[Segment]) -> FloatArray:
        ends = [(item.start, item.stop) for item in segments]
        resumes = self.rows.resumes([item.cut for item in segments], ends)
        return np.concatenate(
            [self._costs_of(*item) for item in zip(segments, resumes, strict=True)], axis=1
        )

    def _costs_of(self, segment: Segment, resume: Resume) -> FloatArray:
        """What `StripCosts` counts, fixed costs of computing included; shape (3 or 4, strips)."""
        if (segment, resume) not in self._met:
            costs = self.costs.segment(
                segment.cut, segment.start, segment.stop, resume, segment.strips
            )
            device, edge = self.setting.device, self.setting.edge
            # A strip that adds nothing on a machine costs nothing there.
            costs[0] += device.strip_s(1, segment.cut - 1) * (costs[0] > 0)
            costs[2] += edge.strip_s(segment.cut, self.rows.tau) * (costs[2] > 0)
            for coding, bytes_sent, sender, receiver in zip(
                self._coding[segment.cut - 1], costs[1::2], (0, 2), (2, 0), strict=False
            ):
                costs[sender] += coding.encode_s * (bytes_sent > 0)
                costs[receiver] += coding.decode_s * (bytes_sent > 0)
            self._met[segment, resume] = costs
        return self._met[segment, resume]

    def _seconds(self, costs: FloatArray) -> FloatArray:
        """Costs of `StripCosts` in seconds on device, link, edge and, for parts, the way back."""
        machines = 4 if self.returns_parts else 3
        seconds = costs[:machines].copy()
        seconds[1] = self.setting.link.up_s(seconds[1])
        seconds[3:] = self.setting.link.down_s(seconds[3:])
        return seconds
