"""Messages to bytes and back; nothing that arrives is believed before it is checked.

The body of a message is what its kind has of its own, in a fixed layout, and then, where it carries
tensors, how many, size and coding of each, and their bytes one after the other.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.framing.header import Header, Kind, opened, sealed
from fusepath.protocol.framing.messages import (
    Begin,
    Drill,
    Drilled,
    EdgeSpan,
    GiveUp,
    Hello,
    Part,
    Piece,
    RawTensor,
    RefusalKind,
    Refused,
    Result,
    Reused,
)
from fusepath.protocol.framing.text import decode_text, encode_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.protocol.framing.messages import Buffer, Message

_COUNT = struct.Struct("<H")
_TENSOR = struct.Struct("<IB")
_BEGIN = struct.Struct("<32sQQHH")
_REUSED = struct.Struct("<HQ")
_RESULT = struct.Struct("<QH")
_SPAN = struct.Struct("<HHqqq")
_REFUSED = struct.Struct("<BI")
_DRILL = struct.Struct("<I")
_DRILLED = struct.Struct("<q")
_REFUSALS = {kind.value: kind for kind in RefusalKind}


def encode(message: Message) -> bytes:
    """The bytes of a message."""
    body: Sequence[Buffer]
    match message:
        case Begin(request, path, recipe_sha256, left_us, tensors, left_out, keeps, reused):
            header = Header(Kind.BEGIN, request, path)
            digest = bytes.fromhex(recipe_sha256)
            body = [
                _BEGIN.pack(digest, left_us, left_out, len(keeps), len(reused)),
                *map(_COUNT.pack, keeps),
                *(_REUSED.pack(*item) for item in reused),
                *_table(tensors),
            ]
        case Piece(request, path, tensors):
            header, body = Header(Kind.PIECE, request, path), _table(tensors)
        case Part(request, path, tensors):
            header, body = Header(Kind.PART, request, path), _table(tensors)
        case Result(request, macs, spans, tensors):
            header = Header(Kind.RESULT, request)
            body = [_RESULT.pack(macs, len(spans)), *map(_packed, spans), *_table(tensors)]
        case Refused(request, kind, reason, retry_after_ms):
            header = Header(Kind.REFUSED, request)
            body = [_REFUSED.pack(kind.value, retry_after_ms), encode_text(reason)]
        case GiveUp(request):
            header, body = Header(Kind.GIVE_UP, request), []
        case Hello(wire, software):
            header, body = Header(Kind.HELLO, version=wire), [encode_text(software)]
        case Drill(request, left, tensors):
            header, body = Header(Kind.DRILL, request), [_DRILL.pack(left), *_table(tensors)]
        case Drilled(request, busy_ns):
            header, body = Header(Kind.DRILLED, request), [_DRILLED.pack(busy_ns)]
    return sealed(header, body)


def decode(data: bytes) -> Message:
    """A message from its bytes; tensors are views of them.

    Raises:
        ProtocolError: they are those of no message.
    """
    header, body = opened(data)
    try:
        message, rest = _message(header, body)
    except struct.error:
        raise ProtocolError(f"a message ({header.kind.name}) is too short") from None
    if len(rest) > 0:
        raise ProtocolError(f"a message ({header.kind.name}) goes on for {len(rest)} bytes")
    return message


def _message(header: Header, body: memoryview) -> tuple[Message, memoryview]:
    """A message, and what is left of its body."""
    request, path = header.request, header.path
    rest = body[len(body) :]
    message: Message
    match header.kind:
        case Kind.BEGIN:
            digest, left_us, left_out, kept, count = _BEGIN.unpack_from(body)
            start = _BEGIN.size + kept * _COUNT.size
            end = start + count * _REUSED.size
            keeps = [
                _COUNT.unpack_from(body, at)[0] for at in range(_BEGIN.size, start, _COUNT.size)
            ]
            reused = [
                Reused(*_REUSED.unpack_from(body, at)) for at in range(start, end, _REUSED.size)
            ]
            tensors, rest = _tensors(body[end:])
            begin = Begin(request, path, digest.hex(), left_us, tensors, left_out)
            message = replace(begin, keeps=keeps, reused=reused)
        case Kind.PIECE:
            tensors, rest = _tensors(body)
            message = Piece(request, path, tensors)
        case Kind.PART:
            tensors, rest = _tensors(body)
            message = Part(request, path, tensors)
        case Kind.RESULT:
            macs, count = _RESULT.unpack_from(body)
            end = _RESULT.size + count * _SPAN.size
            spans = [_span(body, at) for at in range(_RESULT.size, end, _SPAN.size)]
            tensors, rest = _tensors(body[end:])
            message = Result(request, macs, spans, tensors)
        case Kind.REFUSED:
            number, retry_after_ms = _REFUSED.unpack_from(body)
            if number not in _REFUSALS:
                raise ProtocolError(f"unknown kind {number} of refusal")
            reason = decode_text(body[_REFUSED.size :])
            message = Refused(request, _REFUSALS[number], reason, retry_after_ms)
        case Kind.GIVE_UP:
            message, rest = GiveUp(request), body
        case Kind.HELLO:
            message = Hello(header.version, decode_text(body))
        case Kind.DRILL:
            (left,) = _DRILL.unpack_from(body)
            tensors, rest = _tensors(body[_DRILL.size :])
            message = Drill(request, left, tensors)
        case Kind.DRILLED:
            (busy_ns,) = _DRILLED.unpack_from(body)
            message, rest = Drilled(request, busy_ns), body[_DRILLED.size :]
    return message, rest


def _table(tensors: Sequence[RawTensor]) -> list[Buffer]:
    entries = [_TENSOR.pack(len(tensor.data), tensor.encoded) for tensor in tensors]
    return [_COUNT.pack(len(tensors)), *entries, *(tensor.data for tensor in tensors)]


def _tensors(body: memoryview) -> tuple[list[RawTensor], memoryview]:
    (count,) = _COUNT.unpack_from(body)
    start = _COUNT.size + count * _TENSOR.size
    tensors = []
    for at in range(_COUNT.size, start, _TENSOR.size):
        size, encoded = _TENSOR.unpack_from(body, at)
        if encoded > 1:
            raise ProtocolError(f"unknown coding {encoded} of a tensor")
        if start + size > len(body):
            raise ProtocolError(f"a tensor of {size} bytes is longer than its message")
        tensors.append(RawTensor(body[start : start + size], bool(encoded)))
        start += size
    return tensors, body[start:]


def _packed(span: EdgeSpan) -> bytes:
    return _SPAN.pack(span.path, span.worker, span.start_ns, span.end_ns, span.arrived_ns)


def _span(body: memoryview, at: int) -> EdgeSpan:
    return EdgeSpan(*_SPAN.unpack_from(body, at))
