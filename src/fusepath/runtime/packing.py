"""A tensor as it travels: its bytes, perhaps made fewer by a codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusepath.pictures.decoding import FORWARDED, PictureFile
from fusepath.pictures.frame import PictureFrame, decode_within
from fusepath.protocol.conversation import ProtocolError
from fusepath.runtime.codecs import codec_of
from fusepath.runtime.coders import DamagedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.arrays import Array
    from fusepath.plan import Preprocessing

FILE = "file"
"""In place of a codec's name: the tensor is sent as the file that it came in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedTensor:
    """Bytes, and what they are the bytes of."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes | memoryview
    codec: str = ""
    """That ``data`` is encoded with; empty for row-major little-endian elements, `FILE` for a
    picture's file, out of which this tensor is made."""

    @property
    def nbytes(self) -> int:
        """Bytes as it is sent."""
        return len(self.data)

    @classmethod
    def plain(cls, name: str, value: Array) -> EncodedTensor:
        """A tensor that no codec has touched."""
        data = np.ascontiguousarray(value).tobytes()
        return cls(name=name, dtype=value.dtype.name, shape=value.shape, data=data)

    @classmethod
    def forwarded(cls, name: str, frame: PictureFrame) -> EncodedTensor:
        """The input as the file that it comes in."""
        return cls(name=name, dtype="uint8", shape=frame.shape, data=frame.file.data, codec=FILE)

    def decoded(self, chain: Preprocessing) -> Array:
        """The tensor, out of a file that somebody has sent.

        Raises:
            ImageError: the file cannot be decoded, or is larger than any that is.
        """
        file = PictureFile(bytes(self.data), "the file sent")
        return decode_within(FORWARDED, PictureFrame(file, chain, self.shape))

    def value(self) -> Array:
        """The tensor.

        Raises:
            ProtocolError: the data are none that the codec has made of such a tensor.
        """
        dtype = np.dtype(self.dtype)
        if not self.codec:
            return np.frombuffer(self.data, dtype=dtype).reshape(self.shape)
        try:
            return codec_of(self.codec).decode(self.data, dtype, self.shape)
        except DamagedError as error:
            raise ProtocolError(
                f"tensor '{self.name}' does not decode as {self.codec}: {error}"
            ) from error


def pack(
    values: Mapping[str, Array], codecs: Mapping[str, str]
) -> dict[str, Array | EncodedTensor]:
    """Encode the tensors that have a codec (installed here); one that grows stays as it is."""
    packed: dict[str, Array | EncodedTensor] = dict(values)
    for name, value in values.items():
        if name in codecs:
            data = codec_of(codecs[name]).encode(value)
            if len(data) < value.nbytes:
                packed[name] = EncodedTensor(
                    name=name,
                    dtype=value.dtype.name,
                    shape=value.shape,
                    data=data,
                    codec=codecs[name],
                )
    return packed
