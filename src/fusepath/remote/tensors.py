"""Tensors to the bytes that travel and back; nothing that arrives is believed before it is checked.

Both sides know from the plan which tensors a message holds, with type and shape: they travel in the
order of their names, as bytes alone.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from fusepath.plan import MAX_FILE_BYTES
from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.framing import RawTensor
from fusepath.runtime.packing import FILE, EncodedTensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.arrays import Array


def to_send(values: Mapping[str, Array | EncodedTensor]) -> list[RawTensor]:
    """What travels of some tensors; arrays are not copied."""
    return [_raw(values[name]) for name in sorted(values)]


def _raw(value: Array | EncodedTensor) -> RawTensor:
    if isinstance(value, EncodedTensor):
        return RawTensor(value.data, bool(value.codec))
    return RawTensor(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)


def decode(
    tensors: Sequence[RawTensor],
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
    tensors: Sequence[RawTensor],
    expected: Mapping[str, tuple[str, tuple[int, ...]]],
    codecs: Mapping[str, str],
) -> dict[str, EncodedTensor]:
    """Take exactly the tensors that are expected; undoing their codecs is left for later.

    Args:
        tensors: what arrived.
        expected: (dtype, shape) by name.
        codecs: which codec a tensor may come with, by name; any may come without.

    Raises:
        ProtocolError: there are more or fewer, one is encoded and has no codec, or its bytes do not
            match its shape.
    """
    names = sorted(expected)
    if len(tensors) != len(names):
        wanted = ", ".join(names[:4]) or "none"
        raise ProtocolError(f"a message holds {len(tensors)} tensors, expected {wanted}")
    values: dict[str, EncodedTensor] = {}
    for name, (data, encoded) in zip(names, tensors, strict=True):
        dtype, shape = expected[name]
        if encoded and name not in codecs:
            raise ProtocolError(f"tensor '{name}' comes encoded, expected plain")
        size = np.dtype(dtype).itemsize * math.prod(shape)
        most = MAX_FILE_BYTES if codecs.get(name) == FILE else size - 1
        if len(data) > most if encoded else len(data) != size:
            raise ProtocolError(
                f"tensor '{name}' has {len(data)} bytes; {dtype}{list(shape)} has {size}"
            )
        values[name] = EncodedTensor(
            name=name, dtype=dtype, shape=shape, data=data, codec=codecs[name] if encoded else ""
        )
    return values
