"""What waits for a worker: peers take turns, and each gets what it asked for first.

Every other turn is that of the peer that has asked for the least work: who asks for one thing at a
time does not wait behind all that others have asked for at once, and these still have half of the
turns. What a peer has asked for counts until nothing of it waits any more: of what was asked for at
once the last is no more urgent than the first.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Asked(Generic[T]):
    """What waits of a peer."""

    items: deque[T] = field(default_factory=deque)
    work_s: float = 0.0
    """That it has asked for since something of it waits."""


class FairQueue(Generic[T]):
    """A queue for each peer, of which the one that has waited longest is next, or that is least."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, _Asked[T]] = OrderedDict()
        self._least_next = False

    def __len__(self) -> int:
        return sum(len(asked.items) for asked in self._waiting.values())

    def put(self, peer: str, item: T, work_s: float) -> None:
        """Have something of a peer wait that takes so long."""
        asked = self._waiting.setdefault(peer, _Asked())
        asked.items.append(item)
        asked.work_s += work_s

    def want(self, peer: str, work_s: float) -> None:
        """A peer has asked for work that does not wait here; what does is less urgent."""
        if peer in self._waiting:
            self._waiting[peer].work_s += work_s

    def take(self) -> T:
        """What is next; its peer has its next turn after all others.

        Raises:
            LookupError: nothing waits.
        """
        peer = self._next()
        asked = self._waiting.pop(peer)
        item = asked.items.popleft()
        if asked.items:
            self._waiting[peer] = asked
        return item

    def _next(self) -> str:
        """Whose turn it is."""
        if not self._waiting:
            raise LookupError("nothing waits")
        self._least_next = not self._least_next
        if self._least_next:  # of several, the one that has waited longest
            return min(self._waiting, key=lambda peer: self._waiting[peer].work_s)
        return next(iter(self._waiting))
