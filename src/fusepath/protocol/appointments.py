"""Peers that were sent away for now, and told when to come back.

Who asks again the moment it was answered would take every place that becomes free before those who
do as they were told. So their work counts as if it waited already, for all who came after them.

No clock is in here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_LATE = 1.5
"""Devices come back after so many times as long as they were told at most."""
_LATER_S = 1.0
"""And so much later, by what is between them and here."""


@dataclass(slots=True)
class _Appointment:
    work_s: float
    until_s: float


@dataclass(slots=True)
class Appointments:
    """Of peers that have not come back yet, in the order in which they were sent away first."""

    _made: dict[str, _Appointment] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._made)

    def make(self, peer: str, work_s: float, *, now_s: float, after_s: float) -> None:
        """A peer is sent away, with so much work, for so long; it keeps the place that it has."""
        self._made[peer] = _Appointment(work_s, now_s + _LATE * after_s + _LATER_S)

    def drop(self, peer: str) -> None:
        """A peer is here, or gone for good."""
        self._made.pop(peer, None)

    def ahead_s(self, peer: str, now_s: float) -> float:
        """Work of those who were sent away before a peer, and may still come."""
        self._made = {one: made for one, made in self._made.items() if made.until_s > now_s}
        ahead_s = 0.0
        for one, made in self._made.items():
            if one == peer:
                break
            ahead_s += made.work_s
        return ahead_s
