"""Many frames played event by event on the same machines; `check_stream` says whether rightly.

Device, link, edge server and way back each do one thing at a time (the edge server as many as it
has workers). On the device an earlier frame goes first; everywhere else who comes first. A frame
begins when fewer than so many are under way, and results are handed over in the order of the
frames.
"""

from __future__ import annotations

import enum
import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fusepath.arrays import IntArray
    from fusepath.schedule.problem import Problem


@dataclass(frozen=True, slots=True)
class Job:
    """A frame: the problem of its plan, the order of its paths (0-based) and their cuts."""

    problem: Problem
    order: Sequence[int]
    cuts: Sequence[int]


class Kind(enum.Enum):
    """What a machine does for a frame."""

    HEAD = "head"
    PATH = "path"
    SENT = "sent"
    SERVED = "served"
    TAIL = "tail"
    PART = "part"
    RESULT = "result"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class Work:
    """Something that a machine did for a frame."""

    frame: int
    kind: Kind
    path: int | None
    """0-based; None for what is done once for a frame."""
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Played:
    """When frames began and when their results were handed over, in nanoseconds; and all work."""

    begun_ns: tuple[int, ...]
    done_ns: tuple[int, ...]
    works: tuple[Work, ...]


def play_stream(jobs: Sequence[Job], *, in_flight: int) -> Played:
    """Play frames one behind the other.

    Args:
        jobs: the frames; their problems are of the same machines.
        in_flight: how many may be under way.
    """
    return _Stream(jobs, in_flight).run()


_What = tuple[int, Kind, int | None]
"""Frame, kind and path of a `Work`."""


@dataclass
class _Machine:
    """Does as many things at a time as it has workers; None: all of them."""

    clock: _Clock
    works: list[Work]
    workers: int | None = 1
    waiting: list[tuple[tuple[int, ...], _What, int, Callable[[], None]]] = field(
        default_factory=list
    )
    busy: int = 0

    def ask(
        self, rank: tuple[int, ...], what: _What, duration: int, done: Callable[[], None]
    ) -> None:
        """Have something done when all of lesser rank that waits is begun."""
        heapq.heappush(self.waiting, ((*rank, next(self.clock.numbers)), what, duration, done))
        self._next()

    def _next(self) -> None:
        while self.waiting and (self.workers is None or self.busy < self.workers):
            _, what, duration, done = heapq.heappop(self.waiting)
            self.busy += 1
            self.works.append(Work(*what, self.clock.now, self.clock.now + duration))
            self.clock.after(duration, partial(self._done, done))

    def _done(self, done: Callable[[], None]) -> None:
        self.busy -= 1
        done()
        self._next()


@dataclass
class _Clock:
    now: int = 0
    numbers: Iterator[int] = field(default_factory=itertools.count)
    events: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)

    def after(self, delay: int, act: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.now + delay, next(self.numbers), act))

    def run(self) -> None:
        while self.events:
            self.now, _, act = heapq.heappop(self.events)
            act()


class _Stream:
    def __init__(self, jobs: Sequence[Job], in_flight: int) -> None:
        self._jobs, self._in_flight = jobs, in_flight
        problem = jobs[0].problem
        self.clock = _Clock()
        self._works: list[Work] = []
        way = 1 if problem.shared_link else None
        self.device, self.up, self.down, self.edge = (
            _Machine(self.clock, self._works, workers)
            for workers in (1, way, way, problem.edge_workers or None)
        )
        self._begun: list[int] = []
        self._ended: dict[int, int] = {}
        self._handed_over: list[int] = []

    def run(self) -> Played:
        self._begin()
        self.clock.run()
        return Played(tuple(self._begun), tuple(self._handed_over), tuple(self._works))

    def _begin(self) -> None:
        while (
            len(self._begun) < len(self._jobs)
            and len(self._begun) - len(self._handed_over) < self._in_flight
        ):
            number = len(self._begun)
            self._begun.append(self.clock.now)
            _Frame(self, number, self._jobs[number]).begin()

    def ended(self, number: int) -> None:
        self._ended[number] = self.clock.now
        while len(self._handed_over) in self._ended:
            self._handed_over.append(self.clock.now)
        self._begin()


class _Frame:
    def __init__(self, stream: _Stream, number: int, job: Job) -> None:
        self._stream, self._number, self._job = stream, number, job
        self._to_serve = list(job.order)
        self._arrived: set[int] = set()
        self._served = self._returned = 0
        self._serving = self._tail_done = False
        problem = job.problem
        self._offloaded = problem.tail_ns > 0 or any(
            self._of(table, path) > 0
            for table in (problem.link_ns, problem.edge_ns, problem.back_ns)
            for path in job.order
        )

    def _of(self, table: IntArray | None, path: int) -> int:
        if table is None:
            return 0
        return int(table[self._job.problem.class_of[path], self._job.cuts[path] - 1])

    def begin(self) -> None:
        """What needs nothing of the device, and waits for nothing of its own, leaves at once."""
        device, rank, problem = self._stream.device, (self._number,), self._job.problem
        left = deque((path, self._of(problem.device_ns, path)) for path in self._job.order)
        while left and not problem.head_ns and not left[0][1]:
            self._computed(left.popleft()[0])
        if problem.head_ns:
            device.ask(rank, self._what(Kind.HEAD), problem.head_ns, _nothing)
        for path, duration in left:
            device.ask(rank, self._what(Kind.PATH, path), duration, partial(self._computed, path))

    def _what(self, kind: Kind, path: int | None = None) -> _What:
        return self._number, kind, path

    def _computed(self, path: int) -> None:
        if not self._offloaded:  # nobody else has a part in it
            self._returned += 1
            if self._returned == len(self._job.order):
                self._finish()
            return
        duration = self._of(self._job.problem.link_ns, path)
        self._stream.up.ask((), self._what(Kind.SENT, path), duration, partial(self._sent, path))

    def _sent(self, path: int) -> None:
        self._stream.clock.after(self._job.problem.delay_ns, partial(self._take, path))

    def _take(self, path: int) -> None:
        self._arrived.add(path)
        self._serve()

    def _serve(self) -> None:
        chained = self._job.problem.chained
        for path in [path for path in self._to_serve if path in self._arrived]:
            if chained and (self._serving or path != self._to_serve[0]):
                return
            self._serving = True
            self._to_serve.remove(path)
            duration = self._of(self._job.problem.edge_ns, path)
            served = partial(self._path_served, path)
            self._stream.edge.ask((), self._what(Kind.SERVED, path), duration, served)

    def _path_served(self, path: int) -> None:
        self._serving = False
        self._served += 1
        back_ns, tail_ns = self._of(self._job.problem.back_ns, path), self._job.problem.tail_ns
        self._stream.down.ask((), self._what(Kind.PART, path), back_ns, self._path_returned)
        if self._served == len(self._job.order):
            self._stream.edge.ask((), self._what(Kind.TAIL), tail_ns, self._tail_served)
        self._serve()

    def _path_returned(self) -> None:
        self._returned += 1
        self._return()

    def _tail_served(self) -> None:
        self._tail_done = True
        self._return()

    def _return(self) -> None:
        """What returns in the end occupies the way back but for the delay of the link."""
        problem = self._job.problem
        if self._tail_done and self._returned == len(self._job.order):
            delay = min(problem.delay_ns, problem.down_ns)
            down_ns, returned = problem.down_ns - delay, partial(self._delayed, delay)
            self._stream.down.ask((), self._what(Kind.RESULT), down_ns, returned)

    def _delayed(self, delay: int) -> None:
        self._stream.clock.after(delay, self._finish)

    def _finish(self) -> None:
        done, finish_ns = partial(self._stream.ended, self._number), self._job.problem.finish_ns
        if finish_ns:
            self._stream.device.ask((self._number,), self._what(Kind.FINISH), finish_ns, done)
        else:
            done()


def _nothing() -> None:
    """Paths wait behind the head anyway."""
