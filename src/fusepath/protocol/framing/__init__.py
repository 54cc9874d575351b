"""What crosses the stream of a device and an edge server, byte by byte; see docs/protocol.md."""

from fusepath.protocol.framing.encoding import decode, encode
from fusepath.protocol.framing.header import WIRE_VERSION
from fusepath.protocol.framing.hello import check_hello
from fusepath.protocol.framing.messages import (
    Begin,
    Drill,
    Drilled,
    EdgeSpan,
    GiveUp,
    Hello,
    Message,
    Part,
    Piece,
    RawTensor,
    RefusalKind,
    Refused,
    Result,
    Reused,
)

__all__ = [
    "WIRE_VERSION",
    "Begin",
    "Drill",
    "Drilled",
    "EdgeSpan",
    "GiveUp",
    "Hello",
    "Message",
    "Part",
    "Piece",
    "RawTensor",
    "RefusalKind",
    "Refused",
    "Result",
    "Reused",
    "check_hello",
    "decode",
    "encode",
]
