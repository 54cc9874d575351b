"""Who did what: the spans of a timeline by lane, and what of a lane overlaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.timeline.span import Lane

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusepath.timeline.span import Span, Timeline

_ROUNDING_S = 1e-9


def lanes(timeline: Timeline) -> list[tuple[str, tuple[Span, ...]]]:
    """Every lane that has work, by name, with its spans by start.

    Workers of the edge server are lanes of their own, counted from 1 where there are several.
    """
    found = []
    for lane in Lane:
        spans = timeline.on(lane)
        workers = sorted({span.worker for span in spans})
        for worker in workers:
            name = str(lane) if len(workers) == 1 else f"{lane} {worker + 1}"
            found.append((name, tuple(span for span in spans if span.worker == worker)))
    return found


def rows(spans: Iterable[Span]) -> list[list[Span]]:
    """As few rows as hold no two spans at the same time.

    Args:
        spans: by start.
    """
    found: list[list[Span]] = []
    for span in spans:
        free = (row for row in found if row[-1].end_s <= span.start_s + _ROUNDING_S)
        row = next(free, None)
        if row is None:
            found.append([span])
        else:
            row.append(span)
    return found
