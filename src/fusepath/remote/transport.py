"""How device and edge server reach each other: what any transport offers, and how calls end.

Two carry the same messages: gRPC between machines (`grpc_channel`, `grpc_server`), and memory
within one process (`memory`). Device and edge server see these protocols and neither of the two.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from google.protobuf.message import Message


class RefusalKind(enum.Enum):
    """Why an edge server says no."""

    MALFORMED = "malformed"
    """The message is none that could be asked for, or comes out of order."""
    UNFIT = "unfit"
    """It cannot be done here: another model, a plan that does not fit, a codec that is missing."""
    EXHAUSTED = "exhausted"
    """There is no room for it now."""
    SILENT = "silent"
    """Nothing came for too long."""


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """An edge server's no, with the reason in one line; ends the call."""

    def __init__(self, kind: RefusalKind, reason: str) -> None:
        self.kind = kind
        super().__init__(reason)


class Stream(Protocol):
    """The device's end of one call."""

    async def write(self, message: Message) -> bool:
        """Send a message; False once the server has ended the call (`read` tells why)."""

    async def done_writing(self) -> None:
        """Say that no message follows."""

    async def read(self) -> Any:
        """The next message of the server; None after the last.

        Raises:
            PeerError: the server refused, vanished or took too long.
        """

    def cancel(self) -> None:
        """Give the call up, if it has not ended."""


class Channel(Protocol):
    """A connection to one edge server, whose calls are those of ``fusepath.proto``."""

    @property
    def address(self) -> str:
        """For messages: whom it leads to."""

    async def call(self, method: str, request: Message, *, timeout_s: float) -> Any:
        """One message there and one back.

        Raises:
            PeerError: the server refused, vanished or took too long.
        """

    def stream(self, method: str, *, timeout_s: float) -> Stream:
        """Open a call of several messages."""

    async def close(self) -> None:
        """Let everything go; what is under way is given up."""


class OneEach:
    """A call of one message each way, as a stream; the message leaves when its answer is read."""

    def __init__(self, channel: Channel, method: str, *, timeout_s: float) -> None:
        self._channel = channel
        self._method = method
        self._timeout_s = timeout_s
        self._message: Message | None = None

    async def write(self, message: Message) -> bool:
        """Keep the message."""
        self._message = message
        return True

    async def done_writing(self) -> None:
        """Nothing more is to be said."""

    async def read(self) -> Any:
        """The answer to the message; None after that."""
        message, self._message = self._message, None
        if message is None:
            return None
        return await self._channel.call(self._method, message, timeout_s=self._timeout_s)

    def cancel(self) -> None:
        """Nothing is left behind: whoever gives up reading gives up the call."""


class Incoming(Protocol):
    """The edge server's end of one call."""

    async def read(self) -> Any:
        """The next message of the device; None after the last."""

    async def write(self, message: Message) -> None:
        """Send a message."""
