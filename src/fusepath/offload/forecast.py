"""What a frame will take, as the last ones show."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from fusepath.timeline import typical

if TYPE_CHECKING:
    from fusepath.offload.inference import Inference
    from fusepath.offload.pairing import Prepared
    from fusepath.timeline import Timeline

FRAMES = 9
"""What is expected is the middle of so many,"""
FEW = 3
"""once there are so many. A rehearsal before them was at another time: machines are quicker and
slower by the minute, and in a rehearsal neither of them is disturbed by the other's messages."""


class Forecast:
    """Follows the plan in use; asked from any thread, told from one."""

    def __init__(self) -> None:
        self._seen: tuple[str, tuple[Timeline, ...]] = ("", ())
        """By recipe, the last frames of the plan that was used last."""

    def see(self, inference: Inference, prepared: Prepared) -> None:
        """Take in a frame that was alone, and was answered as planned."""
        before = self._frames_of(prepared)
        self._seen = prepared.recipe_sha256, (*before, inference.timeline)[-FRAMES:]

    def timeline(self, prepared: Prepared) -> Timeline:
        """What the next frame of a plan will do, if it is alone."""
        frames = self._frames_of(prepared)
        return typical(frames) if len(frames) >= FEW else prepared.predicted

    def latency_s(self, prepared: Prepared) -> float:
        """How long that takes."""
        frames = self._frames_of(prepared)
        if len(frames) < FEW:
            return prepared.predicted.end_s
        return statistics.median(frame.end_s for frame in frames)

    def _frames_of(self, prepared: Prepared) -> tuple[Timeline, ...]:
        recipe_sha256, frames = self._seen
        return frames if recipe_sha256 == prepared.recipe_sha256 else ()
