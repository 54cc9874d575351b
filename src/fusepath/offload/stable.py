"""How well the median of some latencies is known, and how many inferences that takes."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusepath.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Collection

_QUANTILE = statistics.NormalDist().inv_cdf(0.975)
"""Of a normal distribution: 95 % of it lies within so many deviations of its middle."""


@dataclass(frozen=True, kw_only=True)
class UntilStable:
    """As many inferences as it takes to know their median well.

    Raises:
        SettingError: the median can never be known so well, or there may be no inference at all.
    """

    within: float
    """So far the median may be off, as a part of it: 0.02 for 2 %."""
    most: int = 1000
    """Inferences, however they scatter."""

    def __post_init__(self) -> None:
        if not self.within > 0:
            raise SettingError(f"within {self.within:g} must be above zero")
        if self.most < 1:
            raise SettingError(f"most {self.most} must be 1 or more")

    def met_by(self, latencies_s: Collection[float]) -> bool:
        """Whether the median of these is known well enough."""
        error = median_error(latencies_s)
        return error is not None and error <= self.within


def median_error(latencies_s: Collection[float]) -> float | None:
    """How far the median may be off, as a part of it, with a confidence of 95 %.

    How many of n independent values lie below the median of what they are drawn from is binomial,
    whatever their distribution, so that median lies between two of them, by rank equally far from
    the middle. None below 8 values, of which no two can say so.
    """
    ordered, count = sorted(latencies_s), len(latencies_s)
    rank = math.floor(count / 2 - _QUANTILE * math.sqrt(count) / 2)  # from either end, from 1
    if rank < 1:
        return None
    median_s = statistics.median(ordered)
    return max(ordered[-rank] - median_s, median_s - ordered[rank - 1]) / median_s
