"""The device's thread, in simulated time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.faults.clock import Clock

    Job = tuple["Owner", float, Callable[..., None], tuple[Any, ...]]


class Owner:
    """Whoever has the thread do something."""

    thread_s = 0.0
    """How long it does what it has begun of that."""


class Thread:
    """Does one thing after the other; what has begun is not broken off.

    What an earlier frame still needs goes ahead of paths of later ones that have not begun.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.free_s = 0.0
        """When what it does now is done."""
        self.spent_s = 0.0
        """How long it does all that it has begun."""
        self.busy = False
        self._ahead: deque[Job] = deque()
        self._usual: deque[Job] = deque()

    def submit(
        self, owner: Owner, taken_s: float, done: Callable[..., None], *arguments: Any
    ) -> None:
        """Do something when all that was asked before is done."""
        self._usual.append((owner, taken_s, done, arguments))
        self._next()

    def submit_ahead(
        self, owner: Owner, taken_s: float, done: Callable[..., None], *arguments: Any
    ) -> None:
        """Do something before all that has not begun, but what was put ahead before it."""
        self._ahead.append((owner, taken_s, done, arguments))
        self._next()

    def drop(self, owner: Owner) -> None:
        """Forget what has not begun."""
        for jobs in (self._ahead, self._usual):
            kept = [job for job in jobs if job[0] is not owner]
            jobs.clear()
            jobs.extend(kept)

    def left_s(self, owner: Owner) -> list[float]:
        """How long each thing takes that has not begun."""
        return [job[1] for jobs in (self._ahead, self._usual) for job in jobs if job[0] is owner]

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to do."""
        return not (self.busy or self._ahead or self._usual)

    @property
    def running_s(self) -> float:
        """How long what it does now will go on."""
        return max(self.free_s - self.clock.now, 0.0) if self.busy else 0.0

    def _next(self) -> None:
        if self.busy or not (self._ahead or self._usual):
            return
        self.busy = True
        owner, taken_s, done, arguments = (self._ahead or self._usual).popleft()
        owner.thread_s += taken_s
        self.spent_s += taken_s
        self.free_s = self.clock.now + taken_s
        self.clock.after(taken_s, self._done, done, arguments)

    def _done(self, done: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self.busy = False
        done(*arguments)
        self._next()
