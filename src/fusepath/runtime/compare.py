"""Is a split result the unsplit one?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.arrays import Array


TOLERANCE = 1e-5
"""The claim: the largest difference, relative to the largest value of the output."""
HALF_TOLERANCE = 2**-10
"""The same of networks that compute in float16: half a unit in the last place of its values."""
_SPREADS = 2.0
"""What rounds otherwise once more may lie as far on the other side of the reference."""
_OF_SUMMED = 2**-22
"""Rounding of a sum, relative to the largest value that went into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How far results are from a reference, over all outputs."""

    max_abs_error: float
    max_rel_error: float
    """Of each output, relative to its own largest value; the worst output counts."""
    bit_equal: bool
    error: float = 0.0
    """Of the output that comes nearest to its tolerance, or is furthest beyond it."""
    tolerance: float = 0.0
    """Of that output: by how much its values may differ."""

    @property
    def used(self) -> float:
        """The error as a part of the tolerance; 1 is as much as is allowed."""
        if self.error <= 0.0:
            return 0.0
        return self.error / self.tolerance if self.tolerance > 0.0 else float("inf")

    @property
    def passed(self) -> bool:
        """Whether every difference is within the tolerance of its output."""
        return self.bit_equal or self.error <= self.tolerance


WRONG = Comparison(
    max_abs_error=float("inf"), max_rel_error=float("inf"), bit_equal=False, error=float("inf")
)


def compare(
    results: Mapping[str, Array],
    reference: Mapping[str, Array],
    tolerances: Mapping[str, float] | None = None,
) -> Comparison:
    """Compare outputs with those of the unsplit model.

    NaN equals NaN and infinity equals infinity of the same sign; a missing output, one of another
    shape and a value that is not finite where it should be are infinitely wrong.

    Args:
        results: of the split model, by name.
        reference: of the unsplit one.
        tolerances: by output, as measured (`measured_tolerances`); the claim alone without.
    """
    if set(results) != set(reference):
        return WRONG
    worst = Comparison(max_abs_error=0.0, max_rel_error=0.0, bit_equal=True)
    for name, expected in reference.items():
        value = results[name]
        if value.shape != expected.shape:
            return WRONG
        if np.array_equal(value, expected, equal_nan=value.dtype.kind == "f"):
            continue
        error, largest = _error_and_largest(value, expected)
        # No scale makes an infinite error small.
        scaled = error < float("inf") and largest > 0
        claim = TOLERANCE * largest
        tolerance = claim if tolerances is None else max(claim, tolerances[name])
        first = worst.bit_equal
        nearer = error * worst.tolerance > worst.error * tolerance or tolerance == 0.0
        worst = Comparison(
            max_abs_error=max(worst.max_abs_error, error),
            max_rel_error=max(worst.max_rel_error, error / largest if scaled else float("inf")),
            bit_equal=False,
            error=error if first or nearer else worst.error,
            tolerance=tolerance if first or nearer else worst.tolerance,
        )
    return worst


def measured_tolerances(
    runs: Sequence[Mapping[str, Array]],
    summed: Mapping[str, float],
    *,
    halves: bool = False,
    rounding: float = 0.0,
) -> dict[str, float]:
    """By how much each output may differ, going by how ONNX Runtime differs from itself.

    Args:
        runs: outputs of the unsplit model at several levels of optimisation; the first is the
            reference.
        summed: by output, the largest value of which its last sums were made.
        halves: whether the network computes in float16.
        rounding: by how much providers that had a part in it are known to be off the processor,
            relative to the largest value.
    """
    claim = HALF_TOLERANCE if halves else TOLERANCE
    found = {}
    for name, reference in runs[0].items():
        values = [run[name] for run in runs if run[name].shape == reference.shape]
        pairs = (_error_and_largest(one, other)[0] for one, other in combinations(values, 2))
        spread = max((error for error in pairs if error < float("inf")), default=0.0)
        _, largest = _error_and_largest(reference, reference)
        spread = max(spread, rounding * largest)
        found[name] = max(claim * largest, _SPREADS * spread, _OF_SUMMED * summed.get(name, 0.0))
    return found


def _error_and_largest(value: Array, expected: Array) -> tuple[float, float]:
    """The largest difference, and the largest finite value that was expected."""
    result, wanted = value.astype(np.float64), expected.astype(np.float64)
    differs = ~((result == wanted) | (np.isnan(result) & np.isnan(wanted)))
    result, wrong = result[differs], wanted[differs]
    finite = bool(np.isfinite(result).all() and np.isfinite(wrong).all())
    error = float(np.abs(result - wrong).max(initial=0.0)) if finite else float("inf")
    return error, float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0))
