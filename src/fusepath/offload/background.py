"""Blocking work beside an event loop, given up when its owner closes."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from fusepath.cancellation import cancelled_by
from fusepath.threads import give_way

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_AFTER_FRAMES = 5
"""The threads are so much nicer than those that answer frames."""
_PATIENCE_S = 10.0
"""How long closing waits for a call that does not ask whether to go on."""


def seen(done: asyncio.Future[Any]) -> None:
    """For what nobody has to wait for: whoever does is told of an error, and nobody else."""
    if not done.cancelled():
        done.exception()


def _succeed(done: asyncio.Future[T], result: T) -> None:
    if not done.cancelled():
        done.set_result(result)


def _fail(done: asyncio.Future[Any], error: BaseException) -> None:
    if not done.cancelled():
        done.set_exception(error)


class Background:
    """Does blocking work on threads of its own, until it is closed."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    async def do(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do something on a thread; whoever stops waiting leaves it to itself."""
        return await self._done(work, arguments, gives_way=0)

    async def aside(self, work: Callable[..., T], *arguments: Any) -> T:
        """The same, where frames go first.

        What is timed there would seem slower, and threads that are started there, as ONNX Runtime's
        are, give way for good.
        """
        return await self._done(work, arguments, gives_way=_AFTER_FRAMES)

    async def _done(self, work: Callable[..., T], arguments: Sequence[Any], *, gives_way: int) -> T:
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        run = partial(self._run, done, gives_way, work, *arguments)
        thread = threading.Thread(target=run, name="fusepath-work", daemon=True)
        with self._lock:
            if self._stop.is_set():
                raise asyncio.CancelledError
            self._threads.add(thread)
            thread.start()
        try:
            return await done
        finally:
            del done, run  # an error's traceback holds this frame, and what the work was done with

    def _run(
        self, done: asyncio.Future[T], gives_way: int, work: Callable[..., T], *arguments: Any
    ) -> None:
        give_way(gives_way)
        try:
            with cancelled_by(self._stop):
                settle = partial(_succeed, done, work(*arguments))
        except BaseException as error:
            settle = partial(_fail, done, error)
        self._threads.discard(threading.current_thread())
        with suppress(RuntimeError):  # the loop is gone, and with it whoever waited
            done.get_loop().call_soon_threadsafe(settle)
        del done, settle  # as above

    def close(self) -> None:
        """Have all work given up, and wait until it is."""
        with self._lock:  # or a thread might be met before it is started
            self._stop.set()
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(_PATIENCE_S)
