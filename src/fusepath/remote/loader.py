"""Long work of an edge server, one piece after the other, given up when nobody waits for it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from fusepath.cancellation import cancelled_by

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Loader:
    """A thread that loads, builds and measures."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="edge-loader")
        self._stops: set[threading.Event] = set()

    async def do(self, work: Callable[[], T]) -> T:
        """Do something when all that was asked before is done.

        Where whoever asked is cancelled, as calls are whose deadline has passed, it does not begin
        any more, or is given up where it looks whether to go on.
        """
        stop = threading.Event()

        def run() -> T:
            with cancelled_by(stop):
                return work()

        self._stops.add(stop)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, run)
        finally:
            stop.set()
            self._stops.discard(stop)

    def close(self) -> None:
        """Let the thread go."""
        for stop in self._stops:
            stop.set()
        self._thread.shutdown(wait=False, cancel_futures=True)
