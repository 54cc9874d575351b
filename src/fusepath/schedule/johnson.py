"""JPS: a cut per path around the crossing of computing and sending, in Johnson's order.

After Y. Duan and J. Wu, "Joint Optimization of DNN Partition and Scheduling for Mobile Cloud
Computing", ICPP 2021: many inferences of one network share a device and a link, and each may be
cut at a layer of its own. Two stages count, computing up to the cut on the device, ``f(l)``, and
sending from there, ``g(l)``; the cloud is taken to be fast enough. They find that ``f`` grows about
linearly and ``g`` falls convexly with the layer, so that the best cuts lie around the crossing of
the two, some jobs cut just before it and the others just after; two-stage jobs with given times
are ordered optimally by Johnson's rule.

Ours is the transfer to fused-layer paths, which are jobs with different times: ``f`` and ``g`` are
reduced to the lower convex hull of each class's (device, link) pairs, each path may be cut at the
hull point before or after its own crossing, and every number of paths before the crossing is
tried (the paper derives the number, for equal jobs). The schedule found is then timed with edge
server, delay and tail like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.schedule.exact.sequence import johnson_key
from fusepath.schedule.schedule import evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.schedule.problem import Problem
    from fusepath.schedule.schedule import Schedule


def johnson_partition(problem: Problem) -> Schedule:
    """The best schedule whose cuts lie around the crossings; ties: fewer paths before them.

    O(P² log P) for P paths.
    """
    device, link = problem.device_ns.tolist(), problem.link_ns.tolist()
    cuts = [around_crossing(f, g) for f, g in zip(device, link, strict=True)]

    def schedule(before: int) -> Schedule:
        chosen = [
            cuts[kind][0 if place < before else 1] for place, kind in enumerate(problem.class_of)
        ]
        order = sorted(
            range(problem.paths),
            key=lambda path: johnson_key(
                device[problem.class_of[path]][chosen[path] - 1],
                link[problem.class_of[path]][chosen[path] - 1],
            ),
        )
        return evaluate(problem, order, chosen)

    return min(
        (schedule(before) for before in range(problem.paths + 1)),
        key=lambda found: found.makespan_ns,
    )


def around_crossing(device: Sequence[int], link: Sequence[int]) -> tuple[int, int]:
    """Cuts (1-based) of the hull points before and after the device takes as long as the link.

    The same cut twice when all points lie on one side.
    """
    hull = _lower_hull(device, link)
    after = next(
        (at for at, cut in enumerate(hull) if device[cut - 1] >= link[cut - 1]), len(hull) - 1
    )
    before = max(after - 1, 0) if device[hull[after] - 1] >= link[hull[after] - 1] else after
    return hull[before], hull[after]


def _lower_hull(device: Sequence[int], link: Sequence[int]) -> list[int]:
    """Cuts (1-based) on the falling part of the lower convex hull of (device, link) pairs."""
    hull: list[int] = []
    for cut in sorted(range(1, len(device) + 1), key=lambda c: (device[c - 1], link[c - 1], c)):
        if hull and link[cut - 1] >= link[hull[-1] - 1]:
            continue  # later and no less to send
        while len(hull) > 1 and _is_above(device, link, hull[-2], hull[-1], cut):
            hull.pop()
        hull.append(cut)
    return hull


def _is_above(device: Sequence[int], link: Sequence[int], a: int, b: int, c: int) -> bool:
    """Whether ``b`` lies on or above the line from ``a`` to ``c``."""
    rise = (link[b - 1] - link[a - 1]) * (device[c - 1] - device[a - 1])
    return rise >= (link[c - 1] - link[a - 1]) * (device[b - 1] - device[a - 1])
