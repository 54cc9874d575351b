"""Where a prediction and a measurement part."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.timeline.span import Lane, Span, Timeline

NOTICEABLE = 0.02
"""Share of the predicted latency by which a step must be late for the two to have parted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One piece of work in both timelines."""

    lane: Lane
    path: int | None
    """1-based; None for the layers behind the paths and for the result."""
    predicted: Span
    measured: Span

    @property
    def longer_s(self) -> float:
        """By how much it took longer than predicted; negative if it was quicker."""
        return self.measured.duration_s - self.predicted.duration_s

    @property
    def late_s(self) -> float:
        """By how much it ended later than predicted; negative if it was earlier."""
        return self.measured.end_s - self.predicted.end_s


def steps(predicted: Timeline, measured: Timeline) -> list[Step]:
    """All work that both timelines have, in the order in which it was predicted to end."""
    # Of a batch, every image has a head and a tail: the first goes with the first, and so on.
    actual: dict[tuple[Lane, int | None], deque[Span]] = defaultdict(deque)
    for span in sorted(measured.spans, key=_start_s):
        actual[span.lane, span.path].append(span)
    found = [
        Step(
            lane=span.lane,
            path=span.path,
            predicted=span,
            measured=actual[span.lane, span.path].popleft(),
        )
        for span in sorted(predicted.spans, key=_start_s)
        if actual[span.lane, span.path]
    ]
    return sorted(found, key=lambda step: step.predicted.end_s)


def _start_s(span: Span) -> float:
    return span.start_s


def parting(predicted: Timeline, several: Sequence[Step]) -> Step | None:
    """The first step from which on everything was late (or early) by a noticeable time.

    None if the end came about when it was predicted.

    Args:
        predicted: what `steps` were made from.
        several: its steps, in order.
    """
    limit_s = NOTICEABLE * predicted.end_s
    found = None
    for step in reversed(several):
        if abs(step.late_s) <= limit_s:
            break
        found = step
    return found
