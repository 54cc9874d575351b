"""Threads on which an edge server computes."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from fusepath.protocol.framing import EdgeSpan

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Workers:
    """A number of threads that each know which of them they are.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self.pool = ThreadPoolExecutor(count, thread_name_prefix="edge-worker")
        self._numbers = itertools.count()
        self._local = threading.local()

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
