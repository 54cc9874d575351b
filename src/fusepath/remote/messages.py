"""Tensors to messages and back; nothing that arrives is believed before it is checked."""

from __future__ import annotations

import math
import zlib
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from fusepath.plan import MAX_FILE_BYTES
from fusepath.protocol.conversation import ProtocolError
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.runtime.packing import FILE, EncodedTensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fusepath.arrays import Array


DTYPES = frozenset({"uint8", "int8", "float16", "float32", "float64", "int32", "int64", "bool"})


def encode(name: str, value: Array | EncodedTensor) -> pb.Tensor:
    """A tensor as bytes with its type, shape and checksum."""
    if isinstance(value, EncodedTensor):
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


def encode_all(values: Mapping[str, Array | EncodedTensor]) -> list[pb.Tensor]:
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
) -> dict[str, EncodedTensor]:
    """Take exactly the tensors that are expected; undoing their codecs is left for later.

    Args:
        tensors: what arrived.
        expected: (dtype, shape) by name.
        codecs: which codec a tensor may come with, by name; any may come without.

    Raises:
        ProtocolError: a tensor is missing, unknown, repeated, of another type, shape or codec, or
            its bytes do not match its shape or checksum.
    """
    values: dict[str, EncodedTensor] = {}
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
        data = tensor.data  # a copy, each time that it is asked for
        most = MAX_FILE_BYTES if tensor.codec == FILE else size - 1
        if len(data) > most if tensor.codec else len(data) != size:
            raise ProtocolError(f"tensor '{tensor.name}' has {len(data)} bytes")
        if zlib.crc32(data) != tensor.crc32:
            raise ProtocolError(f"tensor '{tensor.name}' was damaged on the way")
        values[tensor.name] = EncodedTensor(
            name=tensor.name, dtype=dtype, shape=shape, data=data, codec=tensor.codec
        )
    missing = [name for name in expected if name not in values]
    if missing:
        raise ProtocolError(f"tensor '{missing[0]}' is missing")
    return values
