"""What a frame will take, as the last ones show."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from fusepath.timeline import typical

if TYPE_CHECKING:
    from fusepath.timeline import Timeline

FRAMES = 9
"""What is expected is the middle of so many,"""
FEW = 3
"""once there are so many. A rehearsal before them was at another time: machines are quicker and
slower by the minute, and in a rehearsal neither of them is disturbed by the other's messages."""


class Forecast:
    """Follows the plan in use, by its recipe's digest; asked from any thread, told from one."""

    def __init__(self) -> None:
        self._seen: tuple[str, tuple[Timeline, ...]] = ("", ())
        """The plan that was used last, and its last frames."""

    def see(self, plan: str, frame: Timeline) -> None:
        """Take in a frame that was alone, and was answered as planned."""
        self._seen = plan, (*self._frames_of(plan), frame)[-FRAMES:]

    def timeline(self, plan: str, rehearsed: Timeline) -> Timeline:
        """What the next frame of a plan will do, if it is alone."""
        frames = self._frames_of(plan)
        return typical(frames) if len(frames) >= FEW else rehearsed

    def latency_s(self, plan: str, rehearsed: Timeline) -> float:
        """How long that takes."""
        frames = self._frames_of(plan)
        if len(frames) < FEW:
            return rehearsed.end_s
        return statistics.median(frame.end_s for frame in frames)

    def _frames_of(self, plan: str) -> tuple[Timeline, ...]:
        used, frames = self._seen
        return frames if used == plan else ()
