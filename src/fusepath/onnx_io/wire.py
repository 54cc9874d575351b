"""Just enough of the protobuf wire format to move weights without decoding them.

Decoding and encoding 240 MB of weights again takes seconds; pasting their bytes takes a copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MODEL_GRAPH = 7
"""Field number of ``ModelProto.graph``."""
GRAPH_INITIALIZER = 5
"""Field number of ``GraphProto.initializer``."""
TENSOR_NAME = 8
"""Field number of ``TensorProto.name``."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}

Chunk = bytes | memoryview


def tensor_bytes(model: bytes) -> dict[str, memoryview]:
    """The encoded initialisers of an encoded model, by name; views, no copies.

    Raises:
        ModelError: these bytes are not in the protobuf wire format.
    """
    found = {}
    for graph in _members(memoryview(model), MODEL_GRAPH):
        for tensor in _members(graph, GRAPH_INITIALIZER):
            for name in _members(tensor, TENSOR_NAME):
                found[bytes(name).decode()] = tensor
    return found


def field_of(number: int, chunks: Iterable[Chunk]) -> list[Chunk]:
    """A length-delimited field: its header, then the chunks as they are."""
    body = list(chunks)
    header = _varint(number << 3 | _BYTES) + _varint(sum(map(len, body)))
    return [header, *body]


def _members(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """Values of the length-delimited field ``wanted`` of an encoded message."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            _, at = _read_varint(message, at)
        elif kind == _BYTES:
            size, at = _read_varint(message, at)
            if number == wanted:
                yield message[at : at + size]
            at += size
        elif kind in _FIXED_SIZES:
            at += _FIXED_SIZES[kind]
        else:
            raise ModelError(f"damaged model: field {number} has wire type {kind}; export it again")


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    """A variable-length integer and the position after it."""
    value = shift = 0
    while at < len(message):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ModelError("damaged model: it ends within a number; export it again")


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
