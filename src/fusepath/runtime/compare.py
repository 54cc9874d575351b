"""Is a split result the unsplit one?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.arrays import Array


TOLERANCE = 1e-5
"""Largest difference allowed, relative to the largest value of the output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How far results are from a reference, over all outputs."""

    max_abs_error: float
    max_rel_error: float
    """Of each output, relative to its own largest value; the worst output counts."""
    bit_equal: bool

    @property
    def passed(self) -> bool:
        """Whether the difference is within `TOLERANCE`."""
        return self.bit_equal or self.max_rel_error <= TOLERANCE


def compare(results: Mapping[str, Array], reference: Mapping[str, Array]) -> Comparison:
    """Compare outputs with those of the unsplit model.

    NaN equals NaN and infinity equals infinity of the same sign; a missing output, one of another
    shape and a value that is not finite where it should be are infinitely wrong.
    """
    worst_abs = worst_rel = 0.0
    equal = set(results) == set(reference)
    if not equal:
        worst_abs = worst_rel = float("inf")
    for name in set(results) & set(reference):
        value, expected = results[name], reference[name]
        if value.shape != expected.shape:
            return Comparison(
                max_abs_error=float("inf"), max_rel_error=float("inf"), bit_equal=False
            )
        if np.array_equal(value, expected, equal_nan=value.dtype.kind == "f"):
            continue
        equal = False
        error, largest = _error_and_largest(value, expected)
        worst_abs = max(worst_abs, error)
        # No scale makes an infinite error small.
        scaled = error < float("inf") and largest > 0
        worst_rel = max(worst_rel, error / largest if scaled else float("inf"))
    return Comparison(max_abs_error=worst_abs, max_rel_error=worst_rel, bit_equal=equal)


def _error_and_largest(value: Array, expected: Array) -> tuple[float, float]:
    """The largest difference, and the largest finite value that was expected."""
    result, wanted = value.astype(np.float64), expected.astype(np.float64)
    differs = ~((result == wanted) | (np.isnan(result) & np.isnan(wanted)))
    result, wrong = result[differs], wanted[differs]
    finite = bool(np.isfinite(result).all() and np.isfinite(wrong).all())
    error = float(np.abs(result - wrong).max(initial=0.0)) if finite else float("inf")
    return error, float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0))
