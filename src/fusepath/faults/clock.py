"""Time that passes from one event to the next."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Timer = list[Any]
"""When, a number, what to do and with what; nothing, once it is cancelled."""


class Violation(AssertionError):  # noqa: N818 - not an error of the program that tells it
    """Something happened that must not."""


def require(holds: object, what: str, *about: object) -> None:
    """Raise unless something holds.

    Args:
        holds: anything that is true.
        what: does not hold, with places as of `str.format`: much is required, and little violated.
        about: what stands in these places.
    """
    if not holds:
        raise Violation(what.format(*about) if about else what)


class Clock:
    """A heap of what is to happen."""

    __slots__ = ("_heap", "_number", "events", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self.events = 0
        self._heap: list[Timer] = []
        self._number = 0

    def after(self, delay_s: float, action: Callable[..., None], *arguments: Any) -> Timer:
        """Do something later; what is due at the same time is done in the order of asking."""
        self._number += 1
        timer = [self.now + delay_s, self._number, action, arguments]
        heapq.heappush(self._heap, timer)
        return timer

    def move(self, timer: Timer, by_s: float) -> Timer:
        """A timer that goes off so much later, but not in the past."""
        action, arguments = timer[2:]
        if action is None:
            return timer
        cancel(timer)
        return self.after(max(timer[0] + by_s - self.now, 0.0), action, *arguments)

    def step(self) -> bool:
        """Let the next thing happen; whether there was any."""
        while self._heap:
            timer = heapq.heappop(self._heap)
            due_s, _, action, arguments = timer
            if action is not None:
                cancel(timer)  # once is enough
                self.now = due_s
                self.events += 1
                action(*arguments)
                return True
        return False


def cancel(timer: Timer | None) -> None:
    """Have a timer do nothing."""
    if timer is not None:
        timer[2], timer[3] = None, ()
