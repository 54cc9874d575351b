"""Codecs: a tensor in fewer bytes, and, unless they are lossy, every bit of it back.

Most are chains of steps, and named by them. Elements are seen as unsigned integers of their
size, so that -0.0, infinities and the payloads of NaN are bit patterns like any other.

* ``bitmask``: one bit per element says whether it is anything but zero bits; the others follow,
  packed. What ReLU leaves is mostly zeros.
* ``shuffle``: first bytes of all elements, then all second ones …: exponents lie side by side.
* ``delta``: each element less the one before it, in the order of memory.
* ``lz4``, ``zstd``: general compression of what the steps before have left (`coders`).

``picture`` is for pixels alone (`picture_codec`), ``pixels`` and ``pixels+picture`` for values that
are pixels in disguise (`disguise`). `LOSSY_CODECS` change values (`lossy`): they are never taken
unless they are asked for.

A decoder knows type and shape of what it must get before it looks at a byte, so it never makes
room for more than that, whatever the bytes say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fusepath.cost import is_lossy
from fusepath.errors import InputError
from fusepath.runtime.coders import AsItIs, Coder, DamagedError, Lz4, Zstd, check_size
from fusepath.runtime.disguise import DisguisedCodec, may_be_pixels
from fusepath.runtime.lossy import ByteCodec, HalfCodec
from fusepath.runtime.picture_codec import PictureCodec

if TYPE_CHECKING:
    from fusepath.arrays import Array


class Codec(Protocol):
    """An encoding of tensors."""

    def encode(self, value: Array) -> bytes:
        """The tensor's elements, encoded."""

    def decode(
        self, data: bytes | memoryview, dtype: np.dtype[Any], shape: tuple[int, ...]
    ) -> Array:
        """A tensor from the bytes that `encode` has made of it.

        Raises:
            DamagedError: they are not such bytes.
        """


_AS_IT_IS = AsItIs()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain of steps; see the module."""

    bitmask: bool = False
    shuffle: bool = False
    delta: bool = False
    coder: Coder = _AS_IT_IS

    def encode(self, value: Array) -> bytes:
        """The tensor's elements in the order of C, encoded."""
        flat = _bits(np.ascontiguousarray(value).reshape(-1))
        mask = b""
        if self.bitmask:
            present = flat != 0
            mask = np.packbits(present).tobytes()
            flat = flat[np.flatnonzero(present)]  # several times faster than flat[present]
        if self.delta:
            flat = np.diff(flat, prepend=flat.dtype.type(0))
        if self.shuffle:
            flat = np.ascontiguousarray(flat.view(np.uint8).reshape(-1, flat.itemsize).T)
        # Nothing is not compressed: it would grow, and a decoder need not ask.
        return mask + (self.coder.compress(flat) if flat.size else b"")

    def decode(
        self, data: bytes | memoryview, dtype: np.dtype[Any], shape: tuple[int, ...]
    ) -> Array:
        """A tensor from the bytes that `encode` has made of it.

        Raises:
            DamagedError: they are not such bytes.
        """
        count = math.prod(shape)
        rest = memoryview(data)
        places = None
        if self.bitmask:
            size = -(-count // 8)
            if len(rest) < size:
                raise DamagedError(f"{len(rest)} bytes are too few for the presence bits")
            bits = np.unpackbits(np.frombuffer(rest[:size], dtype=np.uint8))
            places = np.flatnonzero(bits)
            if bits[count:].any():
                raise DamagedError("presence bits behind the last element")
            rest = rest[size:]
        stored = count if places is None else len(places)
        flat = self._elements(rest, np.dtype(f"u{dtype.itemsize}"), stored)
        if places is not None:
            packed, flat = flat, np.zeros(count, dtype=flat.dtype)
            flat[places] = packed
        return flat.view(dtype).reshape(shape)

    def _elements(self, data: memoryview, kind: np.dtype[Any], count: int) -> Array:
        if count == 0:
            check_size(len(data), 0)
            return np.zeros(0, dtype=kind)
        plain = np.frombuffer(self.coder.expand(data, count * kind.itemsize), dtype=np.uint8)
        if self.shuffle:
            plain = np.ascontiguousarray(plain.reshape(kind.itemsize, -1).T).reshape(-1)
        flat = plain.view(kind)
        return np.cumsum(flat, dtype=kind) if self.delta else flat


CODECS: dict[str, Codec] = {
    "bitmask": Chain(bitmask=True),
    "lz4": Chain(coder=Lz4()),
    "zstd": Chain(coder=Zstd()),
    "shuffle+zstd": Chain(shuffle=True, coder=Zstd()),
    "delta+zstd": Chain(delta=True, coder=Zstd()),
    "bitmask+lz4": Chain(bitmask=True, coder=Lz4()),
    "bitmask+zstd": Chain(bitmask=True, coder=Zstd()),
    "bitmask+shuffle+zstd": Chain(bitmask=True, shuffle=True, coder=Zstd()),
    "picture": PictureCodec(),
    "pixels": DisguisedCodec(),
    "pixels+picture": DisguisedCodec(PictureCodec()),
}
"""Lossless ones by name, simple ones first."""
LOSSY_CODECS: dict[str, Codec] = {
    "fp16": HalfCodec(),
    "fp16+zstd": HalfCodec(Zstd()),
    "int8": ByteCodec(),
    "int8+zstd": ByteCodec(Zstd()),
}
"""Those that change values."""
FOR_PICTURES = frozenset({"picture", "pixels", "pixels+picture"})
"""Those that are made for pictures, as pixels or as values."""

_PACKAGES = {"lz4": "lz4"}


def is_installed(name: str) -> bool:
    """Whether this machine has what a codec of `CODECS` needs."""
    return all(find_spec(_PACKAGES[step]) for step in name.split("+") if step in _PACKAGES)


def find_codec(name: str) -> Codec:
    """A codec that can be used here.

    Raises:
        InputError: there is none of this name, or its package is missing.
    """
    if name in LOSSY_CODECS:
        return LOSSY_CODECS[name]
    if name not in CODECS:
        raise InputError(f"there is no codec '{name[:40]}'; known ones are {', '.join(CODECS)}")
    if not is_installed(name):
        raise InputError(
            f"codec '{name}' needs lz4, which is not installed here: "
            f"pip install 'fusepath[codec]', or use one without it"
        )
    return CODECS[name]


def codec_of(name: str) -> Codec:
    """A codec of a recipe that has been checked, lossless or not."""
    return LOSSY_CODECS[name] if name in LOSSY_CODECS else CODECS[name]


def suits(name: str, value: Array) -> bool:
    """Whether a codec may be worth trying on such a tensor."""
    if name == "picture":
        return value.itemsize == 1
    if is_lossy(name):
        return value.dtype == np.float32
    return name not in FOR_PICTURES or may_be_pixels(value)


def _bits(flat: Array) -> Array:
    return flat.view(np.dtype(f"u{flat.itemsize}"))
