"""A timeline as a text chart: one line per lane, one letter per path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.timeline import HEAD as HEAD_PATH
from fusepath.timeline import Lane, lanes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.timeline import Span, Timeline

_LETTERS = "123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSUVWXYZ"
HEAD, TAIL, RESULT, MANY, IDLE = "H", "T", "R", "#", "·"
_LABEL_WIDTH = 9


def gantt(timeline: Timeline, *, width: int = 71, until_s: float | None = None) -> str:
    """Draw a timeline.

    A path and its part of the result show as its number (letters after 9), what the device computes
    before all paths as ``H``, the tail as ``T``, what returns in the end as ``R``. Where two spans
    fall into one character, the longer one shows; a span never vanishes because it is short.

    Args:
        timeline: predicted or measured.
        width: characters for the time axis.
        until_s: right end of the axis, to draw several charts to one scale.
    """
    end_s = until_s if until_s is not None else timeline.end_s
    lines = []
    for name, spans in lanes(timeline):
        lines.append(f"{name:<{_LABEL_WIDTH}}{_line(spans, end_s, width)}")
    lines.append(" " * _LABEL_WIDTH + _axis(end_s, width))
    return "\n".join(lines)


def _line(spans: Sequence[Span], end_s: float, width: int) -> str:
    cells = [IDLE] * width
    filled_s = [0.0] * width
    for span in spans:
        per_cell = end_s / width if end_s > 0 else 1.0
        first = min(int(span.start_s / per_cell), width - 1)
        last = min(max(first, int(span.end_s / per_cell - 1e-9)), width - 1)
        for cell in range(max(first, 0), last + 1):
            overlap_s = min(span.end_s, (cell + 1) * per_cell) - max(span.start_s, cell * per_cell)
            if cells[cell] == IDLE or overlap_s > filled_s[cell]:
                cells[cell] = _mark(span)
                filled_s[cell] = overlap_s
    return "".join(cells)


def _mark(span: Span) -> str:
    if span.path is None:
        return RESULT if span.lane is Lane.DOWNLINK else TAIL
    if span.path == HEAD_PATH:
        return HEAD
    return _LETTERS[span.path - 1] if span.path <= len(_LETTERS) else MANY


def _axis(end_s: float, width: int) -> str:
    left, right = "0", f"{end_s * 1e3:.1f} ms"
    middle = f"{end_s * 5e2:.1f}"
    gap = width - len(left) - len(right) - len(middle)
    if gap < 2:
        return left + " " * (width - len(left) - len(right)) + right
    before = width // 2 - len(left) - len(middle) // 2
    return left + " " * before + middle + " " * (gap - before) + right
