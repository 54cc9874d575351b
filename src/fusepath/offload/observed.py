"""What a frame, or a probe, shows of link and machines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fusepath.protocol.adapting import Answered, Probed
from fusepath.protocol.distance import JITTER
from fusepath.protocol.gauge import Taken
from fusepath.timeline import Lane

if TYPE_CHECKING:
    from fusepath.cost import Link
    from fusepath.offload.inference import Inference
    from fusepath.offload.pairing import Prepared
    from fusepath.timeline import Timeline

_MATTERS = 0.04
"""Part of a frame's latency of which nothing has to be known,"""
_UNCLEAR_S = 0.0005
"""nor of so little."""
_PROBE_UNCLEAR_S = 0.001
_CROWDED = 2
"""A probe shows nothing beside more than one part in so many of what it sends."""


def answered(
    inference: Inference,
    prepared: Prepared,
    link: Link,
    *,
    further_s: float,
    beside: bool,
    others_bytes: tuple[int, int] = (0, 0),
) -> Answered:
    """What a frame took, beside what it would have taken on the link that plans were made for.

    Args:
        inference: the frame.
        prepared: its plan.
        link: that plans were made for.
        further_s: how much longer messages are believed to be under way than on that link.
        beside: whether machines did other work of this session's meanwhile.
        others_bytes: so much went up, and down, beside it.
    """
    shown, planned, made_for = inference.timeline, prepared.predicted, prepared.plan.link
    more = inference.up_bytes / max(prepared.sent_bytes, 1)  # codecs: another picture
    unclear_s = _MATTERS * planned.end_s + _UNCLEAR_S
    between_s = unclear_s + shown.clock_error_s
    up_s = planned.busy_s(Lane.UPLINK) * made_for.up_bytes_per_s / link.up_bytes_per_s
    down_s = planned.busy_s(Lane.DOWNLINK) * made_for.down_bytes_per_s / link.down_bytes_per_s
    down_s *= inference.down_bytes / max(prepared.returned_bytes, 1.0)  # or outputs left out
    delay_s = link.delay_s + further_s
    under_way_s = math.inf if inference.under_way_s is None else inference.under_way_s
    up = Taken(_carried_s(shown, Lane.UPLINK, delay_s), up_s * more, between_s)
    down = Taken(_carried_s(shown, Lane.DOWNLINK, delay_s), down_s, between_s)
    return Answered(
        plan=prepared.recipe_sha256,
        latency_s=inference.latency_s,
        up=_less_others(up, inference.up_bytes, others_bytes[0]),
        down=_less_others(down, inference.down_bytes, others_bytes[1]),
        device=Taken(shown.busy_s(Lane.DEVICE), planned.busy_s(Lane.DEVICE), unclear_s),
        edge=Taken(_served_s(shown), planned.busy_s(Lane.EDGE), between_s),
        further_s=under_way_s - link.delay_s,
        beside=beside,
    )


def is_crowded(size_bytes: int, others_bytes: tuple[int, int]) -> bool:
    """Whether so much went up or down beside a probe that it shows nothing."""
    return _CROWDED * max(others_bytes) > size_bytes


def probed(
    size_bytes: int,
    took_s: tuple[float, float, float],
    link: Link,
    others_bytes: tuple[int, int] = (0, 0),
) -> Probed:
    """What a probe took, beside what it would have taken on that link.

    Args:
        size_bytes: sent up, and then down.
        took_s: a round trip of nothing just before, since links are far away, and not always
            alike; the round trip with those bytes up; and the one with those down.
        link: that plans were made for.
        others_bytes: so much went up, and down, beside it.
    """
    empty_s, up_s, down_s = took_s
    unclear_s = _PROBE_UNCLEAR_S + JITTER * empty_s
    up, down = (
        _less_others(
            Taken(max(taken_s - empty_s, 0.0), size_bytes / rate, unclear_s), size_bytes, others
        )
        for taken_s, rate, others in zip(
            (up_s, down_s), (link.up_bytes_per_s, link.down_bytes_per_s), others_bytes, strict=True
        )
    )
    return Probed(size_bytes, up, down, empty_s / 2 - link.delay_s)


def _less_others(taken: Taken, own_bytes: int, others_bytes: int) -> Taken:
    """What it took if all that was sent meanwhile took its share of that, which is not sure."""
    others_s = taken.measured_s * others_bytes / max(own_bytes + others_bytes, 1)
    return Taken(taken.measured_s - others_s, taken.planned_s, taken.unclear_s + others_s)


def _carried_s(timeline: Timeline, lane: Lane, delay_s: float) -> float:
    """How long one way of the link was busy; messages that follow each other pay one delay."""
    taken_s, free_s = 0.0, -1.0
    for span in timeline.on(lane):
        begins = span.start_s > free_s
        taken_s += max(span.duration_s - (delay_s if begins else 0.0), 0.0)
        free_s = span.end_s
    return taken_s


def _served_s(timeline: Timeline) -> float:
    """How long paths were at the edge server, beyond waiting for each other: with its queue."""
    arrived_s = {span.path: span.end_s for span in timeline.on(Lane.UPLINK)}
    free_s: dict[int, float] = {}
    served_s = 0.0
    for span in timeline.on(Lane.EDGE):
        ready_s = max(arrived_s.get(span.path, span.start_s), free_s.get(span.worker, 0.0))
        if span.path is None:  # the tail waits for all paths
            ready_s = max(arrived_s.values(), default=span.start_s)
            ready_s = max(ready_s, *free_s.values()) if free_s else ready_s
        served_s += span.end_s - min(ready_s, span.start_s)
        free_s[span.worker] = span.end_s
    return served_s
