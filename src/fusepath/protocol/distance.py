"""How much further away the edge server is than plans take it to be.

A message that takes longer has been sent further, or over a slower link: one frame does not tell
which. An exchange of nothing does, while nothing else is on the link. A machine may pause, though,
or something be on the link after all, hardly twice: two such exchanges in a row are believed. That
the server is nearer frames show as well, for none of their messages is under way for less.

No clock, socket or thread is in here.
"""

from __future__ import annotations

from dataclasses import dataclass

JITTER = 0.25
"""What a message is under way for differs by this part of it from the next one,"""
_UNCLEAR_S = 0.0005
"""and by so much."""


@dataclass(slots=True)
class Distance:
    """Follows it; each way, in seconds.

    Args:
        planned_s: what messages are planned to be under way for.
    """

    planned_s: float
    further_s: float = 0.0
    """Believed: they are for so much longer."""
    _last_s: float = 0.0
    """What the last exchange has shown."""

    def show(self, further_s: float) -> bool:
        """Take in what an exchange of nothing shows; whether another distance is believed."""
        least_s, most_s = sorted((further_s, self._last_s))
        self._last_s = further_s
        return self._believe(min(max(self.further_s, least_s), most_s))

    def bound(self, further_s: float) -> bool:
        """Take in what it is at most; whether another distance is believed."""
        return further_s < self.further_s and self._believe(further_s)

    def _believe(self, further_s: float) -> bool:
        """Believe it if the difference is no chance."""
        longest_s = self.planned_s + max(further_s, self.further_s)
        if abs(further_s - self.further_s) <= _UNCLEAR_S + JITTER * longest_s:
            return False
        self.further_s = further_s
        return True
