"""Work for requests, on threads: bounded, and given up when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from fusepath.cancellation import cancelled_by
from fusepath.errors import FusepathError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

_Result = TypeVar("_Result")
_THREADS = 2
_MOST_WAITING = 8


class BusyError(FusepathError):
    """Too much is under way already."""


class GoneError(Exception):
    """Nobody waits for the answer any more."""


class Work:
    """A few threads, and as much as may wait for them."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="studio")
        self._under_way = 0

    async def do(self, request: Request, function: Callable[[], _Result]) -> _Result:
        """What a function returns, which runs on a thread.

        Args:
            request: has been read; where whoever sent it leaves, the work is given up.
            function: what is to be done.

        Raises:
            BusyError: too many wait already.
            GoneError: nobody waits for this any more.
        """
        if self._under_way >= _THREADS + _MOST_WAITING:
            raise BusyError("too many questions at once; ask again in a moment")
        stop = threading.Event()

        def work() -> _Result:
            with cancelled_by(stop):
                return function()

        self._under_way += 1
        done = asyncio.get_running_loop().run_in_executor(self._pool, work)
        gone = asyncio.create_task(_until_gone(request))
        try:
            both: set[asyncio.Future[object]] = {done, gone}  # type: ignore[arg-type]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not done.done():
                raise GoneError
            return await done
        finally:
            stop.set()
            gone.cancel()
            done.add_done_callback(self._one_less)

    def _one_less(self, done: asyncio.Future[_Result]) -> None:
        self._under_way -= 1
        if not done.cancelled():
            done.exception()  # seen: what was given up has nobody to tell

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
