"""Plans that were given up, and for how long they are left alone.

Each is for a while, which doubles should it be given up again. Where plan after plan is, what they
were predicted to take is wrong by something that they share, and others that promise as much are
left alone with them: for ever longer, until one keeps what it promises.

No clock, socket or thread is in here. Plans go by names, and time is counted in frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

COOL_DOWN = 50
"""Frames for which a plan is left alone, at first."""
IN_VAIN = 3
"""Plans given up in a row after which others are left alone."""
_MOST_IN_VAIN = 5
"""So often that doubles, at most."""


@dataclass(slots=True)
class GivenUp:
    """Knows which plans are left alone until when."""

    _until: dict[str, int] = field(default_factory=dict)
    _cool_down: dict[str, int] = field(default_factory=dict)
    """For how many frames they are, should they be given up again."""
    _in_vain: int = 0
    """Plans that were given up since one was not."""

    def holds(self, plan: str, frame: int) -> bool:
        """Whether a plan is left alone."""
        return self._until.get(plan, frame) > frame

    def ends(self, frame: int) -> bool:
        """Whether a plan is left alone no longer from just now."""
        return frame in self._until.values()

    def keep(self) -> None:
        """A plan has kept what it promised."""
        self._in_vain = 0

    def add(self, plan: str, frame: int, others: Callable[[], Iterable[str]]) -> None:
        """Give a plan up.

        Args:
            plan: which.
            frame: when.
            others: promise as much.
        """
        frames = self._cool_down.get(plan, COOL_DOWN)
        self._until[plan] = frame + frames
        self._cool_down[plan] = 2 * frames
        self._in_vain += 1
        if self._in_vain < IN_VAIN:
            return
        until = frame + COOL_DOWN * 2 ** min(self._in_vain - IN_VAIN, _MOST_IN_VAIN)
        for other in others():
            self._until[other] = max(self._until.get(other, until), until)
