"""What waits for a worker: peers take turns, and each gets what it asked for first.

Every other turn is that of the peer with the least work waiting: who asks for one thing at a time
does not wait behind all that others have asked for at once, and these still have half of the turns.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Asked(Generic[T]):
    """What waits of a peer."""

    items: deque[tuple[T, float]] = field(default_factory=deque)
    work_s: float = 0.0


class FairQueue(Generic[T]):
    """A queue for each peer, of which the one that has waited longest is next, or that is least."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, _Asked[T]] = OrderedDict()
        self._least_next = False

    def __len__(self) -> int:
        return sum(len(asked.items) for asked in self._waiting.values())

    def put(self, peer: str, item: T, work_s: float = 0.0) -> None:
        """Have something of a peer wait that takes so long."""
        asked = self._waiting.setdefault(peer, _Asked())
        asked.items.append((item, work_s))
        asked.work_s += work_s

    def take(self) -> T:
        """What is next; its peer has its next turn after all others.

        Raises:
            LookupError: nothing waits.
        """
        peer = self._next()
        asked = self._waiting.pop(peer)
        item, work_s = asked.items.popleft()
        if asked.items:
            asked.work_s -= work_s
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
