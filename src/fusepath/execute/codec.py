"""Tensors to messages and back; nothing that arrives is believed before it is checked."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.execute.session import ProtocolError
from fusepath.execute.wire import fusepath_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    Array = NDArray[Any]

DTYPES = frozenset({"uint8", "int8", "float16", "float32", "float64", "int32", "int64", "bool"})


def encode(name: str, value: Array) -> pb.Tensor:
    """A tensor as raw bytes with its type, shape and checksum."""
    if value.dtype.name not in DTYPES:
        raise ProtocolError(f"tensor '{name}' of type {value.dtype.name} cannot be sent")
    data = np.ascontiguousarray(value).tobytes()
    return pb.Tensor(
        name=name,
        dtype=value.dtype.name,
        shape=value.shape,
        data=data,
        crc32=zlib.crc32(data),
    )


def encode_all(values: Mapping[str, Array]) -> list[pb.Tensor]:
    """Several tensors, in the order of the mapping."""
    return [encode(name, value) for name, value in values.items()]


def decode(
    tensors: Iterable[pb.Tensor], expected: Mapping[str, tuple[str, tuple[int, ...]]]
) -> dict[str, Array]:
    """Read exactly the tensors that are expected.

    Args:
        tensors: what arrived.
        expected: (dtype, shape) by name.

    Raises:
        ProtocolError: a tensor is missing, unknown, repeated, of another type or shape, or its
            bytes do not match its shape or checksum.
    """
    values: dict[str, Array] = {}
    for tensor in tensors:
        if tensor.name not in expected or tensor.name in values:
            raise ProtocolError(f"tensor {tensor.name[:80]!r} is not expected here")
        dtype, shape = expected[tensor.name]
        if tensor.dtype != dtype or tuple(tensor.shape) != shape:
            got = f"{tensor.dtype[:16]}{list(tensor.shape)[:8]}"
            raise ProtocolError(f"tensor '{tensor.name}' is {got}, expected {dtype}{list(shape)}")
        value_type = np.dtype(dtype)
        if len(tensor.data) != value_type.itemsize * int(np.prod(shape, dtype=np.int64)):
            raise ProtocolError(f"tensor '{tensor.name}' has {len(tensor.data)} bytes")
        if zlib.crc32(tensor.data) != tensor.crc32:
            raise ProtocolError(f"tensor '{tensor.name}' was damaged on the way")
        values[tensor.name] = np.frombuffer(tensor.data, dtype=value_type).reshape(shape)
    missing = [name for name in expected if name not in values]
    if missing:
        raise ProtocolError(f"tensor '{missing[0]}' is missing")
    return values
