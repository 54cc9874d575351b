"""Times that no schedule of a problem can beat. Cheap: searches call them once per tiling.

Every bound here is for schedules that send something; where all paths can stay on the device for
good, the time of that is a second candidate, and the smaller of the two is the bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fusepath.arrays import FloatArray
    from fusepath.schedule.problem import Problem


_STEPS = 16
_SIMPLEX = np.array(
    [(a, b, _STEPS - a - b) for a in range(_STEPS + 1) for b in range(_STEPS + 1 - a)],
    dtype=np.float64,
)
"""Weights of (device, link, edge), in sixteenths; `float` holds these products exactly."""
_DEVICE, _LINK, _EDGE = _STEPS * np.eye(3)


def lower_bound_ns(problem: Problem) -> int:
    """The larger of `machine_bound_ns` and `path_bound_ns`."""
    return max(machine_bound_ns(problem), path_bound_ns(problem))


def machine_bound_ns(problem: Problem) -> int:
    """No schedule ends before the machines have done their shares.

    The makespan is at least the time each machine needs, with what it must wait for at first and
    what must follow it at last; so it is at least any weighted mean of the three. With the
    weights fixed, every path can choose the cut that is best for the mean, whatever the others do
    (a Lagrangian bound); the weights are the best of a fixed set.
    """
    costs = _loads(problem)
    means = (_SIMPLEX @ costs.reshape(3, -1)).reshape(len(_SIMPLEX), *costs.shape[1:])
    load = means.min(axis=2) @ _counts(problem)
    return _makespan_ns(problem, _weighted_end_ns(problem, costs, _SIMPLEX[int(load.argmax())]))


def device_bound_ns(problem: Problem) -> int:
    """The device's least load, and then the last path's way to its end."""
    return _makespan_ns(problem, _weighted_end_ns(problem, _loads(problem), _DEVICE))


def link_bound_ns(problem: Problem) -> int:
    """The first path's way to the link, its least load, and the last path's way on."""
    return _makespan_ns(problem, _weighted_end_ns(problem, _loads(problem), _LINK))


def edge_bound_ns(problem: Problem) -> int:
    """The first path's way to the edge server, and then its least load, shared by its workers."""
    return _makespan_ns(problem, _weighted_end_ns(problem, _loads(problem), _EDGE))


def path_bound_ns(problem: Problem) -> int:
    """No schedule ends before its slowest path alone could, at the path's best cut."""
    alone = problem.device_ns + problem.link_ns + problem.delay_ns + problem.edge_ns
    return _makespan_ns(problem, int(alone.min(axis=1)[_counts(problem) > 0].max()))


def _counts(problem: Problem) -> FloatArray:
    return np.bincount(problem.class_of, minlength=len(problem.device_ns)).astype(np.float64)


def _loads(problem: Problem) -> FloatArray:
    """Load of (device, link, edge) by class and cut, in 1/workers ns; 0 where it cannot limit."""
    workers = max(problem.servers, 1)
    costs = np.empty((3, *problem.device_ns.shape))
    costs[0] = problem.device_ns * workers
    costs[1] = problem.link_ns * workers if problem.shared_link else 0
    costs[2] = problem.edge_ns if problem.servers > 0 else 0
    return costs


def _weighted_end_ns(problem: Problem, costs: FloatArray, weights: FloatArray) -> int:
    """Least weighted mean of when the machines can be done with all paths."""
    workers = max(problem.servers, 1)
    mean = np.tensordot(weights, costs, axes=1)
    least = mean.min(axis=1)
    counts = _counts(problem)
    end = float(least @ counts)
    if problem.paths > 1:
        present = counts > 0
        on_device, on_link, on_edge = weights * workers
        # After the device: the last path is sent and computed. After the link: it is computed.
        after = on_device * (problem.link_ns + problem.delay_ns + problem.edge_ns)
        if problem.shared_link:
            after = after + on_link * (problem.delay_ns + problem.edge_ns)
            # Before the link: the first path is computed. Before the edge server: it is sent.
            until = on_link * problem.device_ns
            if problem.servers > 0:
                arrival = problem.device_ns + problem.link_ns + problem.delay_ns
                until = until + on_edge * arrival
            end += float(((mean + until).min(axis=1) - least)[present].min())
        end += float(((mean + after).min(axis=1) - least)[present].min())
    return -int(-end // (_STEPS * workers))


def _makespan_ns(problem: Problem, end_ns: int) -> int:
    """The bound of the makespan, from that of the end of the last path."""
    sent = end_ns + problem.tail_ns + problem.down_ns + problem.finish_ns
    if problem.tail_ns > 0:
        return sent
    idle = (problem.link_ns == 0) & (problem.edge_ns == 0)
    if problem.back_ns is not None:
        idle &= problem.back_ns == 0
    if not idle[_counts(problem) > 0].any(axis=1).all():
        return sent
    stay = np.where(idle, problem.device_ns, np.iinfo(np.int64).max).min(axis=1)
    return min(sent, int(stay[list(problem.class_of)].sum()) + problem.finish_ns)
