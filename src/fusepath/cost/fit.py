"""From times of pieces to a cost per piece and per position, and how wrong that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


class FitError(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far predictions are from measurements that were not used to make them.

    Errors are ``abs(predicted − measured) / measured``.
    """

    shapes: int
    """Measurements compared."""
    median: float
    p90: float
    worst: float
    bias: float
    """Median of (predicted − measured) / measured: below zero, predictions are too quick."""


def fit_error(pairs: Sequence[tuple[float, float]]) -> FitError | None:
    """Errors of pairs (predicted, measured), in seconds; None without any."""
    if not pairs:
        return None
    predicted, measured = np.array(pairs).T
    relative = predicted / measured - 1
    size = np.abs(relative)
    return FitError(
        shapes=len(pairs),
        median=float(np.median(size)),
        p90=float(np.quantile(size, 0.9)),
        worst=float(size.max()),
        bias=float(np.median(relative)),
    )


def fixed_part_s(whole_s: float, pieces: Sequence[tuple[float, float]]) -> float:
    """Seconds of a layer that each piece costs, however small: ``a`` in ``a + b · positions``.

    The line goes through the whole layer, so that a network's times still add up; among those, the
    one whose squared relative errors on the pieces are least, with ``0 ≤ a ≤ whole_s``.

    Args:
        whole_s: seconds of the whole layer.
        pieces: (part of the layer's positions, seconds) of each piece.
    """
    if not pieces:
        return 0.0
    share, seconds = np.array(pieces).T
    rest = (1 - share) / seconds
    against = float(rest @ rest)
    if against == 0:
        return 0.0
    fixed_s = float(rest @ ((seconds - whole_s * share) / seconds)) / against
    return min(max(fixed_s, 0.0), whole_s)
