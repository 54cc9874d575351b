"""Frame after frame: which frames take which plan, so that there are many of them in a second.

Many frames under way keep every machine at work. Then the machine that has the most to do per
frame limits how many there are, however long a single frame takes. Plans load machines unlike, so
where whole frames take two plans in turn, that can be less than with either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.arrays import BoolArray, FloatArray

MOST_TURNS = 12
"""Frames after which the plans come again in the same order, at most."""


@dataclass(frozen=True, slots=True)
class Alternation:
    """Which plan every frame of a cycle takes, and what is known of that without playing it."""

    turns: tuple[int, ...]
    """By frame: the place of its plan among those to choose from, 0-based."""
    least_period_s: float
    """The time from one result to the next is no less on average."""
    latency_s: float
    """Mean of what the frames would take alone."""


def alternations(
    loads_s: FloatArray,
    latencies_s: Sequence[float],
    *,
    in_flight: int,
    by_latency: bool,
    most: int,
    within_s: float = math.inf,
) -> list[Alternation]:
    """One plan for all frames, or two in turn: the best by what is known without playing them.

    Args:
        loads_s: what a frame of each plan takes of every machine; shape (plans, machines).
        latencies_s: what a frame of each plan takes alone.
        in_flight: frames that may be under way.
        by_latency: least latency first; least period without.
        most: how many are wanted; single plans come besides.
        within_s: the longest period.
    """
    latencies = np.array(latencies_s)
    least_s = np.maximum(loads_s.max(axis=1), latencies / in_flight)
    singles = [
        Alternation((plan,), float(least_s[plan]), float(latencies[plan]))
        for plan in np.flatnonzero(least_s <= within_s).tolist()
    ]
    kept = np.flatnonzero(_worth(loads_s, latencies))
    loads, alone = loads_s[kept], latencies[kept]
    shares = sorted(
        {Fraction(count, size) for size in range(2, MOST_TURNS + 1) for count in range(1, size)}
    )
    second = np.array([float(share) for share in shares])[:, None, None]
    mixed = (1 - second[..., None]) * loads[:, None, :] + second[..., None] * loads[None, :, :]
    latency = (1 - second) * alone[:, None] + second * alone[None, :]
    # A frame is under way for as long as it takes alone, or longer.
    period = np.maximum(mixed.max(axis=3), latency / in_flight)
    fits = ~np.eye(len(kept), dtype=bool) & (period <= within_s)
    first_key, second_key = (latency, period) if by_latency else (period, latency)
    order = np.lexsort((second_key.ravel(), first_key.ravel(), ~fits.ravel()))
    mixtures = []
    for at in (int(at) for at in order[:most] if fits.flat[at]):
        share, one, other = np.unravel_index(at, period.shape)
        turns = _spread(int(kept[one]), int(kept[other]), shares[int(share)])
        mixtures.append(Alternation(turns, float(period.flat[at]), float(latency.flat[at])))
    return sorted(
        [*singles, *mixtures],
        key=lambda item: (
            (item.latency_s, item.least_period_s)
            if by_latency
            else (item.least_period_s, item.latency_s)
        ),
    )


def _worth(loads_s: FloatArray, latencies_s: FloatArray) -> BoolArray:
    """Which plans no other is as good as in everything."""
    costs = np.column_stack([loads_s, latencies_s])
    as_good = (costs[:, None, :] <= costs[None, :, :]).all(axis=2)
    place = np.arange(len(costs))
    beats = as_good & (~as_good.T | (place[:, None] < place[None, :]))  # of equals the first
    worth: BoolArray = np.logical_not(np.logical_or.reduce(beats, axis=0))
    return worth


def _spread(one: int, other: int, share: Fraction) -> tuple[int, ...]:
    """A cycle in which so large a share of frames takes the other plan, as evenly as can be."""
    count, size = share.numerator, share.denominator
    return tuple(
        other if (place + 1) * count // size > place * count // size else one
        for place in range(size)
    )
