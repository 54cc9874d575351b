"""How long work has waited for a worker of late, beside how long it took.

An edge server tells devices, so that they plan with the share of it that they get. No clock, socket
or thread is in here.
"""

from __future__ import annotations

from dataclasses import dataclass

HALVES_AFTER_S = 2.0
"""What is so old counts half."""
_NOTHING_S = 0.02
"""So much work that did not wait counts besides: a server that has had next to none is idle."""


@dataclass(slots=True)
class Waits:
    """Sums of the last seconds."""

    _waited_s: float = 0.0
    _worked_s: float = 0.0
    _at_s: float = 0.0

    def add(self, *, waited_s: float, worked_s: float, now_s: float) -> None:
        """Some work is done."""
        self._age(now_s)
        self._waited_s += waited_s
        self._worked_s += worked_s

    def slowness(self, now_s: float) -> float:
        """How many times longer work takes than computing it: 1 where nothing waits."""
        self._age(now_s)
        return 1.0 + self._waited_s / (self._worked_s + _NOTHING_S)

    def _age(self, now_s: float) -> None:
        left = 0.5 ** ((now_s - self._at_s) / HALVES_AFTER_S)
        self._waited_s *= left
        self._worked_s *= left
        self._at_s = now_s
