"""Minimizing Waiting (MW): the paper's heuristic, Algorithm 1, verbatim with its ties."""

from __future__ import annotations

import sys
from bisect import bisect_left
from typing import TYPE_CHECKING

from fusepath.plan.schedule import evaluate

if TYPE_CHECKING:
    from fusepath.plan.problem import Problem
    from fusepath.plan.schedule import Schedule


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
    device, link = problem.device_ns.tolist(), problem.link_ns.tolist()
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
            kind, cut = targets.closest(link_free - device_free)
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

    def __init__(self, device: list[list[int]], waiting: list[list[int]]) -> None:
        local: dict[int, list[tuple[int, int]]] = {}
        for kind, group in enumerate(waiting):
            if group:
                for c, time in enumerate(device[kind]):
                    local.setdefault(time, []).append((kind, c + 1))
        self.waiting = waiting
        self.times = sorted(local)
        self.choices = [local[time] for time in self.times]
        self.asked: dict[int, list[tuple[int, int]]] = {}

    def closest(self, wanted: int) -> tuple[int, int]:
        """The pair (class, cut) whose local time is closest to the wanted one."""
        tied = self.asked.get(wanted)
        if tied is None:
            tied = self.asked[wanted] = self._tied(wanted)
        best = tied[0]
        if len(tied) > 1:
            lowest = self.waiting[best[0]][-1]
            for pair in tied:
                path = self.waiting[pair[0]][-1]
                if path < lowest:
                    best, lowest = pair, path
        return best

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
