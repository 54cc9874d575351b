"""Timing a call on a machine that may not be quiet."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

WAIT_S = 0.003
"""In a run a machine waits for its next piece. What it computed with has left the caches by then,
which costs the piece some time whatever its size."""
_LOW, _HIGH = 0.2, 0.8
"""Percentiles: a low one is the time of the work alone, and steadier than the lowest."""
_FINE_CLOCK_S = 1e-5
_WHERE: ContextVar[Executor | None] = ContextVar("fusepath-timed-on", default=None)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of a call that was repeated."""

    seconds: float
    spread: float
    """What lies between the low and the high percentile, as a part of ``seconds``."""


def time_call(
    run: Callable[[], object], repeats: int, *, wait_s: float = 0.0, on_caller: bool = True
) -> Timing:
    """Time a call, after a first one that does not count.

    A call that computes on its own thread alone is timed by that thread's clock, which stands
    still while something else has the processor; where others compute, as graphics cards do,
    there is only the wall clock. Either way a busy machine slows what it computes at the same time:
    caches are shared.

    Args:
        run: the call.
        repeats: samples.
        wait_s: idle time before each.
        on_caller: whether the thread that calls does all the computing.
    """
    executor = _WHERE.get()
    if executor is None:
        return _time(run, repeats, wait_s, on_caller)
    return executor.submit(copy_context().run, _time, run, repeats, wait_s, on_caller).result()


@contextmanager
def timed_on(executor: Executor) -> Iterator[None]:
    """Have all calls within, on this thread, be timed on another one, each in its turn.

    What else that thread has to do does not disturb them so, and need not wait for all of them.
    """
    token = _WHERE.set(executor)
    try:
        yield
    finally:
        _WHERE.reset(token)


def _time(run: Callable[[], object], repeats: int, wait_s: float, on_caller: bool) -> Timing:
    run()
    own = on_caller and time.get_clock_info("thread_time").resolution <= _FINE_CLOCK_S
    clock = time.thread_time if own else time.perf_counter
    taken_s = []
    for _ in range(repeats):
        if wait_s:
            time.sleep(wait_s)
        started_s = clock()
        run()
        taken_s.append(clock() - started_s)
    low_s, high_s = np.quantile(taken_s, (_LOW, _HIGH))
    return Timing(seconds=float(low_s), spread=float((high_s - low_s) / low_s))
