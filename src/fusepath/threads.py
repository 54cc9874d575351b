"""Threads that calls are handed to, one after the other.

`ThreadPoolExecutor` makes a future, with a lock of its own, for every call, and counts who is idle:
handing over what takes no time costs it three times what a queue does.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Calls = SimpleQueue[Callable[[], object] | None]


def give_way(by: int) -> None:
    """Give this thread's processor up to others of the process that have something to do.

    So much nicer than the process it is from here on, as of `os.setpriority`. Nothing happens where
    threads have no priorities of their own, or a container forbids it.
    """
    if sys.platform == "linux":  # elsewhere all threads of a process are as nice as each other
        thread = threading.get_native_id()
        with suppress(OSError):
            nice = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, nice + by)


class Threads(Executor):
    """So many threads at most, each started when there is something to do.

    They end once nobody holds this any more, or the interpreter exits, and what was asked before
    that is done.

    Args:
        most: how many calls run at the same time.
        name: what threads are called, before a number.
        begin: is called on each before anything else.
    """

    def __init__(self, most: int, name: str, *, begin: Callable[[], object] = lambda: None) -> None:
        self._most = most
        self._name = name
        self._begin = begin
        self._lock = threading.Lock()
        self._calls: Calls = SimpleQueue()
        """None ends the threads."""
        self._threads: list[threading.Thread] = []
        self._closed = False
        weakref.finalize(self, self._calls.put, None).atexit = False
        _THERE.add(self)

    def post(self, run: Callable[[], object]) -> None:
        """Run something that tells by itself what comes of it.

        Raises:
            RuntimeError: the threads were let go.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("these threads were let go")
            if len(self._threads) < self._most:
                self._start()
            self._calls.put(run)

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run something whose result is waited for."""
        call = _Call(partial(work, *args, **kwargs))
        self.post(call)
        return call.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads go, once they are through with what they do, or with all."""
        with self._lock:
            self._closed = True
            dropped = _drained(self._calls) if cancel_futures else []
            self._calls.put(None)
        for call in dropped:
            if isinstance(call, _Call):
                call.future.cancel()
        for thread in self._threads if wait else ():
            thread.join()

    def start(self, count: int) -> None:
        """Start so many threads at once: as nice as whoever makes this, not as who first calls."""
        with self._lock:
            while len(self._threads) < min(count, self._most):
                self._start()

    def _start(self) -> None:
        thread = threading.Thread(
            target=_serve,
            args=(self._begin, self._calls),  # and not this, which nobody may hold any more
            name=f"{self._name}_{len(self._threads)}",
            daemon=True,  # the interpreter would wait for it before it says that it ends
        )
        thread.start()
        self._threads.append(thread)


class _Call:
    """Something to run, and what comes of it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self.future: Future[Any] = Future()

    def __call__(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._work()
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


def _serve(begin: Callable[[], object], calls: Calls) -> None:
    begin()
    while (run := calls.get()) is not None:
        try:
            run()
        except BaseException:  # the thread is that of other calls as well
            thread = threading.current_thread()
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), thread)))
        del run  # what it holds need not wait for the next one
    calls.put(None)  # for the other threads


def _drained(calls: Calls) -> list[Callable[[], object] | None]:
    """All that waits, which does so no longer."""
    drained = []
    while True:
        try:
            drained.append(calls.get_nowait())
        except Empty:
            return drained


_THERE: weakref.WeakSet[Threads] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    # A forked child has none of the threads, and a lock that one of them held for ever.
    os.register_at_fork(after_in_child=_THERE.clear)


@atexit.register
def _end_all() -> None:
    """Nothing may compute while the interpreter is taken down."""
    for threads in tuple(_THERE):
        threads.shutdown()
