"""Where a frame differs from another, bit for bit: -0.0 is not 0.0, and NaN is what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.arrays import Array
    from fusepath.tiling.interval import Box

_BAND_BYTES = 1 << 14
"""Compared at a time: most frames that differ do so early."""


def same_bits(one: Array, other: Array) -> bool:
    """Whether two arrays are the same; ends at the first band of rows that differs."""
    if not _are_alike(one, other):
        return False
    one, other = _bits(one), _bits(other)
    if one.ndim < 2:
        return np.array_equal(one, other)
    rows = one.shape[-2]
    row_bytes = max(one.nbytes // max(rows, 1), 1)
    band = max(_BAND_BYTES // row_bytes, 1)
    return all(
        np.array_equal(one[..., top : top + band, :], other[..., top : top + band, :])
        for top in range(0, rows, band)
    )


def same_boxes(one: Array, other: Array, boxes: Sequence[Box | None]) -> list[int]:
    """Which rectangles of two inputs (1, C, H, W) are the same in both, by number.

    What differs is found out once for all of them, in any channel, and then by rows that boxes
    have in common: boxes overlap, and a call for each takes longer than to compare its pixels.

    Args:
        one: an input.
        other: another one.
        boxes: None is nothing of it, which is the same always.
    """
    if not _are_alike(one, other):
        return []
    differs = np.logical_or.reduce(_bits(one) != _bits(other), axis=(0, 1))
    bands = {
        box.rows: np.logical_or.reduce(differs[box.rows.slice()]).tobytes()
        for box in boxes
        if box is not None
    }
    return [
        number
        for number, box in enumerate(boxes)
        if box is None or bands[box.rows].find(b"\1", box.cols.start, box.cols.stop) < 0
    ]


def _are_alike(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape


def _bits(value: Array) -> Array:
    return value.view(np.dtype(f"u{value.dtype.itemsize}"))
