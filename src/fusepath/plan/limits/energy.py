"""What a plan's device draws, moment by moment, sharing no code with what plans are chosen by."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from fusepath.timeline import Lane

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusepath.plan.plan import Plan
    from fusepath.timeline import Span


def drawn_j(plan: Plan) -> float:
    """Joules that the device draws: between two events, what it does does not change.

    Args:
        plan: whose device's power is known.
    """
    power = plan.device.power
    assert power, "the caller knows that there is one"
    doing = {
        Lane.DEVICE: power.compute_w,
        Lane.UPLINK: power.send_w,
        Lane.DOWNLINK: power.receive_w,
    }
    work = [
        (start_s, end_s, doing[span.lane] - power.wait_w)
        for span in plan.timeline.spans
        if span.lane in doing
        for start_s, end_s in _at_work(span, plan.link.delay_s)
    ]
    events = sorted({0.0, plan.timeline.end_s, *(at for item in work for at in item[:2])})
    return sum(
        (end_s - start_s)
        * (power.wait_w + sum(more_w for begin, stop, more_w in work if begin <= start_s < stop))
        for start_s, end_s in pairwise(events)
    )


def _at_work(span: Span, delay_s: float) -> Iterator[tuple[float, float]]:
    """When the radio is at work; the result's last bytes arrive a delay after they were sent."""
    late_s = delay_s if span.lane is Lane.DOWNLINK and span.path is None else 0.0
    if span.end_s - late_s > span.start_s:
        yield span.start_s + late_s, span.end_s
