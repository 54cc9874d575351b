"""A lossless codec for pixels: what neighbours and colours tell of each other is taken out.

1. Of three colours the first and the last are less the middle one: red and blue follow green.
2. Every element is less what left + above − corner foretells, that is, less the one above it, and
   that less the one to its left. Running sums along both axes undo this: it takes no loop over
   pixels.
3. What is left is small numbers around 0, noise in no order. zstd is told to look for long repeats
   only: then nearly all time goes into its entropy coding, which is what helps.

All differences are modulo the size of an element, so that nothing is lost and nothing widens.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.runtime.coders import Zstd, check_size

if TYPE_CHECKING:
    from fusepath.arrays import Array

_CODER = Zstd(min_match=7, hash_log=6, chain_log=6)
_MANY = 1 << 13
"""Elements from which on one way of summing is quicker than the other."""
_TWICE = np.uint16(0x0101)
_BYTE, _LOWEST = np.uint32(8), np.uint32(0xFF)
_TO_THE_UPPER_TWO, _TO_ALL_FOUR = np.uint32(0x01010000), np.uint32(0x01010101)


class PictureCodec:
    """Of tensors (…, H, W) whose elements are bytes; (…, 3, H, W) has three colours, as (3, H, W).

    Others are taken as well: elements as integers of their size, and less than two axes as one row.
    """

    def encode(self, value: Array) -> bytes:
        """The tensor, encoded."""
        planes = _planes(np.ascontiguousarray(value))
        return _CODER.compress(_residuals(planes)) if planes.size else b""

    def decode(
        self, data: bytes | memoryview, dtype: np.dtype[Any], shape: tuple[int, ...]
    ) -> Array:
        """A tensor from the bytes that `encode` has made of it.

        Raises:
            DamagedError: they are not such bytes.
        """
        size = math.prod(shape) * dtype.itemsize
        if size == 0:
            check_size(len(data), 0)
            return np.zeros(shape, dtype=dtype)
        flat = np.frombuffer(_CODER.expand(memoryview(data), size), dtype=dtype)
        return _restored(_planes(flat.reshape(shape))).view(dtype).reshape(shape)


def _planes(value: Array) -> Array:
    """The elements as unsigned integers, (planes, H, W)."""
    rows, columns = (1, 1, *value.shape)[-2:]
    bits = value.reshape(-1).view(f"u{value.itemsize}")
    return bits.reshape(-1 if bits.size else 0, rows, columns)


def _residuals(planes: Array) -> Array:
    """Differences are taken across the ends of rows and planes, in long runs, and mended there."""
    width = planes.shape[2]
    flat = planes.reshape(-1)
    upright, other = np.empty_like(planes), np.empty_like(planes)
    np.subtract(flat[width:], flat[:-width], out=upright.reshape(-1)[width:])
    upright[:, 0] = planes[:, 0]
    flat = upright.reshape(-1)
    np.subtract(flat[1:], flat[:-1], out=other.reshape(-1)[1:])
    other[:, :, 0] = upright[:, :, 0]
    if len(other) == 3:  # what neighbours foretell adds up, so colours may come last
        other[::2] -= other[1]
    return other


def _restored(residuals: Array) -> Array:
    planes = _summed_down(_summed_along(residuals))
    if len(planes) == 3:
        planes[::2] += planes[1]
    return planes


def _summed_along(planes: Array) -> Array:
    """Running sums along columns, a new array.

    One after the other is slow, so of many bytes only every fourth is: before, a multiplication
    sums two neighbours in 16 bits, and one of what they come to the next two in 32; after, one more
    hands the sum of all fours before on to all of a four. No sum of bytes carries into another.
    """
    width = planes.shape[2]
    if planes.itemsize != 1 or planes.size < _MANY:
        return np.add.accumulate(planes, axis=2, dtype=planes.dtype)
    if width % 4:
        planes = np.pad(planes, ((0, 0), (0, 0), (0, -width % 4)))
    pairs = planes.view("<u2") * _TWICE
    sums, fours = pairs.view(np.uint8), pairs.view("<u4")
    spread = (fours >> _BYTE) & _LOWEST
    spread *= _TO_THE_UPPER_TWO
    sums += spread.view(np.uint8)
    spread[:, :, 0] = 0
    spread[:, :, 1:] = np.add.accumulate(sums[:, :, 3:-1:4], axis=2, dtype=np.uint8)
    spread *= _TO_ALL_FOUR
    sums += spread.view(np.uint8)
    return sums[:, :, :width]


def _summed_down(planes: Array) -> Array:
    """Running sums along rows, of 1, 2, 4, … of them at a time: few calls, each on many elements.

    Three times as quick as `numpy.add.accumulate`. What it is given it may write over.
    """
    other = np.empty(planes.shape, dtype=planes.dtype)
    reach = 1
    while reach < planes.shape[1]:
        other[:, :reach] = planes[:, :reach]
        np.add(planes[:, reach:], planes[:, :-reach], out=other[:, reach:])
        planes, other = other, planes
        reach *= 2
    return planes
