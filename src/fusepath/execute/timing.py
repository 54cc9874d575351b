"""Timing a call on a machine that may not be quiet."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

_LOW, _HIGH = 0.2, 0.8
"""Percentiles: a low one is the time of the work alone, and steadier than the lowest."""
_LOST = 0.05
"""A sample is disturbed if the processor was away for more than this part of it."""
_FINE_CLOCK_S = 1e-5


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of a call that was repeated."""

    seconds: float
    spread: float
    """What lies between the low and the high percentile, as a part of ``seconds``."""
    disturbed: bool
    """Whether the processor was taken away in most samples."""


def time_call(
    run: Callable[[], object], repeats: int, *, wait_s: float = 0.0, threads: int = 1
) -> Timing:
    """Time a call, after a first one that does not count.

    A call that computes on its own thread alone is timed by that thread's clock, which stands
    still while something else has the processor; with several threads there is only the wall
    clock. Either way a busy machine slows what it computes at the same time: caches are shared.

    Args:
        run: the call.
        repeats: samples.
        wait_s: idle time before each.
        threads: that the call computes on.
    """
    run()
    own = threads == 1 and time.get_clock_info("thread_time").resolution <= _FINE_CLOCK_S
    taken = np.empty((repeats, 2))
    for sample in taken:
        if wait_s:
            time.sleep(wait_s)
        started_s, computed_s = time.perf_counter(), time.thread_time()
        run()
        sample[1] = time.thread_time() - computed_s
        sample[0] = time.perf_counter() - started_s
    wall_s, own_s = taken.T
    lost = wall_s - own_s > np.maximum(_LOST * wall_s, _FINE_CLOCK_S)
    low_s, high_s = np.quantile(own_s if own else wall_s, (_LOW, _HIGH))
    return Timing(
        seconds=float(low_s),
        spread=float((high_s - low_s) / low_s),
        disturbed=own and 2 * int(lost.sum()) > repeats,
    )
