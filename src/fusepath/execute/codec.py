"""Tensors to messages and back; nothing that arrives is believed before it is checked."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.execute.lossless import CODECS, DamagedError
from fusepath.execute.session import ProtocolError
from fusepath.execute.wire import fusepath_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    Array = NDArray[Any]

DTYPES = frozenset({"uint8", "int8", "float16", "float32", "float64", "int32", "int64", "bool"})


@dataclass(frozen=True, slots=True)
class Packed:
    """A tensor that a lossless codec has made smaller."""

    codec: str
    data: bytes
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes as it is sent."""
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Received:
    """A tensor whose message is what it should be; only its codec has still to be undone."""

    message: pb.Tensor

    def value(self) -> Array:
        """The tensor.

        Raises:
            ProtocolError: the data are none that the codec has made of such a tensor.
        """
        message = self.message
        dtype, shape = np.dtype(message.dtype), tuple(message.shape)
        if not message.codec:
            return np.frombuffer(message.data, dtype=dtype).reshape(shape)
        try:
            return CODECS[message.codec].decode(message.data, dtype, shape)
        except DamagedError as error:
            raise ProtocolError(
                f"tensor '{message.name}' does not decode as {message.codec}: {error}"
            ) from error


def pack(values: Mapping[str, Array], codecs: Mapping[str, str]) -> dict[str, Array | Packed]:
    """Encode the tensors that have a codec (installed here); one that grows stays as it is."""
    packed: dict[str, Array | Packed] = dict(values)
    for name, value in values.items():
        if name in codecs:
            data = CODECS[codecs[name]].encode(value)
            if len(data) < value.nbytes:
                packed[name] = Packed(codecs[name], data, value.dtype.name, value.shape)
    return packed


def encode(name: str, value: Array | Packed) -> pb.Tensor:
    """A tensor as bytes with its type, shape and checksum."""
    if isinstance(value, Packed):
        data, dtype, codec = value.data, value.dtype, value.codec
    else:
        data, dtype, codec = np.ascontiguousarray(value).tobytes(), value.dtype.name, ""
    if dtype not in DTYPES:
        raise ProtocolError(f"tensor '{name}' of type {dtype} cannot be sent")
    return pb.Tensor(
        name=name,
        dtype=dtype,
        shape=value.shape,
        data=data,
        crc32=zlib.crc32(data),
        codec=codec,
    )


def encode_all(values: Mapping[str, Array | Packed]) -> list[pb.Tensor]:
    """Several tensors, in the order of the mapping."""
    return [encode(name, value) for name, value in values.items()]


def decode(
    tensors: Iterable[pb.Tensor],
    expected: Mapping[str, tuple[str, tuple[int, ...]]],
    codecs: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Array]:
    """Read exactly the tensors that are expected: `receive`, then undo the codecs.

    Raises:
        ProtocolError: for the reasons of `receive`, or the data do not decode.
    """
    received = receive(tensors, expected, codecs)
    return {name: item.value() for name, item in received.items()}


def receive(
    tensors: Iterable[pb.Tensor],
    expected: Mapping[str, tuple[str, tuple[int, ...]]],
    codecs: Mapping[str, str],
) -> dict[str, Received]:
    """Take exactly the tensors that are expected; undoing their codecs is left for later.

    Args:
        tensors: what arrived.
        expected: (dtype, shape) by name.
        codecs: which codec a tensor may come with, by name; any may come without.

    Raises:
        ProtocolError: a tensor is missing, unknown, repeated, of another type, shape or codec, or
            its bytes do not match its shape or checksum.
    """
    values: dict[str, Received] = {}
    for tensor in tensors:
        if tensor.name not in expected or tensor.name in values:
            raise ProtocolError(f"tensor {tensor.name[:80]!r} is not expected here")
        dtype, shape = expected[tensor.name]
        if tensor.dtype != dtype or tuple(tensor.shape) != shape:
            got = f"{tensor.dtype[:16]}{list(tensor.shape)[:8]}"
            raise ProtocolError(f"tensor '{tensor.name}' is {got}, expected {dtype}{list(shape)}")
        if tensor.codec and tensor.codec != codecs.get(tensor.name):
            raise ProtocolError(
                f"tensor '{tensor.name}' comes as {tensor.codec[:40]!r}, "
                f"expected {codecs.get(tensor.name, 'plain')}"
            )
        size = np.dtype(dtype).itemsize * math.prod(shape)
        if len(tensor.data) >= size if tensor.codec else len(tensor.data) != size:
            raise ProtocolError(f"tensor '{tensor.name}' has {len(tensor.data)} bytes")
        if zlib.crc32(tensor.data) != tensor.crc32:
            raise ProtocolError(f"tensor '{tensor.name}' was damaged on the way")
        values[tensor.name] = Received(tensor)
    missing = [name for name in expected if name not in values]
    if missing:
        raise ProtocolError(f"tensor '{missing[0]}' is missing")
    return values
