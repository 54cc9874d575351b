"""Lossy codecs: a tensor in fewer bytes, and back in about the same values. Only where asked for.

* `HalfCodec`: float32 as float16, the nearest one.
* `ByteCodec`: of every channel 256 values, evenly spaced from its least to its largest; which one
  is nearest is sent, a byte for each element, after the least and the step of every channel.

A channel is an index of the second axis; of fewer than two axes all is one. Each piece has scales
of its own. What cannot be told in this way, as infinities, NaN, values that float16 does not
reach or ranges that float32 does not, is not encoded: such a piece is as long as it was, and so
travels as it is.

A decoder makes room for what it must get and for nothing else, and refuses scales that would make
values which no encoder had.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.runtime.coders import AsItIs, Coder, DamagedError

if TYPE_CHECKING:
    from fusepath.arrays import Array

_LARGEST_HALF = float(np.finfo(np.float16).max)
_LARGEST = float(np.finfo(np.float32).max)
_STEPS = 255
_LEAST_STEP = float(np.finfo(np.float32).tiny)
_AS_IT_IS = AsItIs()


@dataclass(frozen=True, slots=True)
class HalfCodec:
    """Of float32."""

    coder: Coder = _AS_IT_IS

    def encode(self, value: Array) -> bytes:
        """The tensor, encoded; as it is, where float16 does not reach."""
        flat = np.ascontiguousarray(value)
        if not flat.size or not float(np.abs(flat).max()) <= _LARGEST_HALF:  # nor is NaN
            return flat.tobytes()
        return self.coder.compress(flat.astype("<f2").reshape(-1).view(np.uint8))

    def decode(
        self, data: bytes | memoryview, dtype: np.dtype[Any], shape: tuple[int, ...]
    ) -> Array:
        """A tensor from the bytes that `encode` has made of one.

        Raises:
            DamagedError: they are not such bytes.
        """
        _check_float(dtype)
        size = 2 * math.prod(shape)
        halves = np.frombuffer(self.coder.expand(memoryview(data), size), dtype="<f2")
        if not np.isfinite(halves).all():
            raise DamagedError("a value that is not finite")
        return halves.astype(dtype).reshape(shape)


@dataclass(frozen=True, slots=True)
class ByteCodec:
    """Of float32."""

    coder: Coder = _AS_IT_IS

    def encode(self, value: Array) -> bytes:
        """The tensor, encoded; as it is, where anything, or a range, is not finite."""
        flat = np.ascontiguousarray(value)
        if not flat.size or not np.isfinite(flat).all():
            return flat.tobytes()
        channels = _by_channel(flat)
        least, largest = channels.min(axis=(0, 2)), channels.max(axis=(0, 2))
        with np.errstate(over="ignore"):
            steps = (largest - least) / np.float32(_STEPS)
        if not np.isfinite(steps).all():
            return flat.tobytes()
        # Of what has one value, or nearly, the step is 0, and every element the least one.
        steps[steps < _LEAST_STEP] = 0
        places = channels - least[:, None]
        places /= np.where(steps > 0, steps, 1)[:, None]
        numbers = np.rint(places, out=places).astype(np.uint8)
        scales = np.stack([least, steps]).astype("<f4")
        return scales.tobytes() + self.coder.compress(numbers.reshape(-1))

    def decode(
        self, data: bytes | memoryview, dtype: np.dtype[Any], shape: tuple[int, ...]
    ) -> Array:
        """A tensor from the bytes that `encode` has made of one.

        Raises:
            DamagedError: they are not such bytes.
        """
        _check_float(dtype)
        count = shape[1] if len(shape) > 1 else 1
        rest, size = memoryview(data), 8 * count
        if len(rest) < size:
            raise DamagedError(f"{len(rest)} bytes are too few for the scales of {count} channels")
        least, steps = np.frombuffer(rest[:size], dtype="<f4").reshape(2, count).astype(np.float64)
        # A step is rounded, so the last value may lie a little beyond what float32 reaches.
        ends = least + _STEPS * steps
        if (
            not (np.isfinite(ends).all() and (steps >= 0).all())
            or (np.abs(ends) > _LARGEST * (1 + 1e-6)).any()
        ):
            raise DamagedError("scales that no channel has")
        numbers = np.frombuffer(
            self.coder.expand(rest[size:], math.prod(shape)), dtype=np.uint8
        ).reshape(shape)
        values = least[:, None] + _by_channel(numbers) * steps[:, None]
        return np.clip(values, -_LARGEST, _LARGEST).astype(dtype).reshape(shape)


def _by_channel(value: Array) -> Array:
    """As (N, C, all the rest)."""
    if value.ndim < 2:
        return value.reshape(1, 1, -1)
    return value.reshape(*value.shape[:2], -1)


def _check_float(dtype: np.dtype[Any]) -> None:
    if dtype != np.float32:
        raise DamagedError(f"{dtype.name}, where only float32 is encoded so")
