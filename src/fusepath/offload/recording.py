"""When what was done of an inference with an edge server: its measured timeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusepath.timeline import Lane, Span, Timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.offload.shared_link import SharedLink
    from fusepath.protocol.framing import EdgeSpan
    from fusepath.remote.client import ClockOffset


@dataclass(frozen=True, slots=True)
class _Returned:
    """A part of the outputs that has come back."""

    path: int
    arrived_s: float
    paced: tuple[float, float] | None
    """When a slow link that is played would have been busy with it."""


@dataclass(slots=True)
class Recording:
    """Takes note of spans; times are those of `time.perf_counter`, paths 0-based.

    Args:
        link: what the inference shares with other frames.
        offset: of the edge server's clock.
        begun_s: when the inference began.
    """

    link: SharedLink
    offset: ClockOffset
    begun_s: float
    _spans: list[Span] = field(default_factory=list)
    _written_s: dict[int, float] = field(default_factory=dict)
    _arrived_s: dict[int, float] = field(default_factory=dict)
    """When the server had the piece of a path; it says so with the result."""
    _returned: list[_Returned] = field(default_factory=list)
    under_way_s: float | None = None
    """As of `Inference`."""

    def record(
        self, lane: Lane, start_s: float, end_s: float, path: int | None = None, worker: int = 0
    ) -> None:
        """Take note of a span, whose path is 1-based."""
        self._spans.append(
            Span(
                lane=lane,
                start_s=start_s - self.begun_s,
                end_s=end_s - self.begun_s,
                path=path,
                worker=worker,
            )
        )

    def written(self, path: int, at_s: float) -> None:
        """The message of a path begins to go out."""
        self._written_s[path] = at_s

    def returned(self, path: int, arrived_s: float, paced: tuple[float, float] | None) -> None:
        """A part of the outputs has come back; when a slow link that is played was busy with it."""
        self._returned.append(_Returned(path, arrived_s, paced))

    def answered(self, served: Sequence[EdgeSpan], arrived_s: float, done_s: float) -> None:
        """The result has come back.

        Args:
            served: what the edge server has done, by its clock.
            arrived_s: when the result was here.
            done_s: when a slow link that is played would have been through with it.
        """
        served_s = {}
        took_s = arrived_s - self.begun_s
        least_s, most_s = self.begun_s - took_s, arrived_s + took_s

        def here_s(there_ns: int) -> float:
            """By this machine's clock; no server is believed to have taken ages."""
            return min(max(there_ns * 1e-9 - self.offset.seconds, least_s), most_s)

        for span in served:
            start_s = here_s(span.start_ns)
            end_s = max(here_s(span.end_ns), start_s)
            if span.path > 0:
                self._arrived_s[span.path - 1] = here_s(span.arrived_ns)
            served_s[span.path - 1] = end_s
            self.record(Lane.EDGE, start_s, end_s, path=span.path or None, worker=span.worker)
        last_s = max(served_s.values())
        self._compare(served_s, arrived_s - last_s)
        down_start_s = min(arrived_s, last_s)
        down_start_s = max(down_start_s, self._record_parts(served_s))
        self.record(Lane.DOWNLINK, min(down_start_s, done_s), done_s)
        self.link.down_free_s = max(done_s, self.link.down_free_s)
        if not self.link.is_paced:
            self._record_uplink()

    def _compare(self, served_s: dict[int, float], result_s: float) -> None:
        """Find out which messages were under way for least, each way; clocks cancel out.

        Args:
            served_s: when the server was through with a path.
            result_s: how long the result was.
        """
        ups_s = [
            self._arrived_s[path] - written_s
            for path, written_s in self._written_s.items()
            if path in self._arrived_s
        ]
        downs_s = [
            item.arrived_s - served_s[item.path] for item in self._returned if item.path in served_s
        ]
        downs_s.append(result_s)
        if ups_s:
            self.under_way_s = (min(ups_s) + min(downs_s)) / 2

    def timeline(self) -> Timeline:
        """All that was taken note of."""
        return Timeline(
            spans=tuple(sorted(self._spans, key=lambda span: span.start_s)),
            measured=True,
            clock_error_s=self.offset.error_s,
        )

    def _record_parts(self, served_s: dict[int, float]) -> float:
        """Record when parts were on their way back; when that way was free again.

        Args:
            served_s: when the server was through with a path.
        """
        free_s = self.link.down_free_s
        for item in self._returned:
            start_s = max(free_s, served_s.get(item.path, item.arrived_s))
            start_s = min(start_s, item.arrived_s)
            start_s, free_s = item.paced or (start_s, item.arrived_s)
            self.record(Lane.DOWNLINK, start_s, free_s, path=item.path + 1)
        return free_s

    def _record_uplink(self) -> None:
        """On a real link a message occupies it from when it may start to when it has arrived."""
        free_s = self.link.up_free_s
        for path, written_s in self._written_s.items():
            end_s = self._arrived_s[path]
            start_s = min(max(free_s, written_s), end_s)
            self.record(Lane.UPLINK, start_s, end_s, path=path + 1)
            free_s = end_s
        self.link.up_free_s = max(free_s, self.link.up_free_s)
