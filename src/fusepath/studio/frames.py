"""The last frames of a session as bars: how long each took, and whether the device was alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.report.page.markup import drawing, element, label, rectangle, scrolled, text
from fusepath.report.tables import milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.studio.watch import Seen

_STEP, _BAR, _HEIGHT, _LEFT = 13, 10, 90, 92
_MOST = 62


def frames_drawing(frames: int, seen: Sequence[Seen]) -> str:
    """Markup of a drawing, the latest to the right.

    Args:
        frames: all that there have been.
        seen: the last of them.
    """
    longest_s = max(item.latency_s for item in seen)
    alone = sum(item.alone for item in seen)
    inside = [label(0, 18, milliseconds(longest_s)), label(0, _HEIGHT + 6, "0")]
    for place, item in enumerate(seen):
        number = frames - len(seen) + place + 1
        tall = _HEIGHT * item.latency_s / longest_s
        how = "the device alone" if item.alone else "device and edge server"
        left = _LEFT + _STEP * place
        inside.append(
            element(
                "g",
                element("title", text(f"frame {number}, {milliseconds(item.latency_s)}, {how}")),
                rectangle(
                    left, 6 + _HEIGHT - tall, _BAR, tall, class_="lonely" if item.alone else "work"
                ),
            )
        )
        if item.alone:  # not told by colour alone
            inside.append(label(left + 1, _HEIGHT + 20, "D"))
    drawn = drawing(
        _LEFT + _STEP * _MOST,
        _HEIGHT + 24,
        *inside,
        name=f"The last {len(seen)} frames, {alone} of them by the device alone",
        class_="wide",
    )
    key = text("The last frames; D: by the device alone.")
    return scrolled(drawn, name="the last frames") + element("p", key, class_="key")
