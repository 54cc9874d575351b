"""A timer that is put off again and again, and is made anew only when it goes off too early."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class DueTimer:
    """Does something when it is due; on an event loop.

    Args:
        act: what.
    """

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self._due_s = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def due_after(self, after_s: float) -> None:
        """It is due so many seconds from now, and at no time that was said before."""
        loop = asyncio.get_running_loop()
        self._due_s = loop.time() + after_s
        if self._handle is None or self._due_s < self._handle.when():
            self.cancel()
            self._handle = loop.call_at(self._due_s, self._look)

    def cancel(self) -> None:
        """It is not due any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._handle = None
        if loop.time() < self._due_s:
            self._handle = loop.call_at(self._due_s, self._look)
        else:
            self._act()
