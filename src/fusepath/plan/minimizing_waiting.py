"""Minimizing Waiting (MW): the paper's heuristic, Algorithm 1, verbatim with its ties."""

from __future__ import annotations

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
    device, link = problem.device_ns.tolist(), problem.link_ns.tolist()
    waiting = [list(reversed(group)) for group in problem.members]
    cuts = [0] * problem.paths
    order = []

    kind, cut = _first(problem, device, link)
    targets = _targets(device, waiting)
    device_free = link_free = 0
    for step in range(problem.paths):
        if step > 0:
            kind, cut = _closest(targets, waiting, link_free - device_free)
        path = waiting[kind].pop()
        cuts[path] = cut
        order.append(path)
        device_free += device[kind][cut - 1]
        start = max(link_free, device_free) if problem.shared_link else device_free
        link_free = start + link[kind][cut - 1]
        if not waiting[kind]:
            targets = _targets(device, waiting)
    return evaluate(problem, order, cuts)


def _first(problem: Problem, device: list[list[int]], link: list[list[int]]) -> tuple[int, int]:
    best = min(
        (device[kind][c] + link[kind][c], device[kind][c], group[0], kind, c + 1)
        for kind, group in enumerate(problem.members)
        for c in range(problem.cuts)
    )
    return best[3], best[4]


class _Targets:
    """Local times that a waiting path can choose, ascending, and who can choose each."""

    def __init__(self, local: dict[int, list[tuple[int, int]]]) -> None:
        self.times = sorted(local)
        self.choices = [local[time] for time in self.times]


def _targets(device: list[list[int]], waiting: list[list[int]]) -> _Targets:
    local: dict[int, list[tuple[int, int]]] = {}
    for kind, group in enumerate(waiting):
        if group:
            for c, time in enumerate(device[kind]):
                local.setdefault(time, []).append((kind, c + 1))
    return _Targets(local)


def _closest(targets: _Targets, waiting: list[list[int]], wanted: int) -> tuple[int, int]:
    """The pair (class, cut) whose local time is closest to the wanted one."""
    at = bisect_left(targets.times, wanted)
    near = [i for i in (at - 1, at) if 0 <= i < len(targets.times)]
    distance = min(abs(targets.times[i] - wanted) for i in near)
    tied = [
        (-cut, waiting[kind][-1], kind, cut)
        for i in near
        if abs(targets.times[i] - wanted) == distance
        for kind, cut in targets.choices[i]
    ]
    best = min(tied)
    return best[2], best[3]
