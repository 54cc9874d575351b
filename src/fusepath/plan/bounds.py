"""Times that no schedule of a problem can beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fusepath.plan.problem import Problem

_STEPS = 16
_SIMPLEX = np.array(
    [(a, b, _STEPS - a - b) for a in range(_STEPS + 1) for b in range(_STEPS + 1 - a)],
    dtype=np.int64,
)
"""Weights of (device, link, edge), in sixteenths."""


def lower_bound_ns(problem: Problem) -> int:
    """The larger of `machine_bound_ns` and `path_bound_ns`."""
    return max(machine_bound_ns(problem), path_bound_ns(problem))


def machine_bound_ns(problem: Problem) -> int:
    """No schedule ends before the machines have done their shares.

    The makespan is at least the load of device, of link and of edge server, so it is at least any
    weighted mean of the three. With the weights fixed, every path can choose the cut that is best
    for the mean, whatever the others do (a Lagrangian bound); the best of a fixed set of weights
    is returned. Machines that do not limit (own links, unlimited workers) get no weight.
    """
    if problem.edge_workers == 0 or not problem.shared_link:
        weights = _SIMPLEX[
            ((_SIMPLEX[:, 1] == 0) | problem.shared_link)
            & ((_SIMPLEX[:, 2] == 0) | (problem.edge_workers > 0))
        ]
    else:
        weights = _SIMPLEX
    count = np.bincount(problem.class_of, minlength=len(problem.device_ns))
    edge = problem.edge_ns / max(problem.edge_workers, 1)
    costs = np.stack([problem.device_ns, problem.link_ns, edge])
    mean = np.tensordot(weights / _STEPS, costs, axes=1)  # (weights, classes, cuts)
    load = float((mean.min(axis=2) @ count).max())
    return int(load) + _ending_ns(problem)


def path_bound_ns(problem: Problem) -> int:
    """No schedule ends before its slowest path alone could, at the path's best cut."""
    alone = problem.device_ns + problem.link_ns + problem.edge_ns
    return int(alone.min(axis=1).max()) + _ending_ns(problem)


def _ending_ns(problem: Problem) -> int:
    """What always follows the last path: the tail, and the result unless all may stay put."""
    all_local = bool((problem.link_ns.min(axis=1) == 0).all()) and problem.tail_ns == 0
    return problem.tail_ns + (0 if all_local else problem.down_ns)
