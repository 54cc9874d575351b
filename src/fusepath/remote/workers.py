"""Threads on which an edge server computes, for one peer after the other."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from fusepath.protocol.fair_queue import FairQueue
from fusepath.protocol.framing import EdgeSpan

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

T = TypeVar("T")


class Workers:
    """A number of threads that each know which of them they are.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self.pool = ThreadPoolExecutor(count, thread_name_prefix="edge-worker")
        self._count = count
        self._numbers = itertools.count()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._waiting: FairQueue[Callable[[], Any]] = FairQueue()
        self._backlog_s = 0.0

    def submit(self, peer: str, run: Callable[[], Any]) -> Future[Any]:
        """Run something when it is its peer's turn; whose turn ends then, the future says."""
        with self._lock:
            self._waiting.put(peer, run)
        return self.pool.submit(self._next)

    def _next(self) -> None:
        with self._lock:
            run = self._waiting.take()
        run()

    @property
    def backlog_s(self) -> float:
        """Until a worker is free, by what is to be computed of all that has come."""
        return self._backlog_s / self._count

    def expect(self, work_s: float) -> None:
        """So much more is to be computed; with the opposite sign, it is no more."""
        with self._lock:
            self._backlog_s = max(self._backlog_s + work_s, 0.0)

    def timed(self, run: Callable[[], T]) -> tuple[T, EdgeSpan]:
        """On a worker: the result of something, and when and where it ran (as of path 0)."""
        if not hasattr(self._local, "number"):
            self._local.number = next(self._numbers)
        start_ns = time.monotonic_ns()
        result = run()
        return result, EdgeSpan(0, self._local.number, start_ns, time.monotonic_ns())

    def close(self) -> None:
        """Let the threads go."""
        self.pool.shutdown(wait=False, cancel_futures=True)
