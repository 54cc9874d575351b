"""Whether a link is as quick as plans take it to be, told from what frames send over it anyway.

One frame tells little: links are shared, and machines pause. So a rate is believed until frames in
a row say otherwise, all to the same side, and by so much that it matters to their latency. What
goes on beside only ever adds time, so of frames that were slower the quickest is believed, and more
of them are waited for than of quicker ones. Where a link seems to go up and down, ever more are.

No clock, socket or thread is in here.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

FRAMES_SLOWER, FRAMES_QUICKER = 5, 3
MOST_FRAMES = 80
_MATTERS = 0.15
"""Part of a frame's latency by which it must be early or late on the link to say anything."""


@dataclass(frozen=True, slots=True)
class Carried:
    """How long a frame's bytes occupied one way of the link."""

    measured_s: float
    predicted_s: float
    planned_bytes_per_s: float
    """At this rate they would have taken what was predicted."""
    latency_s: float
    """Predicted, of the whole frame."""


@dataclass(slots=True)
class RateWatch:
    """Watches over one way of a link.

    Args:
        believed_bytes_per_s: what plans are made for.
    """

    believed_bytes_per_s: float
    _said: list[float] = field(default_factory=list)
    """Rates of the last frames, all above what is believed or all below."""
    _quiet: int = 0
    """Frames in a row that were as expected."""
    _doubt: int = 1
    """So many times more frames are waited for."""
    _went_up: bool | None = None

    def handle(self, event: Carried) -> float | None:
        """Take in a frame; the rate that is believed from now on, if that has changed."""
        if event.predicted_s <= 0 or event.measured_s <= 0:
            return None
        believed = self.believed_bytes_per_s
        expected_s = event.predicted_s * event.planned_bytes_per_s / believed
        if abs(event.measured_s - expected_s) < _MATTERS * event.latency_s:
            self._said.clear()
            self._quiet += 1
            if self._quiet >= MOST_FRAMES:
                self._doubt = 1
            return None
        rate = event.planned_bytes_per_s * event.predicted_s / event.measured_s
        quicker = rate > believed
        if self._said and (self._said[-1] > believed) != quicker:
            self._said.clear()
        self._said.append(rate)
        self._quiet = 0
        needed = (FRAMES_QUICKER if quicker else FRAMES_SLOWER) * self._doubt
        if len(self._said) < min(needed, MOST_FRAMES):
            return None
        if self._went_up is not None and self._went_up != quicker:
            self._doubt = min(2 * self._doubt, MOST_FRAMES)
        self._went_up = quicker
        self.believe(statistics.median(self._said) if quicker else max(self._said))
        return self.believed_bytes_per_s

    def believe(self, bytes_per_s: float) -> None:
        """Take a rate that is known from elsewhere."""
        self.believed_bytes_per_s = bytes_per_s
        self._said.clear()
