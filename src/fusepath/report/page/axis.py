"""One time axis: device, link, edge server and way back, predicted and measured."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from fusepath.report.page.markup import drawing, element, label, rectangle, text
from fusepath.timeline import HEAD, Lane, critical_path, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusepath.report.page.story import Story
    from fusepath.timeline import Span, Timeline

_WIDTH, _LEFT, _RIGHT = 900, 92, 16
_BAR, _LANE_GAP, _ROW_GAP = 22, 16, 4
_NAMES = {
    Lane.DEVICE: "device",
    Lane.UPLINK: "link up",
    Lane.EDGE: "edge",
    Lane.DOWNLINK: "way back",
}
_LEAST_IDLE = 0.02
"""Of the axis: shorter bubbles have no room to be seen."""


def time_axis(story: Story) -> str:
    """Bars of every lane: what was predicted in outline, what was measured filled."""
    end_s = max(story.predicted.end_s, story.latency_s)
    scale = (_WIDTH - _LEFT - _RIGHT) / end_s if end_s > 0 else 0.0
    critical = {id(span) for span in critical_path(story.shown)}
    inside: list[str] = []
    top = 8.0
    for lane in Lane:
        if not (story.predicted.on(lane) or story.shown.on(lane)):
            continue
        inside.append(label(0, top + 16, _NAMES[lane]))
        for timeline, spans in _rows(story, lane):
            inside += _idle(spans, top, scale)
            inside += [
                _bar(story, span, top, scale, filled=timeline.measured, bold=id(span) in critical)
                for span in spans
            ]
            top += _BAR + _ROW_GAP
        top += _LANE_GAP
    inside += _ticks(end_s, scale, top)
    return drawing(
        _WIDTH,
        top + 34,
        *inside,
        name=f"Time axis of {end_s * 1e3:.1f} ms: {_words(story)}",
        class_="wide axis",
    )


def _rows(story: Story, lane: Lane) -> Iterator[tuple[Timeline, list[Span]]]:
    """Spans that do not overlap, row by row: of the prediction first."""
    timelines = [story.predicted] if story.measured is None else [story.predicted, story.measured]
    for timeline in timelines:
        yield from ((timeline, row) for row in rows(timeline.on(lane)))


def _bar(story: Story, span: Span, top: float, scale: float, *, filled: bool, bold: bool) -> str:
    colour = story.colour(span.path)
    left, wide = _LEFT + span.start_s * scale, max(span.duration_s * scale, 0.75)
    name = span.work
    told = (
        f"{name}, {_NAMES[span.lane]}, {'measured' if filled else 'predicted'}: "
        f"{span.duration_s * 1e3:.2f} ms, "
        f"from {span.start_s * 1e3:.2f} to {span.end_s * 1e3:.2f} ms"
        f"{', on the critical path' if bold else ''}"
    )
    short = {"the head": "H", "the tail": "T", "the result": "R"}.get(name, str(span.path))
    number = ""
    if wide >= 8 * len(short) + 4:
        number = label(
            left + wide / 2,
            top + 16,
            short,
            text_anchor="middle",
            class_=None if filled else "on-outline",
            fill=story.ink(span.path) if filled else None,
        )
    return element(
        "g",
        element("title", text(told)),
        rectangle(
            left,
            top,
            wide,
            _BAR,
            fill=colour,
            stroke=colour,
            class_=("filled" if filled else "outline") + (" critical" if bold else ""),
        ),
        number,
        data_path=span.path if span.path not in {None, HEAD} else None,
    )


def _idle(spans: list[Span], top: float, scale: float) -> list[str]:
    """Bubbles between two pieces of work, with their length where there is room."""
    found = []
    for before, after in itertools.pairwise(spans):
        wide = (after.start_s - before.end_s) * scale
        if wide < _LEAST_IDLE * (_WIDTH - _LEFT):
            continue
        left = _LEFT + before.end_s * scale
        idle_s = after.start_s - before.end_s
        found.append(rectangle(left, top + 9, wide, 4.0, class_="idle"))
        if wide > 70:
            found.append(
                label(
                    left + wide / 2,
                    top + 7,
                    f"idle {idle_s * 1e3:.1f} ms",
                    text_anchor="middle",
                    class_="small",
                )
            )
    return found


def _ticks(end_s: float, scale: float, top: float) -> list[str]:
    end_ms = end_s * 1e3
    step = 10 ** math.floor(math.log10(max(end_ms, 1e-3) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if end_ms / (step * factor) <= 9)
    ticks = []
    for place in range(int(end_ms / step) + 1):
        left = _LEFT + place * step * 1e-3 * scale
        ticks.append(rectangle(left, 4, 0.5, top, class_="tick"))
        ticks.append(label(left, top + 20, f"{place * step:g}", text_anchor="middle"))
    ticks.append(label(0, top + 20, "ms"))
    return ticks


def _words(story: Story) -> str:
    parts = [f"{_NAMES[lane]} {seconds * 1e3:.1f} ms" for lane, seconds in story.critical_s.items()]
    return f"on the critical path {', '.join(parts)}"
