"""Emulation a slow link and a weak device on a fast machine, in user space."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import msgspec

from fusepath.errors import SettingError, check_number

_COARSE_S = 0.0015
"""Timers of the event loop fire up to this much late; the rest of a wait is watched closely."""
_FINE_S = 0.0003
"""The same for a sleeping thread."""


class Emulation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How weak this machine and how slow its link shall seem, for tests and benchmarks.

    Raises:
        SettingError: a factor below one, or a rate that is not above zero.
    """

    pace_bytes_per_s: float | None = None
    """Rate of the link, both ways; None takes the link as it is."""
    slowdown: float = 1.0
    """Factor by which every path on this machine is stretched."""
    overlaps: bool = True
    """False: the device sends nothing before it has computed everything."""

    def __post_init__(self) -> None:
        check_number("slowdown", self.slowdown)
        if not self.slowdown >= 1:
            raise SettingError(f"slowdown {self.slowdown:g} must be 1 or more")
        if self.pace_bytes_per_s is None:
            return
        check_number("pace_bytes_per_s", self.pace_bytes_per_s)
        if not self.pace_bytes_per_s > 0:
            raise SettingError(f"pace_bytes_per_s {self.pace_bytes_per_s:g} must be above zero")


NO_EMULATION = Emulation()


@dataclass(slots=True)
class PacedLink:
    """A link of a fixed rate that sends one message after the other.

    ``bytes_per_s`` None does not slow anything down.
    """

    bytes_per_s: float | None = None
    _free_s: float = 0.0

    async def transfer(
        self, size_bytes: int, *, ready_s: float | None = None
    ) -> tuple[float, float] | None:
        """Wait as long as the message would be on the wire; its start and end, if paced.

        Args:
            size_bytes: of the message.
            ready_s: when it was there to be sent; now without. A wire takes it up then, if it is
                free, however late whoever plays the wire gets to it.
        """
        span_s = self.occupy(size_bytes, time.perf_counter() if ready_s is None else ready_s)
        if span_s is not None:
            await _sleep_until(span_s[1])
        return span_s

    def occupy(self, size_bytes: int, ready_s: float) -> tuple[float, float] | None:
        """When a message would be on the wire, if paced, without waiting for it.

        What is transferred after it waits for its end.
        """
        if self.bytes_per_s is None:
            return None
        start_s = max(self._free_s, ready_s)
        self._free_s = start_s + size_bytes / self.bytes_per_s
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
    if remaining_s > _FINE_S:
        time.sleep(remaining_s - _FINE_S)
    while time.perf_counter() < deadline_s:
        time.sleep(
            0
        )  # lets go of the interpreter: who only looks at the clock stops the event loop
