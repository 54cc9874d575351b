"""Lossless codecs: a tensor in fewer bytes, and every bit of it back.

A codec is a chain of steps and is named by them. Elements are seen as unsigned integers of their
size, so that -0.0, infinities and the payloads of NaN are bit patterns like any other.

* ``bitmask``: one bit per element says whether it is anything but zero bits; the others follow,
  packed. What ReLU leaves is mostly zeros.
* ``shuffle``: first bytes of all elements, then all second ones …: exponents lie side by side.
* ``delta``: each element less the one before it, in the order of memory.
* ``lz4``, ``zstd``: general compression of what the steps before have left (the extra ``codec``).

A decoder knows type and shape of what it must get before it looks at a byte, so it never makes
room for more than that, whatever the bytes say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fusepath.errors import InputError

if TYPE_CHECKING:
    from fusepath.arrays import Array


class DamagedError(Exception):
    """Bytes that no encoder of this codec has written for this type and shape."""


class Coder(Protocol):
    """General compression of bytes."""

    def compress(self, data: Array) -> bytes:
        """Fewer bytes, usually."""

    def expand(self, data: memoryview, size: int) -> bytes | memoryview:
        """The ``size`` bytes that were compressed.

        Raises:
            DamagedError: they are not, or there would be more or fewer.
        """


class _AsItIs:
    def compress(self, data: Array) -> bytes:
        return data.tobytes()

    def expand(self, data: memoryview, size: int) -> memoryview:
        _check_size(len(data), size)
        return data


class _Lz4:
    """The block format, which states no size: ours is the only one."""

    def compress(self, data: Array) -> bytes:
        from lz4 import block  # noqa: PLC0415 - in an extra

        packed: bytes = block.compress(data.tobytes(), store_size=False)
        return packed

    def expand(self, data: memoryview, size: int) -> bytes:
        from lz4 import block  # noqa: PLC0415 - in an extra

        try:
            expanded: bytes = block.decompress(data, uncompressed_size=size)
        except block.LZ4BlockError as error:
            raise DamagedError("the lz4 block is damaged") from error
        _check_size(len(expanded), size)
        return expanded


class _Zstd:
    """One frame, which states its size."""

    _LEVEL = 1

    def compress(self, data: Array) -> bytes:
        import zstandard  # noqa: PLC0415 - in an extra

        return zstandard.ZstdCompressor(level=self._LEVEL).compress(data.tobytes())

    def expand(self, data: memoryview, size: int) -> bytes:
        import zstandard  # noqa: PLC0415 - in an extra

        try:
            # The library makes room for what the frame states, whatever max_output_size says.
            _check_size(zstandard.get_frame_parameters(data).content_size, size)
            expanded = zstandard.ZstdDecompressor().decompress(
                data, max_output_size=size, allow_extra_data=False
            )
        except zstandard.ZstdError as error:
            raise DamagedError("the zstd frame is damaged") from error
        _check_size(len(expanded), size)
        return expanded


_AS_IT_IS = _AsItIs()


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
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
            _check_size(len(data), 0)
            return np.zeros(0, dtype=kind)
        plain = np.frombuffer(self.coder.expand(data, count * kind.itemsize), dtype=np.uint8)
        if self.shuffle:
            plain = np.ascontiguousarray(plain.reshape(kind.itemsize, -1).T).reshape(-1)
        flat = plain.view(kind)
        return np.cumsum(flat, dtype=kind) if self.delta else flat


CODECS = {
    "bitmask": Codec(bitmask=True),
    "lz4": Codec(coder=_Lz4()),
    "zstd": Codec(coder=_Zstd()),
    "shuffle+zstd": Codec(shuffle=True, coder=_Zstd()),
    "delta+zstd": Codec(delta=True, coder=_Zstd()),
    "bitmask+lz4": Codec(bitmask=True, coder=_Lz4()),
    "bitmask+zstd": Codec(bitmask=True, coder=_Zstd()),
    "bitmask+shuffle+zstd": Codec(bitmask=True, shuffle=True, coder=_Zstd()),
}
"""By name, simple ones first."""

_PACKAGES = {"zstd": "zstandard", "lz4": "lz4"}


def is_installed(name: str) -> bool:
    """Whether this machine has what a codec of `CODECS` needs."""
    return all(find_spec(_PACKAGES[step]) for step in name.split("+") if step in _PACKAGES)


def find_codec(name: str) -> Codec:
    """A codec that can be used here.

    Raises:
        InputError: there is none of this name, or its package is missing.
    """
    if name not in CODECS:
        raise InputError(f"there is no codec '{name[:40]}'; known ones are {', '.join(CODECS)}")
    if not is_installed(name):
        raise InputError(
            f"codec '{name}' needs a package that is not installed here; "
            f"install fusepath[codec], or use bitmask"
        )
    return CODECS[name]


def _bits(flat: Array) -> Array:
    return flat.view(np.dtype(f"u{flat.itemsize}"))


def _check_size(size: int, expected: int) -> None:
    if size != expected:
        raise DamagedError(f"{size} bytes instead of {expected}")
