"""One timeline for several of the same work."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from fusepath.timeline.span import Span, Timeline

if TYPE_CHECKING:
    from collections.abc import Sequence


def typical(timelines: Sequence[Timeline]) -> Timeline:
    """Of every piece of work that all of them have, the median beginning and the median end.

    Medians keep order: what ends before something else begins in each of them does so here.

    Args:
        timelines: one at least.
    """
    by_work = [{(span.lane, span.path): span for span in item.spans} for item in timelines]
    return Timeline(
        spans=tuple(
            Span(
                lane=last.lane,
                start_s=statistics.median(item[work].start_s for item in by_work),
                end_s=statistics.median(item[work].end_s for item in by_work),
                path=last.path,
                worker=last.worker,
            )
            for work, last in by_work[-1].items()
            if all(work in item for item in by_work)
        ),
        settled_s=statistics.median(item.settled_s for item in timelines),
        clock_error_s=max(item.clock_error_s for item in timelines),
    )
