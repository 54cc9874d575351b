"""What was on a link together: frames and probes slow each other down while they are."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_REMEMBERED = 4
"""So many of the last: more are not under way together with one thing that is looked back on."""


@dataclass(eq=False, slots=True)
class Passage:
    """Something that is sent, and answered; from when to when, by `time.perf_counter`."""

    begun_s: float
    ended_s: float = math.inf
    up_bytes: int = 0
    down_bytes: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Passages:
    """Of one kind; on an event loop."""

    def __init__(self) -> None:
        self._under_way: list[Passage] = []
        self._last: deque[Passage] = deque(maxlen=_REMEMBERED)
        self._watches: dict[int, list[Passage]] = {}

    @contextmanager
    def begin(self, *, up_bytes: int = 0, down_bytes: int = 0) -> Iterator[Passage]:
        """Something is under way; how much it is may be said until it has ended."""
        passage = Passage(time.perf_counter(), up_bytes=up_bytes, down_bytes=down_bytes)
        for seen in (self._under_way, self._last, *self._watches.values()):
            seen.append(passage)
        try:
            yield passage
        finally:
            passage.ended_s = time.perf_counter()
            self._under_way.remove(passage)
            passage.over.set()

    @contextmanager
    def watch(self) -> Iterator[list[Passage]]:
        """What is under way at any time meanwhile, from its beginning to its end or not."""
        seen = [*self._under_way]
        self._watches[id(seen)] = seen
        try:
            yield seen
        finally:
            del self._watches[id(seen)]

    def since(self, begun_s: float) -> list[Passage]:
        """Of the last, those that were under way at any time since then."""
        return [passage for passage in self._last if passage.ended_s > begun_s]


def bytes_of(passages: Sequence[Passage]) -> tuple[int, int]:
    """How much they send up, and get back."""
    up_bytes = sum(passage.up_bytes for passage in passages)
    return up_bytes, sum(passage.down_bytes for passage in passages)
