"""A schedule played out event by event, as the two machines would.

The schedule evaluator computes start and end times by recurrence; this engine lets device, link
and edge server act on events instead, and shares no code with it. Both must agree.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from fusepath.schedule.problem import NS_PER_S
from fusepath.timeline import HEAD, Lane, Span, Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fusepath.schedule.problem import Problem


def play(problem: Problem, order: Sequence[int], cuts: Sequence[int]) -> Timeline:
    """Play one order (0-based paths) with its cuts (1-based, by path)."""
    return _Play(problem, order, cuts).run()


@dataclass
class _Play:
    problem: Problem
    order: Sequence[int]
    cuts: Sequence[int]
    now: int = 0
    sequence: Iterator[int] = field(default_factory=itertools.count)
    """Breaks ties: of events at the same time, the one that was planned first comes first."""
    events: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    link_queue: deque[int] = field(default_factory=deque)
    edge_queue: deque[int] = field(default_factory=deque)
    to_serve: deque[int] = field(default_factory=deque)
    """Chained paths that the edge server has not taken up, in the order in which it must."""
    down_queue: deque[int] = field(default_factory=deque)
    link_busy: bool = False
    down_busy: bool = False
    idle_workers: list[int] = field(default_factory=list)
    to_compute: deque[int] = field(default_factory=deque)
    to_finish: int = 0
    to_return: int = 0
    tail_done: bool = False
    offloaded: bool = False

    def run(self) -> Timeline:
        self.to_compute = deque(self.order)
        self.to_serve = deque(self.order if self.problem.chained else ())
        self.to_finish = self.to_return = self.problem.paths
        self.idle_workers = list(range(self.problem.edge_workers or self.problem.paths))
        if self.problem.head_ns > 0:
            self._work(Lane.DEVICE, self.problem.head_ns, HEAD - 1, self._compute_next)
        else:
            self._compute_next()
        while self.events:
            self.now, _, act = heapq.heappop(self.events)
            act()
        return Timeline(spans=tuple(self.spans), settled_s=self.now / NS_PER_S)

    def _after(self, delay: int, act: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.now + delay, next(self.sequence), act))

    def _work(
        self, lane: Lane, duration: int, path: int | None, act: Callable[[], None], worker: int = 0
    ) -> None:
        if duration > 0:
            self.spans.append(
                Span(
                    lane=lane,
                    start_s=self.now / NS_PER_S,
                    end_s=(self.now + duration) / NS_PER_S,
                    path=None if path is None else path + 1,
                    worker=worker,
                )
            )
        self._after(duration, act)

    def _time(self, table: NDArray[np.int64] | None, path: int) -> int:
        if table is None:
            return 0
        return int(table[self.problem.class_of[path], self.cuts[path] - 1])

    def _compute_next(self) -> None:
        if self.to_compute:
            path = self.to_compute.popleft()
            duration = self._time(self.problem.device_ns, path)
            self._work(Lane.DEVICE, duration, path, partial(self._computed, path))

    def _computed(self, path: int) -> None:
        self.link_queue.append(path)
        self._send_next()
        self._compute_next()

    def _send_next(self) -> None:
        while self.link_queue and not (self.link_busy and self.problem.shared_link):
            path = self.link_queue.popleft()
            self.link_busy = True
            duration = self._time(self.problem.link_ns, path)
            edge_ns = self._time(self.problem.edge_ns, path)
            back_ns = self._time(self.problem.back_ns, path)
            self.offloaded |= max(duration, edge_ns, back_ns, self.problem.tail_ns) > 0
            self._work(Lane.UPLINK, duration, path, partial(self._sent, path))

    def _sent(self, path: int) -> None:
        self.link_busy = False
        delay = self.problem.delay_ns if self.offloaded else 0
        self._after(delay, partial(self._arrived, path))
        self._send_next()

    def _arrived(self, path: int) -> None:
        self.edge_queue.append(path)
        self._serve_next()

    def _serve_next(self) -> None:
        while self.idle_workers and (path := self._next_to_serve()) is not None:
            worker = self.idle_workers.pop(0)
            duration = self._time(self.problem.edge_ns, path)
            self._work(Lane.EDGE, duration, path, partial(self._served, path, worker), worker)

    def _next_to_serve(self) -> int | None:
        """Takes a path from those that have arrived: the first one, or the one whose turn it is."""
        if not self.problem.chained:
            return self.edge_queue.popleft() if self.edge_queue else None
        if self.to_finish != len(self.to_serve):
            return None  # the one before is being computed
        if not self.to_serve or self.to_serve[0] not in self.edge_queue:
            return None
        path = self.to_serve.popleft()
        self.edge_queue.remove(path)
        return path

    def _served(self, path: int, worker: int) -> None:
        self.idle_workers.append(worker)
        self.to_finish -= 1
        self._serve_next()
        self.down_queue.append(path)
        self._return_next()
        if self.to_finish == 0:
            self._work(Lane.EDGE, self.problem.tail_ns, None, self._tail_ended)

    def _return_next(self) -> None:
        while self.down_queue and not (self.down_busy and self.problem.shared_link):
            path = self.down_queue.popleft()
            self.down_busy = True
            duration = self._time(self.problem.back_ns, path)
            self._work(Lane.DOWNLINK, duration, path, self._returned)

    def _returned(self) -> None:
        self.down_busy = False
        self.to_return -= 1
        self._return_next()
        self._end()

    def _tail_ended(self) -> None:
        self.tail_done = True
        self._end()

    def _end(self) -> None:
        if self.tail_done and self.to_return == 0:
            down_ns = self.problem.down_ns if self.offloaded else 0
            self._work(Lane.DOWNLINK, down_ns, None, self._all_there)

    def _all_there(self) -> None:
        self._work(Lane.DEVICE, self.problem.finish_ns, None, _nothing)


def _nothing() -> None:
    """The result is there; nothing follows."""
