"""What waits for a worker: peers take turns, and each gets what it asked for first."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """A queue for each peer, of which the one that has waited longest is next."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def put(self, peer: str, item: T) -> None:
        """Have something of a peer wait."""
        self._waiting.setdefault(peer, deque()).append(item)

    def take(self) -> T:
        """What is next; its peer has its next turn after all others.

        Raises:
            LookupError: nothing waits.
        """
        peer, items = self._waiting.popitem(last=False)
        item = items.popleft()
        if items:
            self._waiting[peer] = items
        return item
