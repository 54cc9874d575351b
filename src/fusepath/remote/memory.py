"""Device and edge server in one process: calls without a network, for tests and for trying things.

Messages are handed over as they are. Everything else is as between two machines: the same service,
the same order, the same refusals and deadlines.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from fusepath.errors import PeerTimeoutError, PeerUnreachableError
from fusepath.remote.refused import refused
from fusepath.remote.transport import Refusal

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

    def stream(self) -> MemoryStream:
        """Open a stream."""
        stream = MemoryStream(self._service)
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

    peer = ADDRESS
    id = "memory"

    def __init__(self) -> None:
        self.up: asyncio.Queue[bytes] = asyncio.Queue()
        self.down: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def read(self) -> bytes | None:
        return await self.up.get()

    async def write(self, data: bytes) -> None:
        self.down.put_nowait(data)


class MemoryStream:
    """The device's end of a stream."""

    id = "memory"

    def __init__(self, service: EdgeService) -> None:
        self._ends = _Incoming()
        self.ended: asyncio.Task[None] = asyncio.ensure_future(
            _answered(partial(service.converse, self._ends))
        )
        self.ended.add_done_callback(self._end)

    def _end(self, ended: asyncio.Task[None]) -> None:
        """Wake whoever waits for a message, and tell nobody where nobody does."""
        self._ends.down.put_nowait(None)
        if not ended.cancelled():
            ended.exception()

    async def write(self, data: bytes) -> bool:
        """Send a message; False once the stream has ended."""
        if self.ended.done():
            return False
        self._ends.up.put_nowait(data)
        return True

    async def read(self) -> bytes | None:
        """The next message of the server; None after the last."""
        message = await self._ends.down.get()
        if message is None:
            if self.ended.cancelled():
                raise PeerUnreachableError(ADDRESS, "the connection was given up")
            self.ended.result()  # raises the reason
        return message

    def cancel(self) -> None:
        """End it, if it has not ended."""
        self.ended.cancel()


async def _answered(call: Callable[[], Awaitable[Any]], timeout_s: float | None = None) -> Any:
    try:
        async with asyncio.timeout(timeout_s):
            return await call()
    except TimeoutError:
        raise PeerTimeoutError(ADDRESS, "no answer before the deadline") from None
    except Refusal as refusal:
        error = refused(ADDRESS, refusal.kind, str(refusal), refusal.retry_after_ms)
        raise error from refusal
