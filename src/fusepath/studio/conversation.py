"""A session through faults as a picture: the device above, the edge server below, messages between.

Time goes to the right, but not to scale: a session waits seconds between things that take
milliseconds. Long gaps are drawn shorter, and where nothing happens for long, time is cut short.
"""

from __future__ import annotations

import itertools
import math
import statistics
from bisect import bisect_right
from typing import TYPE_CHECKING

from fusepath.faults import Answer
from fusepath.report.page.markup import element, label, rectangle, scrolled, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.faults import Carried, Harm, Line, Played, Story

_LEFT, _RIGHT = 92, 24
_FRAME, _ROW, _NAME = 20, 24, 16
_DEVICE_GAP, _LINK = 22, 130
_LEAST_STEP, _STEP, _MOST_STEP = 3.0, 10.0, 44.0
"""Pixels for a gap between two things: at least, for one as long as most are, and at most."""
_LETTER = 7.5
"""Pixels of one, about."""
_MOST_MESSAGES = 160
_FRAMES_BEFORE, _GOOD_AFTER = 2, 3
_CLASSES = {
    Answer.TOGETHER: "work",
    Answer.FELL_BACK: "fell",
    Answer.ALONE: "lonely",
    Answer.NOBODY: "failed",
}
_MARKS = {Answer.TOGETHER: "", Answer.FELL_BACK: "F", Answer.ALONE: "D", Answer.NOBODY: "X"}


class Scene:
    """What of a story is drawn: from before its first fault until all is well again.

    Args:
        story: of a session that was played.
    """

    def __init__(self, story: Story) -> None:
        frames = sorted(story.frames.values(), key=lambda frame: frame.begun_s)
        last_s = max((frame.ended_s or frame.begun_s for frame in frames), default=0.0)
        first_s = story.faults[0].begun_s if story.faults else 0.0
        before = [frame.begun_s for frame in frames if frame.begun_s <= first_s]
        self.from_s = before[-_FRAMES_BEFORE:][0] if before else 0.0
        over_s = max((fault.ended_s for fault in story.faults), default=first_s)
        self.to_s = min(_well_again_s(frames, over_s), last_s)
        sent = [message for message in story.messages if message.sent_s >= self.from_s]
        if len(sent) > _MOST_MESSAGES:
            self.to_s = min(self.to_s, sent[_MOST_MESSAGES].sent_s)
        self.frames = [item for item in frames if self._has(item.begun_s, item.ended_s)]
        self.messages = [item for item in sent if item.sent_s <= self.to_s]
        self.faults = [item for item in story.faults if self._has(item.begun_s, item.ended_s)]
        self.lines: Sequence[Line] = [
            line for line in story.lines if self.from_s <= line.at_s <= self.to_s
        ]

    def _has(self, begun_s: float, ended_s: float | None) -> bool:
        return begun_s <= self.to_s and (ended_s is None or ended_s >= self.from_s)

    @property
    def times_s(self) -> list[float]:
        """When anything begins or ends."""
        found = {self.from_s, self.to_s}
        for frame in self.frames:
            found |= {frame.begun_s, self.to_s if frame.ended_s is None else frame.ended_s}
        for fault in self.faults:
            found |= {fault.begun_s, fault.ended_s}
        for message in self.messages:
            found |= {message.sent_s, message.due_s}
        return sorted(time for time in found if self.from_s <= time <= self.to_s)


def _well_again_s(frames: Sequence[Played], over_s: float) -> float:
    """When some frames in a row have been answered together after that."""
    good = 0
    for frame in frames:
        if frame.begun_s >= over_s and frame.ended_s is not None:
            good = good + 1 if frame.answer is Answer.TOGETHER else 0
            if good == _GOOD_AFTER:
                return frame.ended_s
    return float("inf")


class Axis:
    """Where a time is drawn; gaps by the root of their length, up to the longest."""

    def __init__(self, times_s: Sequence[float]) -> None:
        gaps_s = [after - before for before, after in itertools.pairwise(times_s)]
        usual_s = statistics.median(gaps_s) if gaps_s else 1.0
        steps = [
            min(max(_STEP * math.sqrt(gap_s / usual_s), _LEAST_STEP), _MOST_STEP)
            for gap_s in gaps_s
        ]
        self.times_s = times_s
        self.places = list(itertools.accumulate(steps, initial=float(_LEFT)))
        self.cut = [
            (place, gap_s)
            for place, step, gap_s in zip(self.places, steps, gaps_s, strict=False)
            if step == _MOST_STEP
        ]
        """Where time is cut short, and how long that is."""

    @property
    def end(self) -> float:
        """Where it ends."""
        return self.places[-1]

    def at(self, time_s: float) -> float:
        """Where a time is; before and after all of them, where they begin and end."""
        after = bisect_right(self.times_s, time_s)
        if after == 0:
            return self.places[0]
        if after == len(self.times_s):
            return self.places[-1]
        begin_s, end_s = self.times_s[after - 1], self.times_s[after]
        left, right = self.places[after - 1], self.places[after]
        return left + (right - left) * (time_s - begin_s) / (end_s - begin_s)


def conversation_drawing(scene: Scene) -> str:
    """Markup of the picture, in a box that scrolls, and of what its marks mean."""
    axis = Axis(scene.times_s)
    rows = _rows(scene.frames, scene.to_s)
    names = _name_rows(scene.faults, axis)
    top = 8.0 + _NAME * (max(names, default=0) + 1)
    device = top + _ROW * max(len(rows), 1) + _DEVICE_GAP
    edge = device + _LINK
    inside = [
        _fault(fault, axis, _NAME * (row + 1), (top - 4, edge + 14))
        for fault, row in zip(scene.faults, names, strict=True)
    ]
    for number, items in enumerate(rows):
        inside += [_frame(frame, axis, top + _ROW * number, scene.to_s) for frame in items]
    inside += [
        label(0, top + 15, "frames"),
        label(0, device + 4, "device"),
        label(0, (device + edge) / 2 + 4, "link"),
        label(0, edge + 4, "edge server"),
        rectangle(_LEFT, device - 1, axis.end - _LEFT, 2.0, class_="ink"),
        rectangle(_LEFT, edge - 1, axis.end - _LEFT, 2.0, class_="ink"),
    ]
    inside += [_message(message, axis, device, edge) for message in scene.messages]
    inside += _ticks(axis, edge + 14)
    wide, tall = round(axis.end + _RIGHT), round(edge + 58)
    name = (
        f"{len(scene.frames)} frames, {len(scene.messages)} messages and {len(scene.faults)} "
        f"faults between {scene.from_s:.2f} and {scene.to_s:.2f} s"
    )
    drawn = element(  # as large as it is: what it shows differs from one to the next
        "svg",
        element("title", text(name)),
        *inside,
        viewBox=f"0 0 {wide} {tall}",
        role="img",
        class_="conversation",
        width=wide,
        height=tall,
    )
    key = text(
        "Lines are messages, up or down; broken ones arrive nowhere. Frames: F fell back to the "
        "device, D by the device alone, X by nobody. Time is not to scale, and cut short at ⋯."
    )
    return scrolled(drawn, name="the conversation") + element("p", key, class_="key")


def _rows(frames: Sequence[Played], to_s: float) -> list[list[Played]]:
    """Frames that do not overlap, row by row."""
    rows: list[list[Played]] = []
    for frame in frames:
        for row in rows:
            before = row[-1].ended_s
            if (to_s if before is None else before) <= frame.begun_s:
                row.append(frame)
                break
        else:
            rows.append([frame])
    return rows


def _frame(frame: Played, axis: Axis, top: float, to_s: float) -> str:
    ended_s = to_s if frame.ended_s is None else frame.ended_s
    left = axis.at(frame.begun_s)
    wide = max(axis.at(ended_s) - left, 2.0)
    why = f": {frame.reason}" if frame.reason else ""
    told = (
        f"frame {frame.number}, from {frame.begun_s:.4f} to {ended_s:.4f} s, answered by "
        f"{frame.answer}{why}"
    )
    mark = _MARKS[frame.answer]
    fitting = [
        words for words in (f"{frame.number}{mark}", mark) if wide >= _LETTER * len(words) + 4
    ]
    number = ""
    if fitting:
        short = fitting[0]
        number = label(left + wide / 2, top + 15, short, text_anchor="middle", fill="#000000")
    box = rectangle(left, top, wide, _FRAME, class_=f"frame-{_CLASSES[frame.answer]}")
    return element("g", element("title", text(told)), box, number)


def _name_rows(faults: Sequence[Harm], axis: Axis) -> list[int]:
    """The row for the name of each fault, so that none is written over another."""
    ends: list[float] = []
    rows = []
    for fault in faults:
        left = axis.at(fault.begun_s)
        row = next((place for place, end in enumerate(ends) if end <= left), len(ends))
        end = left + _LETTER * (len(fault.name) + 1)
        ends[row : row + 1] = [end]
        rows.append(row)
    return rows


def _fault(fault: Harm, axis: Axis, base: float, box: tuple[float, float]) -> str:
    left = axis.at(fault.begun_s)
    wide = max(axis.at(fault.ended_s) - left, 3.0)
    lasts_s = fault.ended_s - fault.begun_s
    told = f"fault: {fault.name}, at {fault.begun_s:.4f} s" + (
        f" for {lasts_s:.4f} s" if lasts_s else ""
    )
    return element(
        "g",
        element("title", text(told)),
        rectangle(left, box[0], wide, box[1] - box[0], class_="fault"),
        label(left, base - 3, fault.name),
    )


def _message(message: Carried, axis: Axis, device: float, edge: float) -> str:
    top, bottom = (device, edge) if message.way == 0 else (edge, device)
    way = "up" if message.way == 0 else "down"
    told = f"{way}: {message.words}, {message.sent_s:.4f} to {message.due_s:.4f} s"
    left, right = axis.at(message.sent_s), axis.at(message.due_s)
    if not message.arrived:
        told += ", arrives nowhere"
        right, bottom = (left + right) / 2, (top + bottom) / 2
    return element(
        "g",
        element("title", text(told)),
        element("line", x1=left, y1=top, x2=right, y2=bottom, class_=f"carried {way}"),
        element("circle", cx=right, cy=bottom, r=2.5, class_=f"arrived {way}")
        if message.arrived
        else label(right - 4, bottom + 4, "×"),
    )


def _ticks(axis: Axis, top: float) -> list[str]:
    """Times in seconds where there is room for them, and where time is cut short."""
    ticks, free = [label(0, top + 20, "s")], float(_LEFT)
    for time_s, place in zip(axis.times_s, axis.places, strict=True):
        if place >= free:
            ticks.append(rectangle(place, top, 1.0, 5.0, class_="ink"))
            ticks.append(label(place, top + 20, f"{time_s:.3f}"))
            free = place + 64
    for place, gap_s in axis.cut:
        middle = place + _MOST_STEP / 2
        told = element("title", text(f"{gap_s:.3f} s in which nothing happens"))
        mark = label(middle, top + 38, "⋯", text_anchor="middle")
        ticks.append(element("g", told, mark))
    return ticks
