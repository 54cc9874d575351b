"""Pieces for which nothing is computed: what a message costs an edge server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.framing import Drilled
from fusepath.remote import message_costs
from fusepath.remote.tensors import receive

if TYPE_CHECKING:
    from concurrent.futures import Future

    from fusepath.protocol.framing import Drill
    from fusepath.remote.asker import Asker
    from fusepath.remote.workers import Workers


class EdgeDrill:
    """Everything that a path's message takes but the computing; on an event loop.

    Args:
        number: of the request.
        workers: a piece is handed to them as that of a path is.
        asker: is told what it has taken.
    """

    def __init__(self, number: int, workers: Workers, asker: Asker) -> None:
        self._number = number
        self._workers = workers
        self._asker = asker
        self._begun_s = message_costs.busy_s()
        self._came = self._done = 0
        self._last = False
        self._over = False

    def take(self, message: Drill) -> None:
        """A piece has arrived.

        Raises:
            ProtocolError: it is none that could have been sent.
        """
        if self._last or self._came >= message_costs.MOST_MESSAGES:
            raise ProtocolError("a drill goes on after its end")
        self._came += 1
        self._last = message.left == 0
        received = receive(message.tensors, message_costs.expected(message.tensors), {})
        self._workers.start(received["piece"].value, self._dealt_with)

    def give_up(self) -> None:
        """Nobody waits for it."""
        self._over = True

    def _dealt_with(self, _: Future[Any]) -> None:
        self._done += 1
        if self._done == message_costs.WARM_UP:
            self._begun_s = message_costs.busy_s()
        if self._last and self._done == self._came and not self._over:
            busy_s = message_costs.busy_s() - self._begun_s
            counted = max(self._came - message_costs.WARM_UP, 1)
            self._asker.finish(Drilled(self._number, round(busy_s / counted * 1e9)))
