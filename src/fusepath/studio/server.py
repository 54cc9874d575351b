"""The studio's server: HTTP on an address of this machine."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import uvicorn

from fusepath.errors import InputError
from fusepath.remote.listening import parse_listen

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.studio.app import Studio

_MOST_CONNECTIONS = 64
_MOST_HEADER_BYTES = 16_384
_IDLE_S = 30
_LAST_S = 2


class StudioServer:
    """Serves a studio until it is told to end.

    Args:
        listen: ``HOST:PORT``; port 0 picks a free one.
        studio: what answers.

    Raises:
        InputError: the address is malformed or taken.
    """

    def __init__(self, listen: str, studio: Studio) -> None:
        host, port = parse_listen(listen)
        plain = host.strip("[]")
        family = socket.AF_INET6 if ":" in plain else socket.AF_INET
        try:
            self._socket = socket.create_server((plain, port), family=family)
        except OSError as error:
            raise InputError(
                f"cannot listen on {listen}: the address is taken or not of this machine"
            ) from error
        self.address = f"{host}:{self._socket.getsockname()[1]}"
        """With the port that was taken."""
        self._studio = studio
        self._server = uvicorn.Server(
            uvicorn.Config(
                studio.app(),
                log_level="critical",
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                limit_concurrency=_MOST_CONNECTIONS,
                h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
                timeout_keep_alive=_IDLE_S,
                timeout_graceful_shutdown=_LAST_S,
            )
        )

    async def serve(self, ready: Callable[[str], None]) -> None:
        """Answer until this is cancelled or `stop` is called.

        Args:
            ready: is called with the address of the page.
        """
        # Signals are the command line's.
        self._server.capture_signals = contextlib.nullcontext
        ready(f"http://{self.address}/")
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._studio.close()
            self._socket.close()

    def stop(self) -> None:
        """Have it end; from any thread."""
        self._server.should_exit = True
