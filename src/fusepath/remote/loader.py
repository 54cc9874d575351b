"""Long work of an edge server, one piece after the other, given up when nobody waits for it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from fusepath.cancellation import cancelled_by
from fusepath.threads import give_way

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_AFTER_WORKERS = 10
"""The thread is nicer than workers are, which compute what somebody waits for."""


class Loader:
    """A thread that loads, builds and measures.

    Args:
        gives_way: to whatever else there is to do. What it starts then does so for good, as threads
            of ONNX Runtime would.
    """

    def __init__(self, *, gives_way: bool = False) -> None:
        self._thread = ThreadPoolExecutor(
            1,
            thread_name_prefix="edge-loader",
            initializer=partial(give_way, _AFTER_WORKERS if gives_way else 0),
        )
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
