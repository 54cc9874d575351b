"""The thread on which this machine computes, for several frames in their order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

from fusepath.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = tuple[Callable[[], Any], Future[Any]]


class DeviceThread(Executor):
    """Does one thing after the other, in the order in which it is asked.

    What an earlier frame still needs goes ahead of paths of later ones that have not begun.
    """

    def __init__(self) -> None:
        self._threads = Threads(1, "fusepath-device")
        self._threads.start(1)
        self._ahead: deque[Job] = deque()
        self._usual: deque[Job] = deque()

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do something when all that was asked before is done."""
        return self._put(self._usual, lambda: work(*args, **kwargs))

    def submit_ahead(self, work: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Do something before all that has not begun, but what was put ahead before it."""
        return self._put(self._ahead, lambda: work(*args))

    def _put(self, jobs: deque[Job], work: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        jobs.append((work, future))
        self._threads.post(self._next)  # as many as there are jobs; which one, is decided then
        return future

    def _next(self) -> None:
        work, future = (self._ahead or self._usual).popleft()
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the thread go, once it is through with what it does, or with all."""
        self._threads.shutdown(wait=False, cancel_futures=cancel_futures)
        if cancel_futures:
            for jobs in (self._ahead, self._usual):
                while jobs:
                    jobs.popleft()[1].cancel()
        if wait:
            self._threads.shutdown(wait=True)
