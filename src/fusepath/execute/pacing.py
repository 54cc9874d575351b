"""Playing a slow link and a weak device on a fast machine, in user space."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

_COARSE_S = 0.0015
"""Timers fire up to this much late; the rest of a wait is watched closely."""


@dataclass(slots=True)
class PacedLink:
    """A link of a fixed rate that sends one message after the other.

    ``bytes_per_s`` None does not slow anything down.
    """

    bytes_per_s: float | None = None
    _free_s: float = 0.0

    async def transfer(self, size_bytes: int) -> tuple[float, float] | None:
        """Wait as long as the message would be on the wire; its start and end, if paced."""
        if self.bytes_per_s is None:
            return None
        start_s = max(self._free_s, time.perf_counter())
        self._free_s = start_s + size_bytes / self.bytes_per_s
        await _sleep_until(self._free_s)
        return start_s, self._free_s


async def _sleep_until(deadline_s: float) -> None:
    remaining_s = deadline_s - time.perf_counter()
    if remaining_s > _COARSE_S:
        await asyncio.sleep(remaining_s - _COARSE_S)
    while time.perf_counter() < deadline_s:
        await asyncio.sleep(0)


def wait_until(deadline_s: float) -> None:
    """Block a computing thread until a moment of `time.perf_counter`."""
    remaining_s = deadline_s - time.perf_counter()
    if remaining_s > _COARSE_S:
        time.sleep(remaining_s - _COARSE_S)
    while time.perf_counter() < deadline_s:
        pass
