"""What is kept for later as long as there is room for it, by its size in bytes."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

K = TypeVar("K")
T = TypeVar("T")


class Shelf(Generic[K, T]):
    """Keeps things within a budget of bytes; what was not used for longest goes first.

    Args:
        budget_bytes: that everything on it has together.
    """

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._lent_bytes = 0
        self.held_bytes = 0
        self._kept: OrderedDict[K, tuple[T, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: K) -> bool:
        return key in self._kept

    def __iter__(self) -> Iterator[K]:
        return iter(self._kept)

    def __getitem__(self, key: K) -> T:
        """What is kept under a key, without that it counts as use."""
        return self._kept[key][0]

    def get(self, key: K) -> T | None:
        """What is kept under a key, which counts as use; None where there is nothing."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def make_room(self, size_bytes: int) -> bool:
        """Let go of what was not used for longest, for something of a size; whether it fits."""
        if size_bytes > self.room_bytes:
            return False
        while self.held_bytes + size_bytes > self.room_bytes:
            _, (_, freed_bytes) = self._kept.popitem(last=False)
            self.held_bytes -= freed_bytes
        return True

    @property
    def room_bytes(self) -> int:
        """What is left of the budget of what is lent."""
        return self.budget_bytes - self._lent_bytes

    def lend(self, size_bytes: int) -> None:
        """So much of the budget others have at the moment, in place of what they had before."""
        self._lent_bytes = min(size_bytes, self.budget_bytes)
        self.make_room(0)

    def put(self, key: K, item: T, size_bytes: int) -> bool:
        """Keep something in place of what had the key before; False where it does not fit."""
        self.drop(key)
        if not self.make_room(size_bytes):
            return False
        self._kept[key] = item, size_bytes
        self.held_bytes += size_bytes
        return True

    def drop(self, key: K) -> None:
        """Let go of what is kept under a key, if anything is."""
        if key in self._kept:
            self.held_bytes -= self._kept.pop(key)[1]
