"""How long work has waited of late for a worker that others had, beside how long it took.

An edge server tells devices, so that they plan with the share of it that they get. No clock, socket
or thread is in here.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

HALVES_AFTER_S = 2.0
"""What is so old counts half."""
_NOTHING_S = 0.02
"""So much work that did not wait counts besides: a server that has had next to none is idle."""
_MOST_PEERS = 4096


@dataclass(frozen=True, slots=True)
class Asked:
    """Some work that a peer has asked for."""

    peer: str
    asked_s: float
    others_s: float
    """What had been worked for others by then."""


@dataclass(slots=True)
class Waits:
    """Sums of the last seconds."""

    _waited_s: float = 0.0
    _worked_s: float = 0.0
    _at_s: float = 0.0
    _all_s: float = 0.0
    _of_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """What was worked for each peer, ever."""

    def asked(self, peer: str, now_s: float) -> Asked:
        """A peer asks for some work."""
        return Asked(peer, now_s, self._all_s - self._of_s[peer])

    def done(self, asked: Asked, begun_s: float, now_s: float) -> None:
        """It is done. It has waited for others no longer than was worked for them meanwhile."""
        others_s = self._all_s - self._of_s[asked.peer] - asked.others_s
        worked_s = now_s - begun_s
        self._age(now_s)
        self._waited_s += max(min(begun_s - asked.asked_s, others_s), 0.0)
        self._worked_s += worked_s
        if len(self._of_s) >= _MOST_PEERS:
            self._of_s.clear()
            self._all_s = 0.0
        self._all_s += worked_s
        self._of_s[asked.peer] += worked_s

    def slowness(self, now_s: float) -> float:
        """How many times longer work takes than computing it: 1 where nobody waits for others."""
        self._age(now_s)
        return 1.0 + self._waited_s / (self._worked_s + _NOTHING_S)

    def _age(self, now_s: float) -> None:
        left = 0.5 ** ((now_s - self._at_s) / HALVES_AFTER_S)
        self._waited_s *= left
        self._worked_s *= left
        self._at_s = now_s
