"""Which tilings are worth a look: a lower bound for each that costs next to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.arrays import IntArray
    from fusepath.plan.timing import Tiled, Timing


WEIGHTS = np.array(
    [
        (1, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
        (0.5, 0.5, 0),
        (0.25, 0.75, 0),
        (0.1, 0.9, 0),
        (0, 0.5, 0.5),
        (0.1, 0.45, 0.45),
    ]
)
"""Weights of (device, link, edge); any set is valid, more of them bound better."""


def quick_bounds_ns(
    timing: Timing, tilings: Sequence[Tiled], *, last_cut: bool = False
) -> IntArray:
    """For each tiling, a time that no schedule with cuts ``1 … tau`` can beat.

    With ``last_cut``, cut ``tau + 1`` may be chosen as well. The arguments are those of
    `lower_bound_ns`, with fewer weights and before the paths of the problem are spelt out. The way
    back is not counted.
    """
    convention = timing.setting.convention
    weights = WEIGHTS
    if not convention.shared_link:
        weights = weights[weights[:, 1] == 0]
    if convention.edge_workers == 0:
        weights = weights[weights[:, 2] == 0]
    per_worker = np.array([1.0, 1.0, 1.0 / max(convention.edge_workers, 1)])
    weights = weights * per_worker
    bounds = np.empty(len(tilings), dtype=np.int64)
    for at, tiled in enumerate(tilings):
        cuts = tiled.tau + last_cut
        times = np.stack(timing.times_ns(tiled))[:, :, :cuts]
        load = float((np.tensordot(weights, times, axes=1).min(axis=2) @ tiled.counts).max())
        alone = int(times.sum(axis=0).min(axis=1).max())
        # Times are whole and weights are not: a hair's breadth off keeps the bound on its side.
        bounds[at] = tiled.tail_ns + max(int(load * (1 - 1e-12)), alone)
    return bounds
