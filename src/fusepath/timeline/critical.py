"""Which pieces of work the end of an inference waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.timeline.check import must_precede

if TYPE_CHECKING:
    from fusepath.timeline.span import Span, Timeline


def critical_path(timeline: Timeline) -> tuple[Span, ...]:
    """A chain of spans up to the last one, each begun when it could: when the one before had ended.

    Before a span comes what ended last of all that it had to wait for: what its lane (of the edge
    server: its worker) did before, and what had to be done of its own path. Gaps are delays of the
    link, and in a measured timeline what nothing explains.
    """
    spans = [span for span in timeline.spans if span.duration_s > 0]
    if not spans:
        return ()
    chain = [max(spans, key=lambda span: span.end_s)]
    while True:
        last = chain[-1]
        waited_for = [
            span
            for span in spans
            if span not in chain
            and span.start_s < last.start_s
            and span.end_s <= last.start_s + timeline.clock_error_s + 1e-9
            and ((span.lane, span.worker) == (last.lane, last.worker) or must_precede(span, last))
        ]
        if not waited_for:
            return tuple(reversed(chain))
        chain.append(max(waited_for, key=lambda span: span.end_s))
