"""Could a timeline have happened?"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from fusepath.timeline.span import HEAD, Lane

if TYPE_CHECKING:
    from fusepath.timeline.span import Span, Timeline

_ORDER = (Lane.DEVICE, Lane.UPLINK, Lane.EDGE, Lane.DOWNLINK)
_FOR_ALL = (Lane.EDGE, Lane.DOWNLINK, Lane.DEVICE)
"""What is done for all paths: the tail, what returns in the end, a tail on the device."""


def violations(
    timeline: Timeline, *, tolerance_s: float = 1e-9, shared_link: bool = True
) -> list[str]:
    """Everything impossible in a timeline; empty when it is possible.

    No span ends before it starts; a lane does one thing at a time (each edge worker is a lane of
    its own); the head comes before everything; a path is computed on the device, then sent, then
    computed at the edge, then its part of the result returns; the tail starts when all paths are
    done; what returns for all of them returns last; what the device does for all of them, it does
    in the end. A measured timeline is held to ``tolerance_s`` plus its own clock error between the
    two machines.

    Args:
        timeline: what to check.
        tolerance_s: slack for rounding (predicted) or for clock reading (measured).
        shared_link: False where a convention gives each path a link of its own.
    """
    slack = tolerance_s + timeline.clock_error_s
    problems = [
        f"{_name(span)} ends at {span.end_s} before it starts at {span.start_s}"
        for span in timeline.spans
        if span.end_s < span.start_s - tolerance_s
    ]
    lanes: dict[tuple[Lane, int], list[Span]] = {}
    for span in timeline.spans:
        if span.lane not in {Lane.UPLINK, Lane.DOWNLINK} or shared_link:
            lanes.setdefault((span.lane, span.worker), []).append(span)
    for spans in lanes.values():
        spans.sort(key=lambda s: (s.start_s, s.end_s))
        problems += [
            f"{_name(after)} starts at {after.start_s} while {_name(before)} runs to {before.end_s}"
            for before, after in itertools.pairwise(spans)
            if after.start_s < before.end_s - tolerance_s
        ]
    problems += _causes(timeline, slack)
    return problems


def _causes(timeline: Timeline, slack: float) -> list[str]:
    return [
        f"{_name(span)} starts at {span.start_s} before {_name(other)} ends at {other.end_s}"
        for span in timeline.spans
        for other in timeline.spans
        if must_precede(other, span) and span.start_s < other.end_s - slack
    ]


def must_precede(earlier: Span, later: Span) -> bool:
    """Whether one piece of work cannot begin before the other has ended, on whatever lanes."""
    if HEAD in (earlier.path, later.path):
        return earlier.path == HEAD != later.path
    return _precedes_in_turn(earlier, later)


def _precedes_in_turn(earlier: Span, later: Span) -> bool:
    """The same of what comes after the head."""
    if later.path is None:
        if earlier.path is None:
            return _FOR_ALL.index(earlier.lane) < _FOR_ALL.index(later.lane)
        return later.lane is not Lane.EDGE or earlier.lane is not Lane.DOWNLINK
    if earlier.path != later.path:
        return False
    return _ORDER.index(earlier.lane) < _ORDER.index(later.lane)


def _name(span: Span) -> str:
    return f"{span.work} on {span.lane}"
