"""How device and edge server reach each other: what any transport offers, and how calls end.

Two carry the same messages: gRPC between machines (`grpc_channel`, `grpc_server`), and memory
within one process (`memory`). Device and edge server see these protocols and neither of the two.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

from fusepath.protocol.framing import RefusalKind

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from fusepath.protocol.admission import Busy


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """An edge server's no, with the reason in one line; ends the call or the stream.

    ``retry_after_s`` says when there may be room, where it is that which is missing.
    """

    def __init__(self, kind: RefusalKind, reason: str, retry_after_s: float = 0.0) -> None:
        self.kind = kind
        self.retry_after_s = retry_after_s
        super().__init__(reason)

    @classmethod
    def of(cls, busy: Busy) -> Refusal:
        """There is no room."""
        return cls(RefusalKind.EXHAUSTED, busy.reason, busy.retry_after_s)

    @property
    def retry_after_ms(self) -> int:
        """As it is sent: whole milliseconds, and some where there are any."""
        return math.ceil(self.retry_after_s * 1000)


class Stream(Protocol):
    """The device's end of a stream."""

    @property
    def id(self) -> str:
        """By which both sides know it, in what they log."""

    async def write(self, data: bytes) -> bool:
        """Send a message; False once the stream has ended (`read` tells why)."""

    async def read(self) -> bytes | None:
        """The next message of the server; None after the last.

        Raises:
            PeerError: the server refused or vanished.
        """

    def cancel(self) -> None:
        """End it, if it has not ended."""


class Channel(Protocol):
    """A connection to one edge server."""

    @property
    def address(self) -> str:
        """For messages: whom it leads to."""

    async def call(self, method: str, request: Message, *, timeout_s: float) -> Any:
        """One message of ``fusepath.proto`` there and one back.

        Raises:
            PeerError: the server refused, vanished or took too long.
        """

    def stream(self) -> Stream:
        """Open a stream of messages of `fusepath.protocol.framing`.

        Raises:
            PeerUnreachableError: the channel is closed.
        """

    async def close(self) -> None:
        """Let everything go; what is under way is given up."""


class Incoming(Protocol):
    """The edge server's end of a stream."""

    @property
    def peer(self) -> str:
        """Whose it is: what has the same name shares its places."""

    @property
    def id(self) -> str:
        """By which both sides know the stream, in what they log."""

    async def read(self) -> bytes | None:
        """The next message of the device; None after the last."""

    async def write(self, data: bytes) -> None:
        """Send a message."""
