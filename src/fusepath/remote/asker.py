"""Who has asked the edge server for something."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from fusepath.protocol.framing import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.protocol.framing import Drilled, Part, Result


class Asker(Protocol):
    """Is told what comes of requests; on the event loop."""

    def say(self, answer: bytes) -> None:
        """Send a part of an answer."""

    def finish(self, number: int, answer: bytes) -> None:
        """Send the end of the answer to a request."""

    def fail(self, number: int, error: BaseException) -> None:
        """A request cannot be done; whose fault that is, the error says."""


class AskerAfar:
    """Tells an asker from the threads of workers what comes of one request, until it is over.

    Messages become bytes on those threads; the event loop is woken for nothing else.

    Args:
        asker: is on the event loop that this is made on.
        number: of the request.
    """

    def __init__(self, asker: Asker, number: int) -> None:
        self._asker = asker
        self._number = number
        self._loop = asyncio.get_running_loop()
        self.over = False

    def say(self, answer: Part) -> None:
        """Send a part of the answer."""
        self._tell(self._asker.say, encode(answer))

    def finish(self, answer: Result | Drilled) -> None:
        """Send the end of the answer."""
        self._tell(self._asker.finish, self._number, encode(answer))

    def fail(self, error: BaseException) -> None:
        """The request cannot be done."""
        self._tell(self._asker.fail, self._number, error)

    def _tell(self, how: Callable[..., None], *what: Any) -> None:
        with suppress(RuntimeError):  # the loop may be gone
            self._loop.call_soon_threadsafe(self._unless_over, how, *what)

    def _unless_over(self, how: Callable[..., None], *what: Any) -> None:
        if not self.over:
            how(*what)
