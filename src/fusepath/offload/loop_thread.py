"""An event loop on a thread of its own, asked from any other."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fusepath.errors import ClosedError, InputError

if TYPE_CHECKING:
    from collections.abc import Coroutine

_CLOSING_S = 5.0
CLOSED = (
    "this session is closed, or was made before a fork; make a session in the process that uses it"
)


class LoopThread:
    """Runs until its end is asked for."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._ending = False
        self._submitting = threading.RLock()  # a session may be collected on any thread, here too
        self._thread = threading.Thread(target=self._serve, name="fusepath-session", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether there is a loop: none in a forked child, nor where its thread has ended."""
        return self._thread.is_alive()  # the loop itself may be about to begin

    def submit(self, work: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]:
        """Do something on the loop; from any thread but the loop's own.

        Raises:
            ClosedError: there is no loop any more, or its end has been asked for.
        """
        with self._submitting, suppress(RuntimeError):
            if not self._ending:
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise ClosedError(CLOSED)

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something on the loop and wait for it.

        An interrupt while waiting gives the work up.

        Raises:
            InputError: as of `check_may_wait`.
            ClosedError: the loop was ended meanwhile.
        """
        try:
            self.check_may_wait()
        except InputError:
            work.close()
            raise
        future = self.submit(work)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise ClosedError(CLOSED) from None
        except BaseException:
            future.cancel()
            raise

    def check_may_wait(self) -> None:
        """Raise where waiting for the loop would never end.

        Raises:
            InputError: it is the loop's own thread that would wait, for itself.
        """
        if self._is_this_thread:
            raise InputError(
                "this is the session's own thread, on which what is to be done with a result is "
                "done: it cannot wait for the session; have another thread do it"
            )

    def end(self, last: Coroutine[Any, Any, None]) -> None:
        """Take nothing more on, give up all that there is, and run no longer; from any thread.

        Args:
            last: is done before that.
        """
        with self._submitting:
            self._ending = True
        ending = self._end(last)
        try:
            asyncio.run_coroutine_threadsafe(ending, self._loop)
        except RuntimeError:  # it has ended by itself
            ending.close()
            last.close()

    async def _end(self, last: Coroutine[Any, Any, None]) -> None:
        try:
            await last
        finally:
            await _cancel_others()
            self._loop.stop()

    def join(self) -> bool:
        """Wait until the thread has ended; False on that thread itself, which cannot wait."""
        if self._is_this_thread:
            return False
        self._thread.join(_CLOSING_S)
        return True

    @property
    def _is_this_thread(self) -> bool:
        return self._thread is threading.current_thread()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            with suppress(RuntimeError):  # an interpreter that exits starts no threads
                self._loop.run_until_complete(_cancel_others())  # who called at the last moment
                self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()


async def _cancel_others() -> None:
    """Give up all other tasks of this loop, and those that they begin at their end."""
    await asyncio.sleep(0)  # let what was only just submitted become tasks
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSING_S):
            while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
