"""General compression of bytes: what codecs end with.

The packages are imported where they are used: a program that sends nothing encoded need not load
them.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from zstandard import ZstdCompressor, ZstdDecompressor

    from fusepath.arrays import Array

_OWN = threading.local()
"""What each thread compresses and expands with: to make these takes as long as 10 kB do."""


class DamagedError(Exception):
    """Bytes that no encoder of this codec has written for this type and shape."""


class Coder(Protocol):
    """General compression of bytes."""

    def compress(self, data: Array) -> bytes:
        """Fewer bytes, usually; ``data`` is contiguous."""

    def expand(self, data: memoryview, size: int) -> bytes | memoryview:
        """The ``size`` bytes that were compressed.

        Raises:
            DamagedError: they are not, or there would be more or fewer.
        """


class AsItIs:
    """No compression."""

    def compress(self, data: Array) -> bytes:
        """The bytes."""
        return data.tobytes()

    def expand(self, data: memoryview, size: int) -> memoryview:
        """The bytes.

        Raises:
            DamagedError: there are more or fewer.
        """
        check_size(len(data), size)
        return data


class Lz4:
    """The block format, which states no size: ours is the only one."""

    def compress(self, data: Array) -> bytes:
        """One block."""
        from lz4 import block  # noqa: PLC0415 - in an extra

        packed: bytes = block.compress(data.tobytes(), store_size=False)
        return packed

    def expand(self, data: memoryview, size: int) -> bytes:
        """The bytes of a block.

        Raises:
            DamagedError: it is damaged, or there are more or fewer.
        """
        from lz4 import block  # noqa: PLC0415 - in an extra

        try:
            expanded: bytes = block.decompress(data, uncompressed_size=size)
        except block.LZ4BlockError as error:
            raise DamagedError("the lz4 block is damaged") from error
        check_size(len(expanded), size)
        return expanded


class Zstd:
    """One frame, which states its size.

    Args:
        parameters: of the compressor, as `zstandard.ZstdCompressionParameters` takes them; those of
            level 1 without.
    """

    def __init__(self, **parameters: int) -> None:
        self._parameters = tuple(sorted(parameters.items()))

    def compress(self, data: Array) -> bytes:
        """One frame."""
        return _compressor(self._parameters).compress(data.data)

    def expand(self, data: memoryview, size: int) -> bytes:
        """The bytes of a frame.

        Raises:
            DamagedError: it is damaged, or there are more or fewer.
        """
        import zstandard  # noqa: PLC0415

        try:
            # The library makes room for what the frame states, whatever max_output_size says.
            check_size(zstandard.frame_content_size(data), size)
            expanded = _decompressor().decompress(
                data, max_output_size=size, allow_extra_data=False
            )
        except zstandard.ZstdError as error:
            raise DamagedError("the zstd frame is damaged") from error
        check_size(len(expanded), size)
        return expanded


def _compressor(parameters: tuple[tuple[str, int], ...]) -> ZstdCompressor:
    from zstandard import ZstdCompressionParameters, ZstdCompressor  # noqa: PLC0415

    known: dict[tuple[tuple[str, int], ...], ZstdCompressor] = _OWN.__dict__.setdefault("known", {})
    if parameters not in known:
        chosen = ZstdCompressionParameters.from_level(1, **dict(parameters))
        known[parameters] = ZstdCompressor(compression_params=chosen)
    return known[parameters]


def _decompressor() -> ZstdDecompressor:
    from zstandard import ZstdDecompressor  # noqa: PLC0415

    if not hasattr(_OWN, "decompressor"):
        _OWN.decompressor = ZstdDecompressor()
    own: ZstdDecompressor = _OWN.decompressor
    return own


def check_size(size: int, expected: int) -> None:
    """Raise unless there are as many bytes as there should be.

    Raises:
        DamagedError: there are more or fewer.
    """
    if size != expected:
        raise DamagedError(f"{size} bytes instead of {expected}")
