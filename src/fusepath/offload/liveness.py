"""Whether the edge server is there: a `Watch` decides, and here its decisions are carried out."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Protocol

from fusepath.errors import FusepathError, retry_after_s
from fusepath.protocol.watch import (
    Dial,
    Due,
    Failed,
    MakeReady,
    Pause,
    Reached,
    Ready,
    UseAlone,
    UseTogether,
    Watch,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fusepath.protocol.watch import Event

logger = logging.getLogger(__name__)

_LOOKS_EVERY_S = 1.0


class Surroundings(Protocol):
    """What can be done about an edge server."""

    def use_alone(self, reason: str) -> None:
        """Answer frames without it from now on."""

    def use_together(self) -> None:
        """Answer frames with it from now on."""

    async def dial(self) -> None:
        """See whether it answers.

        Raises:
            PeerError: it does not.
        """

    async def make_ready(self) -> None:
        """Have a plan made ready on it.

        Raises:
            PeerError: it refuses or does not answer.
        """


class Liveness:
    """Keeps a `Watch` over one edge server; on an event loop.

    Args:
        surroundings: carry out what has to do with the server itself.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self.watch = Watch(random.random)
        self._work: asyncio.Task[None] | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._closed = False

    def tell(self, event: Event) -> None:
        """Let the watch know what has happened, and do what it says, until it is closed."""
        if self._closed:
            return
        for command in self.watch.handle(event):
            match command:
                case UseAlone(reason):
                    self._surroundings.use_alone(reason)
                case UseTogether():
                    self._surroundings.use_together()
                case Pause(seconds):
                    loop = asyncio.get_running_loop()
                    self._pause = loop.call_later(seconds, self.tell, Due())
                case Dial():
                    self._start(self._surroundings.dial, Reached())
                case MakeReady():
                    self._start(self._make_ready, Ready())

    def close(self) -> None:
        """Begin nothing any more, and give up what is at work."""
        self._closed = True
        if self._pause is not None:
            self._pause.cancel()
        if self._work is not None:
            self._work.cancel()

    def _start(self, work: Callable[[], Awaitable[None]], done: Event) -> None:
        async def carry_out() -> None:
            try:
                await work()
            except Exception as error:
                if not isinstance(error, FusepathError):
                    logger.info("looking after the edge server failed", exc_info=error)
                self.tell(Failed(str(error), retry_after_s(error)))
            else:
                self.tell(done)

        if self._work is not None and self._work is not asyncio.current_task():
            self._work.cancel()  # the watch has given it up
        self._work = asyncio.create_task(carry_out())

    async def _make_ready(self) -> None:
        """It may take long; a server that stands still meanwhile is not waited for."""
        work = asyncio.ensure_future(self._surroundings.make_ready())
        try:
            while not (await asyncio.wait([work], timeout=_LOOKS_EVERY_S))[0]:
                await self._surroundings.dial()
            work.result()
        finally:
            work.cancel()
