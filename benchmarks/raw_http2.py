"""Connections of HTTP/2 that libraries do not make: idle ones by the thousand, and slow writers."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from fusepath.remote.limits import STREAM_METHOD

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_HEADERS = 4
_AT_ONCE = 500
"""Connections that are opened together: a server's queue of new ones is not endless."""


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame (RFC 9113, section 4.1)."""
    length = struct.pack(">I", len(payload))[1:]
    return length + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """A header, neither indexed nor compressed (RFC 7541, section 6.2.2); below 127 bytes each."""
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(_SETTINGS, 0, 0, b"")
"""What a client begins with."""


def call(authority: str) -> bytes:
    """The beginning of a gRPC call of the stream's method."""
    headers = (
        *((b":method", b"POST"), (b":scheme", b"http"), (b":path", STREAM_METHOD.encode())),
        *((b":authority", authority.encode()), (b"te", b"trailers")),
        (b"content-type", b"application/grpc"),
    )
    return frame(_HEADERS, _END_HEADERS, 1, b"".join(_literal(*pair) for pair in headers))


async def _connected(address: str, stack: AsyncExitStack) -> asyncio.StreamWriter:
    host, port = address.rsplit(":", 1)
    _, writer = await asyncio.open_connection(host, int(port))
    stack.callback(writer.close)
    writer.write(HELLO)
    return writer


async def idle_connections(address: str, count: int, stack: AsyncExitStack) -> None:
    """Open so many that say hello and nothing more."""
    for begun in range(0, count, _AT_ONCE):
        several = range(min(_AT_ONCE, count - begun))
        await asyncio.gather(*(_connected(address, stack) for _ in several))


async def slow_writers(
    address: str, count: int, message: bytes, stack: AsyncExitStack, pause_s: float = 0.05
) -> None:
    """Have so many begin a message and send a byte of it after every pause."""

    async def write(writer: asyncio.StreamWriter) -> None:
        said = struct.pack(">BI", 0, len(message)) + message
        with suppress(ConnectionError):
            for byte in said:
                writer.write(frame(_DATA, 0, 1, bytes([byte])))
                await asyncio.sleep(pause_s)

    for _ in range(count):
        writer = await _connected(address, stack)
        writer.write(call(address))
        stack.callback(asyncio.create_task(write(writer)).cancel)
