"""The device's thread, in simulated time."""

from __future__ import annotations

import itertools
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.faults.clock import Clock

    Job = tuple[int, int, "Owner", float, Callable[..., None], tuple[Any, ...]]


class Owner:
    """A frame that has the thread do something.

    Args:
        number: of the frame, from 0.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.thread_s = 0.0
        """How long the thread does what it has begun for it."""


class Thread:
    """Does one thing after the other: of two frames, all that is to do for the earlier first.

    What has begun is not broken off.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.free_s = 0.0
        """When what it does now is done."""
        self.spent_s = 0.0
        """How long it does all that it has begun."""
        self.busy = False
        self._jobs: list[Job] = []
        """A heap."""
        self._asked = itertools.count()

    def submit(
        self, owner: Owner, taken_s: float, done: Callable[..., None], *arguments: Any
    ) -> None:
        """Do something when all is done that was asked before for the same frame."""
        heappush(self._jobs, (owner.number, next(self._asked), owner, taken_s, done, arguments))
        self._next()

    def drop(self, owner: Owner) -> None:
        """Forget what has not begun."""
        self._jobs = [job for job in self._jobs if job[2] is not owner]
        heapify(self._jobs)

    def left_s(self, owner: Owner) -> list[float]:
        """How long each thing takes that has not begun."""
        return [job[3] for job in self._jobs if job[2] is owner]

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to do."""
        return not (self.busy or self._jobs)

    @property
    def running_s(self) -> float:
        """How long what it does now will go on."""
        return max(self.free_s - self.clock.now, 0.0) if self.busy else 0.0

    def _next(self) -> None:
        if self.busy or not self._jobs:
            return
        self.busy = True
        _, _, owner, taken_s, done, arguments = heappop(self._jobs)
        owner.thread_s += taken_s
        self.spent_s += taken_s
        self.free_s = self.clock.now + taken_s
        self.clock.after(taken_s, self._done, done, arguments)

    def _done(self, done: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self.busy = False
        done(*arguments)
        self._next()
