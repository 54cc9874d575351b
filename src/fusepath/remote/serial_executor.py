"""Work that must be done in order, on threads that others use as well."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class SerialExecutor:
    """Runs jobs one after the other, in the order in which they come.

    The thread that ends a job has the next one run, so nothing waits for whoever handed the jobs
    in. After each job all others that wait for the threads have their turn.

    Args:
        submit: has something run on one of the threads that takes so many seconds.
    """

    def __init__(self, submit: Callable[[Callable[[], object], float], object]) -> None:
        self._submit = submit
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Callable[[], object], float]] = deque()
        self._busy = False

    def submit(self, run: Callable[[], object], work_s: float = 0.0) -> None:
        """Run it once all that came before has ended, whether it went well or not.

        It tells by itself what comes of it.
        """
        with self._lock:
            self._waiting.append((run, work_s))
            idle, self._busy = not self._busy, True
        if idle:
            self._submit(self._next, work_s)

    def _next(self) -> None:
        with self._lock:
            run, _ = self._waiting.popleft()
        try:
            run()
        finally:
            with self._lock:
                self._busy = bool(self._waiting)
                next_s = self._waiting[0][1] if self._busy else None
            if next_s is not None:
                with suppress(RuntimeError):  # the threads were let go, and nobody waits any more
                    self._submit(self._next, next_s)
