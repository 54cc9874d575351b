"""A page of metrics, for whoever gathers them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from fusepath.errors import InputError
from fusepath.remote.listening import parse_listen

if TYPE_CHECKING:
    from collections.abc import Callable

_WITHIN_S = 5.0
_MOST_BYTES = 8192


class MetricsServer:
    """Answers ``GET /metrics`` over HTTP, and nothing else.

    Args:
        listen: ``HOST:PORT``; port 0 picks a free one.
        text: makes the page.
    """

    def __init__(self, listen: str, text: Callable[[], str]) -> None:
        self._listen = listen
        self._text = text
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen; the address with the port that was taken.

        Raises:
            InputError: the address is malformed or taken.
        """
        host, port = parse_listen(self._listen)
        try:
            self._server = await asyncio.start_server(
                self._answer, host.strip("[]"), port, limit=_MOST_BYTES
            )
        except OSError as error:
            raise InputError(
                f"cannot listen on {self._listen}: the address is taken or not of this machine"
            ) from error
        return f"{host}:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, EOFError, asyncio.LimitOverrunError, ValueError):
            async with asyncio.timeout(_WITHIN_S):
                asked = await reader.readuntil(b"\r\n\r\n")
                found = asked.split(b" ", 2)[:2] == [b"GET", b"/metrics"]
                body = self._text().encode() if found else b""
                status = "200 OK" if found else "404 Not Found"
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
        writer.close()
