"""Leaving out what is beaten: Pareto fronts of label sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusepath.arrays import IntArray


_NEIGHBOURS = (1, 2, 3, 4, 6, 8, 12, 16)
_ROUNDS = 3
_BINS = 16


def unbeaten(group: IntArray, labels: IntArray) -> IntArray:
    """Indices of labels that no other label of their group undercuts or equals everywhere.

    What it leaves out is beaten for certain; it may keep a few beaten labels where finding them
    would cost more than carrying them. Of equal labels one is kept.

    Args:
        group: labels compare only within their group; shape (n,).
        labels: shape (n, k) with k ≥ 2; smaller is better everywhere.
    """
    columns = labels.shape[1]
    order = np.lexsort((*(labels[:, c] for c in range(columns - 1, -1, -1)), group))
    rest = labels[order][:, 1:]
    where = group[order]
    for _ in range(_ROUNDS):
        beaten = np.zeros(len(order), dtype=bool)
        for step in _NEIGHBOURS:
            if step >= len(order):
                break
            better = where[step:] == where[:-step]
            for column in range(columns - 1):
                better &= rest[:-step, column] <= rest[step:, column]
            beaten[step:] |= better
        if not beaten.any():
            break
        order, rest, where = order[~beaten], rest[~beaten], where[~beaten]
    if columns == 3 and len(order) > _NEIGHBOURS[-1]:
        order = order[~_beaten_across(where, rest)]
    return order


def _beaten_across(where: IntArray, rest: IntArray) -> NDArray[np.bool_]:
    """Labels that an earlier one of their group beats, seen through limits on the last column.

    For every limit: the least second column so far among labels within the limit, against each
    label at or above the limit.
    """
    _, middle = np.unique(rest[:, 0], return_inverse=True)  # ranks: no sum below can overflow
    last = rest[:, 1]
    starts = np.concatenate([[True], where[1:] != where[:-1]])
    top = int(middle.max()) + 1
    # Groups descend in steps of ``top``, so that a running minimum restarts with every group.
    group = np.cumsum(starts) - 1
    offset = (group[-1] - group) * top
    beaten = np.zeros(len(where), dtype=bool)
    limits = np.sort(last)[np.linspace(0, len(last) - 1, _BINS + 1).astype(np.int64)]
    for limit in np.unique(limits):
        least = np.minimum.accumulate(np.where(last <= limit, middle, top) + offset)
        before = np.concatenate([[np.iinfo(np.int64).max], least[:-1]])
        beaten |= ~starts & (last >= limit) & (before <= middle + offset)
    return beaten
