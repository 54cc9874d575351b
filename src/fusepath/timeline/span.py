"""What happened when, predicted or measured, in one form."""

from __future__ import annotations

from enum import StrEnum

import msgspec

HEAD = 0
"""Stands for what the device computes before all paths, where spans have paths."""


class Lane(StrEnum):
    """A machine or a direction of the link; each does one thing at a time."""

    DEVICE = "device"
    UPLINK = "uplink"
    EDGE = "edge"
    DOWNLINK = "downlink"


class Span(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One piece of work on one lane.

    ``path`` is the 1-based path, 0 (`HEAD`) for what comes before all paths, or None for the tail
    and what returns for all paths. Times are seconds since the start of the inference. ``worker``
    tells the edge server's workers apart (0-based).
    """

    lane: Lane
    start_s: float
    end_s: float
    path: int | None = None
    worker: int = 0

    @property
    def duration_s(self) -> float:
        """How long it took."""
        return self.end_s - self.start_s

    @property
    def work(self) -> str:
        """What it is, in words."""
        if self.path is None:
            return "the result" if self.lane is Lane.DOWNLINK else "the tail"
        return "the head" if self.path == HEAD else f"path {self.path}"


class Timeline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All spans of one inference, predicted by a simulation or measured in a run."""

    spans: tuple[Span, ...]
    measured: bool = False
    settled_s: float = 0.0
    """When all messages had arrived, also those that bring no work: nothing shows their delay."""
    clock_error_s: float = 0.0
    """How far the edge server's times may be off against the device's (half a round trip)."""

    @property
    def end_s(self) -> float:
        """When the last piece of work ended and all had arrived: makespan or measured latency."""
        return max((self.settled_s, *(span.end_s for span in self.spans)))

    def on(self, lane: Lane) -> tuple[Span, ...]:
        """Spans of a lane by start."""
        return tuple(
            sorted((s for s in self.spans if s.lane is lane), key=lambda s: (s.start_s, s.end_s))
        )

    def busy_s(self, lane: Lane) -> float:
        """Total work on a lane."""
        return sum(span.duration_s for span in self.on(lane))
