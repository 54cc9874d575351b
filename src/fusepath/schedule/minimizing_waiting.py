"""Minimizing Waiting (MW): the paper's heuristic, Algorithm 1, verbatim with its ties."""

from __future__ import annotations

import sys
from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

from fusepath.schedule.schedule import evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.arrays import IntArray
    from fusepath.schedule.problem import Problem
    from fusepath.schedule.schedule import Schedule


def minimizing_waiting(problem: Problem) -> Schedule:
    """One schedule for one tiling (Algorithm 1, lines 5–15).

    The first path and cut minimise the completion of its transmission (Eq. 7; ties: least local
    time). Each next pair minimises the distance between its local completion and the completion
    of the previous transmission (Eq. 8; ties: most layers before the cut). Ties that the paper
    leaves open go to the lower path. O(P log(classes · cuts)).
    """
    schedule = minimizing_waiting_within(problem, None)
    assert schedule is not None  # without a limit nothing is given up
    return schedule


def minimizing_waiting_within(problem: Problem, limit_ns: int | None) -> Schedule | None:
    """The schedule of `minimizing_waiting`, or None as soon as it must exceed ``limit_ns``."""
    device, link, _ = problem.times
    after = (problem.edge_ns + problem.delay_ns).tolist()
    waiting = [list(reversed(group)) for group in problem.members]
    cuts = [0] * problem.paths
    order = []

    kind, cut = _first(problem, device, link)
    targets = _Targets(device, waiting)
    device_free = link_free = 0
    latest = sys.maxsize if limit_ns is None else limit_ns - problem.tail_ns
    for step in range(problem.paths):
        if step > 0:
            kind, cut = targets.closest(link_free - device_free, waiting)
        path = waiting[kind].pop()
        cuts[path] = cut
        order.append(path)
        device_free += device[kind][cut - 1]
        start = link_free if link_free > device_free and problem.shared_link else device_free
        link_free = start + link[kind][cut - 1]
        if link_free + after[kind][cut - 1] > latest and limit_ns is not None:
            return None
        if not waiting[kind]:
            targets = _Targets(device, waiting)
    return evaluate(problem, order, cuts)


def must_exceed(
    times: tuple[IntArray, IntArray, IntArray],
    counts: IntArray,
    limit_ns: int,
    *,
    shared_link: bool,
) -> bool:
    """Whether the last path of MW must be done later than ``limit_ns``; False if that is open.

    Goes through the choices of `minimizing_waiting` with nothing but the number of paths of each
    class, so that grids of many thousand paths need not be spelt out to be dismissed. Where a tie
    goes to the lower of two unlike paths, that is not enough to go on, and the answer is False.

    Args:
        times: device, link and edge server (delay included), by class and cut.
        counts: paths of each class.
        limit_ns: the tail not included.
        shared_link: as of the problem.
    """
    unlike: dict[bytes, int] = {}
    merged = [unlike.setdefault(row.tobytes(), len(unlike)) for row in np.hstack(times)]
    left = np.bincount(merged, weights=counts).astype(int).tolist()
    rows = [merged.index(kind) for kind in range(len(unlike))]
    device, link, after = (table[rows].tolist() for table in times)
    starts = [
        (d + c, d, kind, at + 1)
        for kind in range(len(rows))
        for at, (d, c) in enumerate(zip(device[kind], link[kind], strict=True))
    ]
    first = min(starts)
    if any(start[:2] == first[:2] and start[2] != first[2] for start in starts):
        return False
    _, _, kind, cut = first
    targets = _Targets(device, left)
    device_free = link_free = 0
    for step in range(sum(left)):
        if step > 0:
            tied = targets.tied(link_free - device_free)
            if len(tied) > 1:
                return False
            kind, cut = tied[0]
        left[kind] -= 1
        device_free += device[kind][cut - 1]
        start = link_free if link_free > device_free and shared_link else device_free
        link_free = start + link[kind][cut - 1]
        if link_free + after[kind][cut - 1] > limit_ns:
            return True
        if not left[kind]:
            targets = _Targets(device, left)
    return False


def _first(problem: Problem, device: list[list[int]], link: list[list[int]]) -> tuple[int, int]:
    best = min(
        (device[kind][c] + link[kind][c], device[kind][c], group[0], kind, c + 1)
        for kind, group in enumerate(problem.members)
        if group
        for c in range(problem.cuts)
    )
    return best[3], best[4]


class _Targets:
    """Local times that a waiting path can choose, ascending, and who can choose each."""

    def __init__(self, device: list[list[int]], waiting: Sequence[list[int] | int]) -> None:
        """``waiting`` holds the paths of each class that are left, or their number."""
        local: dict[int, list[tuple[int, int]]] = {}
        for kind, left in enumerate(waiting):
            if left:
                for c, time in enumerate(device[kind]):
                    local.setdefault(time, []).append((kind, c + 1))
        self.times = sorted(local)
        self.choices = [local[time] for time in self.times]
        self.asked: dict[int, list[tuple[int, int]]] = {}

    def closest(self, wanted: int, waiting: list[list[int]]) -> tuple[int, int]:
        """The pair (class, cut) whose local time is closest to the wanted one."""
        tied = self.tied(wanted)
        best = tied[0]
        if len(tied) > 1:
            lowest = waiting[best[0]][-1]
            for pair in tied:
                path = waiting[pair[0]][-1]
                if path < lowest:
                    best, lowest = pair, path
        return best

    def tied(self, wanted: int) -> list[tuple[int, int]]:
        """All pairs that are closest and have the most layers before the cut."""
        found = self.asked.get(wanted)
        if found is None:
            found = self.asked[wanted] = self._tied(wanted)
        return found

    def _tied(self, wanted: int) -> list[tuple[int, int]]:
        at = bisect_left(self.times, wanted)
        near = [i for i in (at - 1, at) if 0 <= i < len(self.times)]
        distance = min(abs(self.times[i] - wanted) for i in near)
        pairs = [
            pair
            for i in near
            if abs(self.times[i] - wanted) == distance
            for pair in self.choices[i]
        ]
        most = max(cut for _, cut in pairs)
        return [pair for pair in pairs if pair[1] == most]
