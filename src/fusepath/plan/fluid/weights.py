"""Weights of machines for which the least of several weighted loads is largest."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fusepath.arrays import FloatArray

_SINGULAR = 1e-12


def best_weights_for(loads: FloatArray) -> tuple[FloatArray, float]:
    """Weights of machines, summing to 1, whose least weighted load is largest; its value.

    A few rows decide: the least row for the best weights of the rows so far is added to them, until
    it is one of them.

    Args:
        loads: a row of the machines' loads each; at least one.
    """
    deciding = [int(loads.sum(axis=1).argmin())]
    while True:
        weights, value = _best_weights_for_few(loads[deciding])
        least = loads @ weights
        at = int(least.argmin())
        if at in deciding or least[at] >= value:
            return weights, float(least[at])
        deciding.append(at)


def _best_weights_for_few(loads: FloatArray) -> tuple[FloatArray, float]:
    """`best_weights_for`, by trying all weights at which rows meet.

    The least of linear functions is concave and largest where as many of them meet as there are
    machines on a face of the simplex; all such points are tried.
    """
    lower = (loads[:, None, :] <= loads[None, :, :]).all(axis=2)
    equal = lower & lower.T
    rows = loads[~((lower & ~equal) | np.triu(equal, k=1)).any(axis=0)]
    machines = rows.shape[1]
    candidates = [np.eye(machines)]
    for count in range(2, min(machines, len(rows)) + 1):
        together = np.array(list(combinations(range(len(rows)), count)))
        for face in combinations(range(machines), count):
            met = np.zeros((len(together), machines))
            met[:, face] = _meeting_points(rows[together][:, :, face])
            candidates.append(met[(met >= 0).all(axis=1)])
    points = np.concatenate(candidates)
    values = np.concatenate(
        [(part @ rows.T).min(axis=1) for part in np.array_split(points, len(points) // 4096 + 1)]
    )
    best = int(np.argmax(values))
    return points[best], float(values[best])


def _meeting_points(rows: FloatArray) -> FloatArray:
    """Weights, summing to 1, with which several rows have the same load; −1 where there are none.

    Args:
        rows: as many loads as there are machines; shape (choices, machines, machines).
    """
    size = rows.shape[1]
    scale = np.abs(rows).max(axis=(1, 2), keepdims=True)
    equations = np.ones_like(rows)
    equations[:, 1:] = (rows[:, 1:] - rows[:, :1]) / np.where(scale > 0, scale, 1.0)
    wanted = np.zeros((len(rows), size, 1))
    wanted[:, 0] = 1.0
    points = np.full((len(rows), size), -1.0)
    solvable = np.abs(np.linalg.det(equations)) > _SINGULAR
    points[solvable] = np.linalg.solve(equations[solvable], wanted[solvable])[:, :, 0]
    return points
