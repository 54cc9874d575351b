"""Blocking work beside an event loop, given up when its owner closes."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from fusepath.cancellation import cancelled_by

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_PATIENCE_S = 10.0
"""How long closing waits for a call that does not ask whether to go on."""


def seen(done: asyncio.Future[Any]) -> None:
    """For what nobody has to wait for: whoever does is told of an error, and nobody else."""
    if not done.cancelled():
        done.exception()


class Background:
    """Does blocking work on threads of its own, until it is closed."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    async def do(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do something on a thread; whoever stops waiting leaves it to itself."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if done.cancelled():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(result)  # type: ignore[arg-type] # without an error it is a T

        def run() -> None:
            result, failed = None, None
            try:
                with cancelled_by(self._stop):
                    result = work(*arguments)
            except BaseException as error:
                failed = error
            self._threads.discard(thread)
            with suppress(RuntimeError):  # the loop is gone, and with it whoever waited
                loop.call_soon_threadsafe(settle, result, failed)

        thread = threading.Thread(target=run, name="fusepath-work", daemon=True)
        with self._lock:
            if self._stop.is_set():
                raise asyncio.CancelledError
            self._threads.add(thread)
            thread.start()
        return await done

    def close(self) -> None:
        """Have all work given up, and wait until it is."""
        with self._lock:  # or a thread might be met before it is started
            self._stop.set()
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(_PATIENCE_S)
