"""The thread on which this machine computes, for several frames in their order."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from fusepath.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Job = tuple[float, int, Callable[[], Any], Future[Any]]
    """When its frame began, its number, and what is to be done for whom."""


class DeviceThread(Executor):
    """Does one thing after the other: of two frames, all that is there to do for the earlier first.

    What has begun is not broken off. A frame is known by when it began, by `time.perf_counter`.
    """

    def __init__(self) -> None:
        self._threads = Threads(1, "fusepath-device")
        self._threads.start(1)
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._jobs: list[Job] = []
        """A heap."""
        self._kept_for: list[float] = []
        """Frames that go on at once."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do something as if it were for a frame that begins now."""
        return self._put(time.perf_counter(), lambda: work(*args, **kwargs))

    def submit_for(self, begun_s: float, work: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Do something for a frame, once all that was asked for it before is done."""
        return self._put(begun_s, lambda: work(*args))

    @contextmanager
    def kept_for(self, begun_s: float) -> Iterator[None]:
        """Meanwhile nothing begins for later frames than this one.

        It is done with one step and has to be told the next: the thread would be quicker.
        """
        with self._lock:
            self._kept_for.append(begun_s)
        try:
            yield
        finally:
            with self._lock:
                self._kept_for.remove(begun_s)
                held = len(self._jobs)
            try:
                for _ in range(held):
                    self._threads.post(self._next)
            except RuntimeError:  # it was let go meanwhile
                self._give_up()

    def _put(self, begun_s: float, work: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            heappush(self._jobs, (begun_s, next(self._numbers), work, future))
        try:
            self._threads.post(self._next)  # for as many as there are; which one, is decided then
        except RuntimeError:
            future.cancel()  # nobody will look at it
            raise
        return future

    def _next(self) -> None:
        with self._lock:
            if not self._jobs or self._jobs[0][0] > min(self._kept_for, default=self._jobs[0][0]):
                return
            _, _, work, future = heappop(self._jobs)
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    def _give_up(self) -> None:
        with self._lock:
            jobs, self._jobs = self._jobs, []
        for *_, future in jobs:
            future.cancel()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the thread go, once it is through with what it does, or with all."""
        self._threads.shutdown(wait=False, cancel_futures=cancel_futures)
        if cancel_futures:
            self._give_up()
        if wait:
            self._threads.shutdown(wait=True)
