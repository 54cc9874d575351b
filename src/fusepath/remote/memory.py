"""Device and edge server in one process: calls without a network, for tests and for trying things.

Messages are handed over as they are. Everything else is as between two machines: the same service,
the same order, the same refusals and deadlines.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from fusepath.errors import (
    PeerBusyError,
    PeerError,
    PeerRefusedError,
    PeerTimeoutError,
    PeerUnreachableError,
)
from fusepath.remote.transport import Refusal, RefusalKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from google.protobuf.message import Message

    from fusepath.remote.edge_service import EdgeService

ADDRESS = "memory:"


class MemoryChannel:
    """Calls of an edge server in this process, on the event loop that uses the channel.

    Args:
        service: what answers; it is closed with the channel.
    """

    address = ADDRESS

    def __init__(self, service: EdgeService) -> None:
        self._service = service
        self._streams: set[MemoryStream] = set()

    async def call(self, method: str, request: Message, *, timeout_s: float) -> Any:
        """One message there and one back."""
        handler = getattr(self._service, method.lower())
        return await _answered(partial(handler, request), timeout_s)

    def stream(self, method: str, *, timeout_s: float) -> MemoryStream:
        """Open a call of several messages."""
        stream = MemoryStream(getattr(self._service, method.lower()), timeout_s)
        self._streams.add(stream)
        stream.ended.add_done_callback(lambda _: self._streams.discard(stream))
        return stream

    async def close(self) -> None:
        """Let everything go."""
        for stream in tuple(self._streams):
            stream.cancel()
        self._service.close()


class _Incoming:
    """The server's end."""

    def __init__(self) -> None:
        self.up: asyncio.Queue[Any] = asyncio.Queue()
        self.down: asyncio.Queue[Any] = asyncio.Queue()

    async def read(self) -> Any:
        return await self.up.get()

    async def write(self, message: Any) -> None:
        self.down.put_nowait(message)


class MemoryStream:
    """The device's end of one call."""

    def __init__(self, handler: Any, timeout_s: float) -> None:
        self._ends = _Incoming()
        self.ended: asyncio.Task[Any] = asyncio.ensure_future(
            _answered(partial(handler, self._ends), timeout_s)
        )
        self.ended.add_done_callback(self._end)

    def _end(self, ended: asyncio.Task[Any]) -> None:
        """Wake whoever waits for a message, and tell nobody where nobody does."""
        self._ends.down.put_nowait(None)
        if not ended.cancelled():
            ended.exception()

    async def write(self, message: Message) -> bool:
        """Send a message; False once the server has ended the call."""
        if self.ended.done():
            return False
        self._ends.up.put_nowait(message)
        return True

    async def done_writing(self) -> None:
        """Say that no message follows."""
        self._ends.up.put_nowait(None)

    async def read(self) -> Any:
        """The next message of the server; None after the last."""
        message = await self._ends.down.get()
        if message is not None:
            return message
        if self.ended.cancelled():
            raise PeerUnreachableError(ADDRESS, "the call was given up")
        return self.ended.result()  # raises the reason, or is the one answer to many messages

    def cancel(self) -> None:
        """Give the call up, if it has not ended."""
        self.ended.cancel()


async def _answered(call: Callable[[], Awaitable[Any]], timeout_s: float) -> Any:
    try:
        async with asyncio.timeout(timeout_s):
            return await call()
    except TimeoutError:
        raise PeerTimeoutError(ADDRESS, "no answer before the deadline") from None
    except Refusal as refusal:
        raise _translated(refusal) from refusal


def _translated(refusal: Refusal) -> PeerError:
    if refusal.kind is RefusalKind.SILENT:
        return PeerTimeoutError(ADDRESS, str(refusal))
    if refusal.kind is RefusalKind.EXHAUSTED:
        return PeerBusyError(ADDRESS, f"refused: {refusal}")
    return PeerRefusedError(ADDRESS, f"refused: {refusal}")
