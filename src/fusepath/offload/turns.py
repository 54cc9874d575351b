"""Whose turn it is: frames that are answered alone, and frames that overlap."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Turn:
    """A frame's turn; until it is passed on or ends no other frame begins.

    Args:
        lock: is held.
        overlapping: whether other frames may be under way at the same time.
    """

    begun_s: float
    """When the frame began, by `time.perf_counter`."""

    def __init__(self, lock: asyncio.Lock, *, overlapping: bool) -> None:
        self._lock: asyncio.Lock | None = lock
        self.overlapping = overlapping

    def pass_on(self) -> None:
        """Let the next frame begin, if it may overlap; again is no harm."""
        if self.overlapping:
            self.end()

    def end(self) -> None:
        """Let the next frame begin; again is no harm."""
        if self._lock is not None:
            lock, self._lock = self._lock, None
            lock.release()


class Turns:
    """Turns of one pairing, in the order in which they are asked for; on an event loop."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_busy(self) -> bool:
        """Whether a frame is under way, or about to begin."""
        return self._lock.locked() or self._under_way > 0

    @property
    def under_way(self) -> int:
        """Frames that have begun and not ended."""
        return self._under_way

    @asynccontextmanager
    async def take(self, *, begun_s: float | None = None, overlapping: bool) -> AsyncIterator[Turn]:
        """A turn, for as long as the frame takes.

        Args:
            begun_s: when the frame began; with its turn, without.
            overlapping: whether other frames may be under way. One that is answered alone begins
                when all before it have ended, and has its turn to the end.
        """
        await self._lock.acquire()
        turn = Turn(self._lock, overlapping=overlapping)
        try:
            if not overlapping:
                await self._idle.wait()
            turn.begun_s = time.perf_counter() if begun_s is None else begun_s
            self._under_way += 1
            self._idle.clear()
            try:
                yield turn
            finally:
                self._under_way -= 1
                if not self._under_way:
                    self._idle.set()
        finally:
            turn.end()
