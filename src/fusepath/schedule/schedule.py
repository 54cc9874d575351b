"""What an order and cuts amount to: when everything starts and ends."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusepath.schedule.problem import NS_PER_S
from fusepath.timeline import HEAD, Lane, Span, Timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.schedule.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class PathTimes:
    """Start and end of one path on device, link, edge server and way back, in nanoseconds."""

    path: int
    cut: int
    device: tuple[int, int]
    link: tuple[int, int]
    edge: tuple[int, int]
    worker: int
    back: tuple[int, int]
    """When its part of the result returns; as it leaves the edge server if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Times of all paths in the order in which the device computes them; nanoseconds."""

    paths: tuple[PathTimes, ...]
    tail: tuple[int, int]
    down: tuple[int, int]
    finish: tuple[int, int]
    """When the device computes what is left to it behind all paths."""
    head_ns: int = 0
    """When the device has done what comes before all paths."""

    def behind(self, layers: int, head_ns: int) -> Schedule:
        """The same once so many more layers have been computed before all paths."""

        def later(span: tuple[int, int]) -> tuple[int, int]:
            return span[0] + head_ns, span[1] + head_ns

        return Schedule(
            paths=tuple(
                PathTimes(
                    path=item.path,
                    cut=item.cut + layers,
                    device=later(item.device),
                    link=later(item.link),
                    edge=later(item.edge),
                    worker=item.worker,
                    back=later(item.back),
                )
                for item in self.paths
            ),
            tail=later(self.tail),
            down=later(self.down),
            finish=later(self.finish),
            head_ns=self.head_ns + head_ns,
        )

    @property
    def makespan_ns(self) -> int:
        """When the result is there."""
        return self.finish[1]

    @property
    def order(self) -> tuple[int, ...]:
        """Paths (0-based) in the order in which they are computed and sent."""
        return tuple(item.path for item in self.paths)

    @property
    def cuts(self) -> tuple[int, ...]:
        """First layer on the edge server (1-based), by path."""
        return tuple(item.cut for item in sorted(self.paths, key=lambda item: item.path))

    def timeline(self) -> Timeline:
        """The schedule as a predicted timeline; work that takes no time is left out."""
        spans = []
        if self.head_ns > 0:
            spans.append(_span(Lane.DEVICE, 0, self.head_ns, path=HEAD))
        for item in self.paths:
            for lane, (start, end), worker in (
                (Lane.DEVICE, item.device, 0),
                (Lane.UPLINK, item.link, 0),
                (Lane.EDGE, item.edge, item.worker),
                (Lane.DOWNLINK, item.back, 0),
            ):
                if end > start:
                    spans.append(_span(lane, start, end, path=item.path + 1, worker=worker))
        for lane, (start, end) in (
            (Lane.EDGE, self.tail),
            (Lane.DOWNLINK, self.down),
            (Lane.DEVICE, self.finish),
        ):
            if end > start:
                spans.append(_span(lane, start, end))
        return Timeline(spans=tuple(spans), settled_s=self.makespan_ns / NS_PER_S)


def evaluate(problem: Problem, order: Sequence[int], cuts: Sequence[int]) -> Schedule:
    """The semi-active schedule: everything as early as the order allows (paper Eq. 4–6).

    The device computes one path at a time in the given order; the link sends first come, first
    served; the edge server's workers take paths as they arrive, or one after the other where each
    goes on from the one before; the tail waits for all paths. Parts of the result return first
    come, first served too, and what returns in the end returns after them. What is left to the
    device it computes last.

    Args:
        problem: the times.
        order: every path (0-based) once; ascending where paths are chained.
        cuts: first layer on the edge server (1-based), by path.
    """
    device_ns, link_ns, edge_ns = problem.times
    device_free, link_free = problem.head_ns, 0
    sent = []
    for path in order:
        kind, cut = problem.class_of[path], cuts[path]
        device_end = device_free + device_ns[kind][cut - 1]
        link_start = max(link_free, device_end) if problem.shared_link else device_end
        link_end = link_start + link_ns[kind][cut - 1]
        sent.append((link_end, path, cut, (device_free, device_end), (link_start, link_end)))
        device_free, link_free = device_end, link_end

    workers = [(0, w) for w in range(problem.servers or problem.paths)]
    served = []
    arriving = sent if problem.chained else sorted(sent, key=lambda item: item[0])
    for link_end, path, cut, device, link in arriving:
        free, worker = heapq.heappop(workers)
        start = max(free, link_end + problem.delay_ns)
        end = start + edge_ns[problem.class_of[path]][cut - 1]
        heapq.heappush(workers, (end, worker))
        served.append((path, cut, device, link, (start, end), worker))

    times: dict[int, PathTimes] = {}
    back_free = last_back = 0
    for path, cut, device, link, edge, worker in sorted(served, key=lambda item: item[4][1]):
        start = max(back_free, edge[1]) if problem.shared_link else edge[1]
        back_free = start + problem.back_times[problem.class_of[path]][cut - 1]
        last_back = max(last_back, back_free)
        times[path] = PathTimes(
            path=path,
            cut=cut,
            device=device,
            link=link,
            edge=edge,
            worker=worker,
            back=(start, back_free),
        )

    joined = max(item.edge[1] for item in times.values())
    tail_end = joined + problem.tail_ns
    offloaded = problem.tail_ns > 0 or any(
        end > start for item in times.values() for start, end in (item.link, item.edge, item.back)
    )
    down_start = max(tail_end, last_back)
    down_end = down_start + (problem.down_ns if offloaded else 0)
    if not offloaded:  # nothing was sent, so nobody waits for a transmission
        joined = tail_end = down_start = down_end = device_free
    return Schedule(
        paths=tuple(times[path] for path in order),
        tail=(joined, tail_end),
        down=(down_start, down_end),
        finish=(down_end, down_end + problem.finish_ns),
        head_ns=problem.head_ns,
    )


def _span(lane: Lane, start: int, end: int, *, path: int | None = None, worker: int = 0) -> Span:
    return Span(lane=lane, start_s=start / NS_PER_S, end_s=end / NS_PER_S, path=path, worker=worker)
