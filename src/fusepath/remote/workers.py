"""Those who compute for an edge server, for one peer after the other."""

from __future__ import annotations

import itertools
import threading
import time
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from fusepath.protocol.admission import Load
from fusepath.protocol.fair_queue import FairQueue
from fusepath.protocol.framing import EdgeSpan
from fusepath.protocol.waits import Waits
from fusepath.runtime.edge_stages import EdgeStages
from fusepath.threads import Threads, give_way

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.protocol.waits import Asked
    from fusepath.runtime.edge_stages import MakeStages

T = TypeVar("T")

_AFTER_MESSAGES = 5
"""Workers are so much nicer than the threads that move messages."""


def nanoseconds(work_s: float) -> int:
    """As work is added up: nothing is left of it once all has been taken away."""
    return round(work_s * 1e9)


def _let_messages_pass() -> None:
    """As soon as those that move messages have something to do.

    Answers and refusals would otherwise wait, some milliseconds each, until a worker that computes
    has had its time slice.
    """
    give_way(_AFTER_MESSAGES)


class Workers:
    """A thread for each worker, which computes by itself, or waits for one that is elsewhere.

    Args:
        count: how many work at the same time.
        most: how many may do so once `resize` says so; no more than now unless told otherwise.
        stages: makes what they compute paths with.
    """

    def __init__(
        self, count: int, *, most: int | None = None, stages: MakeStages = EdgeStages
    ) -> None:
        self.stages = stages
        self.pool = Threads(most or count, "edge-worker", begin=_let_messages_pass)
        self.pool.start(count)
        self._count = count
        self._at_work: set[int] = set()
        """Numbers of workers."""
        self._local = threading.local()
        self._free = threading.Condition()
        self._waiting: FairQueue[Callable[[], Any]] = FairQueue()
        self._waits = Waits()
        self._backlog_ns = 0

    @property
    def here(self) -> bool:
        """Whether all paths are computed in this process."""
        return self.stages is EdgeStages

    def resize(self, count: int) -> None:
        """There are so many workers from now on; those who are too many end what they are at."""
        with self._free:
            self._count = count
            self._free.notify_all()

    def submit(self, peer: str, run: Callable[[], object], work_s: float = 0.0) -> None:
        """Run something when it is its peer's turn.

        Args:
            peer: that asks for it.
            run: is called on a worker, and tells by itself what comes of it.
            work_s: how long that takes, as far as is known.
        """
        with self._free:
            run = partial(self._watched, run, self._waits.asked(peer, time.monotonic()))
            self._waiting.put(peer, run, work_s)
        self.pool.post(self._next)

    def _watched(self, run: Callable[[], object], asked: Asked) -> None:
        begun_s = time.monotonic()
        try:
            run()
        finally:
            with self._free:
                self._waits.done(asked, begun_s, time.monotonic())

    def want(self, peer: str, work_s: float) -> None:
        """A peer has asked for work that it is not given."""
        with self._free:
            self._waiting.want(peer, work_s)

    def _next(self) -> None:
        self._work(self._waiting.take)

    def in_turn(self, run: Callable[[], T]) -> T:
        """Have something run on a worker, behind what has been submitted, and wait for it."""
        result: T = self.pool.submit(copy_context().run, self._work, lambda: run).result()
        return result

    def _work(self, taken: Callable[[], Callable[[], T]]) -> T:
        """Be a worker, once one is free, and do what there is to do then."""
        with self._free:
            while len(self._at_work) >= self._count:
                self._free.wait()
            number = next(free for free in itertools.count() if free not in self._at_work)
            self._at_work.add(number)
            run = taken()
        self._local.number = number
        try:
            return run()
        finally:
            with self._free:
                self._at_work.discard(number)
                self._free.notify()

    @property
    def backlog_s(self) -> float:
        """Until a worker is free, by what is to be computed of all that has come."""
        return self._backlog_ns * 1e-9 / max(self._count, 1)

    @property
    def load(self) -> Load:
        """What there is to do, now."""
        now_s = time.monotonic()
        with self._free:
            slowness = self._waits.slowness(now_s)
        return Load(self.backlog_s, max(self._count, 1), now_s, slowness)

    def expect(self, work_ns: int) -> None:
        """So much more is to be computed; with the opposite sign, it is no more."""
        with self._free:
            self._backlog_ns += work_ns

    def timed(self, run: Callable[[], T]) -> tuple[T, EdgeSpan]:
        """On a worker: the result of something, and when and where it ran (as of path 0)."""
        start_ns = time.monotonic_ns()
        result = run()
        return result, EdgeSpan(0, self._local.number, start_ns, time.monotonic_ns())

    def close(self) -> None:
        """Let the threads go."""
        self.pool.shutdown(wait=False, cancel_futures=True)
