"""Timelines as a TrackEvent trace: a process for predicted and for measured, a track for a lane."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from fusepath.report.trace import trace_event_pb2 as pb
from fusepath.timeline import HEAD, critical_path, lanes, rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusepath.plan import Plan
    from fusepath.timeline import Span, Timeline

_SEQUENCE = 1
"""All packets are of one sequence."""


def trace(plan: Plan, *timelines: Timeline) -> bytes:
    """Timelines of a plan as a file for https://ui.perfetto.dev or `trace_processor`.

    Every timeline is a process, and every lane a track; spans of a lane that are at the same time
    lie on tracks of one name, which are shown as one. A span tells its path (1-based) and cut,
    where it has one, and whether the end waited for it. Times are nanoseconds since the start of
    the inference, or since the earliest span where a clock error puts one before it.

    Args:
        plan: what they are timelines of.
        timelines: predicted, measured or both.
    """
    earliest_s = min((span.start_s for item in timelines for span in item.spans), default=0.0)
    writer = _Writer(plan, origin_s=min(0.0, earliest_s))
    for timeline in timelines:
        writer.add(timeline)
    data: bytes = writer.written.SerializeToString(deterministic=True)
    return data


class _Writer:
    """Puts packets after one another."""

    def __init__(self, plan: Plan, *, origin_s: float) -> None:
        self.written = pb.Trace()
        self._plan = plan
        self._origin_s = origin_s
        self._uuids = itertools.count(1)
        self._pids = itertools.count(1)

    def add(self, timeline: Timeline) -> None:
        """A process with the tracks of a timeline."""
        process = next(self._uuids)
        name = "measured" if timeline.measured else "predicted"
        self._packet(
            track_descriptor=pb.TrackDescriptor(
                uuid=process,
                process=pb.ProcessDescriptor(pid=next(self._pids), process_name=name),
                child_ordering=pb.TrackDescriptor.EXPLICIT,
            )
        )
        critical = {id(span) for span in critical_path(timeline)}
        for place, (lane, spans) in enumerate(lanes(timeline)):
            for row in rows(spans):
                track = next(self._uuids)
                self._packet(
                    track_descriptor=pb.TrackDescriptor(
                        uuid=track, parent_uuid=process, name=lane, sibling_order_rank=place
                    )
                )
                self._add_row(row, track, critical)

    def _add_row(self, row: Sequence[Span], track: int, critical: set[int]) -> None:
        """Spans one after another: rounded to nanoseconds, none begins before the last one ends."""
        last_ns = 0
        for span in row:
            start_ns = max(self._ns(span.start_s), last_ns)
            last_ns = max(self._ns(span.end_s), start_ns)
            begin = pb.TrackEvent(
                type=pb.TrackEvent.TYPE_SLICE_BEGIN,
                track_uuid=track,
                name=span.work,
                categories=[span.lane],
                debug_annotations=self._told(span, critical=id(span) in critical),
            )
            end = pb.TrackEvent(type=pb.TrackEvent.TYPE_SLICE_END, track_uuid=track)
            self._packet(timestamp=start_ns, track_event=begin)
            self._packet(timestamp=last_ns, track_event=end)

    def _told(self, span: Span, *, critical: bool) -> Iterator[pb.DebugAnnotation]:
        if span.path is not None and span.path != HEAD:
            yield pb.DebugAnnotation(name="path", int_value=span.path)
            yield pb.DebugAnnotation(name="cut", int_value=self._plan.cut_of(span.path))
        yield pb.DebugAnnotation(name="critical", bool_value=critical)

    def _ns(self, seconds: float) -> int:
        return round((seconds - self._origin_s) * 1e9)

    def _packet(self, **fields: object) -> None:
        self.written.packet.add(trusted_packet_sequence_id=_SEQUENCE, **fields)
