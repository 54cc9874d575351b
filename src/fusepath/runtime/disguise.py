"""A lossless codec for float32 values that are pixels in disguise.

Applications turn pixels into values before they feed them: ``(x / 255 - mean) / std`` and the like.
Then each channel has at most 256 values, evenly spaced but for rounding. Their numbers are sent, a
byte each, and the values themselves once: every bit comes back, however they were computed.

Which value is which pixel is worked out once and tried on whatever comes next: an affine map to
pixels, a look-up of what these mean, and a comparison of all bits. Where that fails it is worked
out anew; where it cannot be, the values are sent as they are.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fusepath.runtime.coders import DamagedError, Zstd, check_size

if TYPE_CHECKING:
    from fusepath.arrays import Array

LEVELS = 256
MOST_CHANNELS = 4
_GLANCE = 4096
"""So many values are looked at first: of what is no picture nearly all differ."""
_OFF = 0.05
"""Part of a step by which rounding may move a value."""
_HEADER = struct.Struct("<I")
"""Bytes of the palettes as they are sent; 0 where values follow as they are."""
_CODER = Zstd()


class PixelCodec(Protocol):
    """What the pixels are encoded with."""

    def encode(self, value: Array) -> bytes:
        """The pixels, encoded."""

    def decode(
        self, data: bytes | memoryview, dtype: np.dtype[Any], shape: tuple[int, ...]
    ) -> Array:
        """The pixels."""


@dataclass(frozen=True, slots=True)
class Palette:
    """What the pixels of one channel mean."""

    values: Array
    """(256,) float32: where it was not seen, ``low + step · pixel``."""
    seen: Array
    """The values that were, ascending."""
    low: float
    step: float

    def pixels(self, plane: Array) -> Array | None:
        """The pixels of a channel, uint8; None where one of its values is no pixel's."""
        scale = np.float32(1 / self.step)
        with np.errstate(invalid="ignore", over="ignore"):  # what they give is found out below
            found = plane * scale
            found += np.float32(0.5 - self.low / self.step)
            pixels = found.astype(np.uint8)
        again = self.values.take(pixels)
        return pixels if np.array_equal(again.view("u4"), plane.view("u4")) else None


class DisguisedCodec:
    """Of tensors (1, C, H, W) of float32 with up to four channels; others are sent as they are.

    Args:
        pixels: what pixels are encoded with; None leaves them as they are.
    """

    def __init__(self, pixels: PixelCodec | None = None) -> None:
        self._pixels = pixels
        self._palettes: tuple[Palette, ...] = ()
        """Of the last tensor: pictures of one origin share them. Replaced as a whole, so threads
        do not get in each other's way."""

    def encode(self, value: Array) -> bytes:
        """The tensor, encoded."""
        value = np.ascontiguousarray(value)
        if not may_be_pixels(value) or (found := self._found(value[0])) is None:
            return _HEADER.pack(0) + value.tobytes()
        palettes, pixels = found
        named = _CODER.compress(np.frombuffer(_packed(palettes), dtype=np.uint8))
        data = pixels.tobytes() if self._pixels is None else self._pixels.encode(pixels)
        return b"".join((_HEADER.pack(len(named)), named, data))

    def decode(
        self, data: bytes | memoryview, dtype: np.dtype[Any], shape: tuple[int, ...]
    ) -> Array:
        """A tensor from the bytes that `encode` has made of it.

        Raises:
            DamagedError: they are not such bytes.
        """
        if len(data) < _HEADER.size:
            raise DamagedError(f"{len(data)} bytes are too few for a header")
        (size,) = _HEADER.unpack_from(data)
        rest = memoryview(data)[_HEADER.size :]
        if size == 0:
            check_size(len(rest), math.prod(shape) * dtype.itemsize)
            return np.frombuffer(rest, dtype=dtype).reshape(shape)
        if dtype != np.float32 or len(shape) != 4 or shape[0] != 1 or shape[1] > MOST_CHANNELS:
            raise DamagedError(f"no {dtype} of {list(shape)[:8]} consists of pixels")
        values = _unpacked(_CODER.expand(rest[:size], shape[1] * _PACKED_BYTES), shape[1])
        rest = rest[size:]
        if self._pixels is None:
            check_size(len(rest), math.prod(shape))
            pixels = np.frombuffer(rest, dtype=np.uint8).reshape(shape)
        else:
            pixels = self._pixels.decode(rest, np.dtype(np.uint8), shape)
        value = np.empty(shape, dtype=np.float32)
        for channel in range(shape[1]):
            values[channel].take(pixels[0, channel], out=value[0, channel], mode="clip")
        return value

    def _found(self, planes: Array) -> tuple[tuple[Palette, ...], Array] | None:
        """Palettes and pixels of channels (C, H, W); None where they are no pixels."""
        known = self._palettes
        if len(known) != len(planes):
            known = ()
        palettes: list[Palette] = []
        pixels = np.empty((1, *planes.shape), dtype=np.uint8)
        for channel, plane in enumerate(planes):
            palette = known[channel] if known else None
            found = None if palette is None else palette.pixels(plane)
            if found is None:
                palette = find_palette(plane, palette)
                found = None if palette is None else palette.pixels(plane)
            if palette is None or found is None:
                return None
            palettes.append(palette)
            pixels[0, channel] = found
        self._palettes = tuple(palettes)
        return self._palettes, pixels


def may_be_pixels(value: Array) -> bool:
    """Whether type and shape are those of a picture, as values."""
    shape = value.shape
    return (
        value.dtype == np.float32
        and len(shape) == 4
        and shape[0] == 1
        and 0 < shape[1] <= MOST_CHANNELS
        and value.size > 0
    )


def find_palette(plane: Array, before: Palette | None = None) -> Palette | None:
    """What up to 256 evenly spaced values stand for; None if they are not.

    Args:
        plane: float32, any shape.
        before: what earlier values stood for, which is kept to where both go together.
    """
    flat = plane.reshape(-1)
    if len(np.unique(flat[:_GLANCE])) > LEVELS:
        return None
    seen = np.unique(flat)
    if len(seen) > LEVELS or not np.isfinite(seen).all():
        return None
    together = None if before is None else _evenly_spaced(np.union1d(seen, before.seen))
    return together or _evenly_spaced(seen)


def _evenly_spaced(seen: Array) -> Palette | None:
    """A palette of these ascending values."""
    exact = seen.astype(np.float64)
    if len(seen) > LEVELS:
        return None
    if len(seen) == 1:
        return _palette(seen, np.zeros(1, dtype=np.intp), float(exact[0]), 1.0)
    least = float(np.diff(exact).min())
    for part in (1, 2, 3):  # the closest may be some steps apart
        places = np.rint((exact - exact[0]) / (least / part))
        last = places[-1]
        if not 0 < last < LEVELS:
            return None
        step = float((exact[-1] - exact[0]) / last)
        if np.abs((exact - exact[0]) / step - places).max() < _OFF:
            return _palette(seen, places.astype(np.intp), float(exact[0]), step)
    return None


def _palette(seen: Array, places: Array, low: float, step: float) -> Palette:
    values = _even(low, step)
    values[places] = seen
    return Palette(values, seen, low, step)


def _even(low: float, step: float) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):  # a decoder takes what it gets
        return (low + step * np.arange(LEVELS)).astype(np.float32)


_ENDS = struct.Struct("<dd")
_PACKED_BYTES = _ENDS.size + 4 * LEVELS


def _packed(palettes: tuple[Palette, ...]) -> bytes:
    """Where the values of each channel begin, their step, and how far they are off: few bits."""
    return b"".join(
        _ENDS.pack(each.low, each.step)
        + _folded(each.values.view("u4") - _even(each.low, each.step).view("u4")).tobytes()
        for each in palettes
    )


def _unpacked(data: bytes | memoryview, channels: int) -> Array:
    """The values of every channel, (channels, 256)."""
    values = np.empty((channels, LEVELS), dtype=np.float32)
    for channel in range(channels):
        place = channel * _PACKED_BYTES
        low, step = _ENDS.unpack_from(data, place)
        off = _unfolded(np.frombuffer(data, np.uint8, 4 * LEVELS, place + _ENDS.size))
        values[channel] = (_even(low, step).view("u4") + off).view(np.float32)
    return values


def _folded(differences: Array) -> Array:
    """0, -1, 1, -2, … as 0, 1, 2, 3, …; first bytes of all, then all second ones, and so on."""
    signed = differences.view("i4")
    return np.ascontiguousarray(((signed << 1) ^ (signed >> 31)).view("u1").reshape(-1, 4).T)


def _unfolded(stored: Array) -> Array:
    folded = np.ascontiguousarray(stored.reshape(4, -1).T).view("u4").reshape(-1)
    return (folded >> 1) ^ -(folded & 1)
