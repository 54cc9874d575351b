"""Which of several plans is the best at which pace of the link, exactly."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.arrays import FloatArray
    from fusepath.plan.book.rate_curve import RateCurve


_ROUNDING = 1e-9


def lower_envelope(
    curves: Sequence[RateCurve], fastest: float, slowest: float
) -> list[tuple[float, int]]:
    """Pieces of the minimum of curves: where each begins (ascending), and the curve's index.

    Between two kinks of any curve all of them are straight. From left to right the lowest line is
    followed until the first flatter one crosses it.

    Args:
        curves: at least one.
        fastest: the smaller pace (seconds per byte).
        slowest: the larger pace.
    """
    pieces: list[tuple[float, int]] = []
    paces = _straight_between(curves, fastest, slowest)
    lines = [curve.lines_at((paces[:-1] + paces[1:]) / 2) for curve in curves]
    all_seconds, all_slopes = np.stack(lines, axis=1)
    for (left, right), seconds, slopes in zip(
        pairwise(paces.tolist()), all_seconds.T, all_slopes.T, strict=True
    ):
        at = _lowest(seconds + slopes * left, slopes, pieces[-1][1] if pieces else None)
        here = left
        while True:
            _begin(pieces, here, at)
            flatter = np.flatnonzero(slopes < slopes[at])
            crossings = (seconds[flatter] - seconds[at]) / (slopes[at] - slopes[flatter])
            if not len(flatter) or crossings.min() >= right:
                break
            here, at = max(here, float(crossings.min())), int(flatter[crossings.argmin()])
    if len(pieces) > 1 and pieces[-1][0] * (1 + _ROUNDING) >= slowest:
        pieces.pop()
    return pieces


def _begin(pieces: list[tuple[float, int]], start: float, at: int) -> None:
    """Begin a piece, unless it goes on; one that was too short to count gives way to it."""
    if pieces and start <= pieces[-1][0] * (1 + _ROUNDING):
        start, _ = pieces.pop()
    if not pieces or pieces[-1][1] != at:
        pieces.append((start, at))


def _lowest(values: FloatArray, slopes: FloatArray, present: int | None) -> int:
    """The flattest of the lowest lines; the present one if it is one of these."""
    lowest = np.flatnonzero(values <= values.min() * (1 + _ROUNDING))
    flattest = lowest[slopes[lowest] <= slopes[lowest].min() * (1 + _ROUNDING)]
    return present if present is not None and present in flattest else int(flattest[0])


def fewest(
    curves: Sequence[RateCurve],
    caps: Sequence[int],
    fastest: float,
    slowest: float,
    slack: float,
) -> list[int]:
    """Few curves whose minimum is nowhere above that of all by more than a share of it.

    From left to right, always the curve that suffices longest.

    Args:
        curves: at least one.
        caps: indices of curves, straight ones, that must not be exceeded at all.
        fastest: the smaller pace (seconds per byte).
        slowest: the larger pace.
        slack: the share.
    """
    starts = [start for start, _ in lower_envelope(curves, fastest, slowest)]
    paces = np.union1d(_straight_between(curves, fastest, slowest), starts)
    values = np.array([curve.at(paces) for curve in curves])
    limit = np.minimum(values.min(axis=0) * (1 + slack), values[list(caps)].min(axis=0))
    # Straight lines that are below the limits at both ends are below them in between.
    below = values <= limit * (1 + _ROUNDING)
    suffices = below[:, :-1] & below[:, 1:]
    chosen: list[int] = []
    at = 0
    while at < suffices.shape[1]:
        ends = suffices[:, at:].cumprod(axis=1).sum(axis=1) + at
        furthest = np.flatnonzero(ends == ends.max())
        best = int(furthest[values[furthest, at : ends.max() + 1].mean(axis=1).argmin()])
        chosen.append(best)
        at = int(ends[best])
    return sorted(set(chosen))


def _straight_between(curves: Sequence[RateCurve], fastest: float, slowest: float) -> FloatArray:
    """Paces between which no curve has a kink, both ends included."""
    kinks = np.array([kink for curve in curves for kink in curve.kinks])
    inside = kinks[(kinks > fastest) & (kinks < slowest)]
    return np.concatenate([[fastest], np.unique(inside), [slowest]])
