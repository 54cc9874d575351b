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
    from collections.abc import Iterator

_REMEMBERED = 256


@dataclass(slots=True)
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
        self._last: deque[Passage] = deque(maxlen=_REMEMBERED)

    @contextmanager
    def begin(self, *, up_bytes: int = 0, down_bytes: int = 0) -> Iterator[Passage]:
        """Something is under way; how much it is may be said until it has ended."""
        passage = Passage(time.perf_counter(), up_bytes=up_bytes, down_bytes=down_bytes)
        self._last.append(passage)
        try:
            yield passage
        finally:
            passage.ended_s = time.perf_counter()
            passage.over.set()

    async def over(self) -> None:
        """Wait until whatever is under way now has ended."""
        for passage in tuple(self._last):
            await passage.over.wait()

    def bytes_between(self, begun_s: float, ended_s: float) -> tuple[int, int]:
        """How much was sent up, and down, by what was under way at any time between."""
        together = [
            passage
            for passage in self._last
            if passage.begun_s < ended_s and begun_s < passage.ended_s
        ]
        up_bytes = sum(passage.up_bytes for passage in together)
        return up_bytes, sum(passage.down_bytes for passage in together)
