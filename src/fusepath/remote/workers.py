"""Threads on which an edge server computes."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fusepath.protocol.framing import EdgeSpan

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from fusepath.remote.serial_executor import SerialExecutor


class Workers:
    """A number of threads that each know which of them they are.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self.pool = ThreadPoolExecutor(count, thread_name_prefix="edge-worker")
        self._numbers = itertools.count()
        self._local = threading.local()

    def submit(
        self, run: Callable[[], Any], executor: SerialExecutor | None = None
    ) -> Future[tuple[Any, EdgeSpan]]:
        """Do something, perhaps in turn; its result, and when and where it ran (as of path 0)."""

        def timed() -> tuple[Any, EdgeSpan]:
            if not hasattr(self._local, "number"):
                self._local.number = next(self._numbers)
            start_ns = time.monotonic_ns()
            result = run()
            return result, EdgeSpan(0, self._local.number, start_ns, time.monotonic_ns())

        return (self.pool if executor is None else executor).submit(timed)

    def start(
        self,
        run: Callable[[], Any],
        done: Callable[[Future[tuple[Any, EdgeSpan]]], None],
        executor: SerialExecutor | None = None,
    ) -> Future[tuple[Any, EdgeSpan]]:
        """The same, and go on with what has come of it on this event loop, if it is still there."""
        loop = asyncio.get_running_loop()

        def wake(job: Future[tuple[Any, EdgeSpan]]) -> None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(done, job)

        job = self.submit(run, executor)
        job.add_done_callback(wake)
        return job

    def close(self) -> None:
        """Let the threads go."""
        self.pool.shutdown(wait=False, cancel_futures=True)
