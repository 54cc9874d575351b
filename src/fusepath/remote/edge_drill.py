"""Pieces for which nothing is computed: what a message costs an edge server."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.framing import Drilled
from fusepath.remote import message_costs
from fusepath.remote.asker import AskerAfar
from fusepath.remote.limits import DRILL_BYTES
from fusepath.remote.tensors import receive

if TYPE_CHECKING:
    from fusepath.protocol.framing import Drill
    from fusepath.remote.asker import Asker
    from fusepath.remote.workers import Workers
    from fusepath.runtime.packing import EncodedTensor


class EdgeDrill:
    """Everything that a path's message takes but the computing.

    Args:
        number: of the request.
        workers: a piece is handed to them as that of a path is.
        peer: whose turn on the workers it takes.
        asker: is told what it has taken.
    """

    def __init__(self, number: int, workers: Workers, *, peer: str, asker: Asker) -> None:
        self._number = number
        self._peer = peer
        self._workers = workers
        self._asker = AskerAfar(asker, number)
        self._lock = threading.Lock()
        self._begun_s = message_costs.busy_s()
        self._came = self._done = 0
        self._last = False
        self._waiting_bytes = 0

    def take(self, message: Drill) -> None:
        """A piece has arrived; on the event loop.

        Raises:
            ProtocolError: it is none that could have been sent.
        """
        if self._last or self._came >= message_costs.MOST_MESSAGES:
            raise ProtocolError("a drill goes on after its end")
        size_bytes = sum(len(tensor.data) for tensor in message.tensors)
        with self._lock:
            self._waiting_bytes += size_bytes
        if self._waiting_bytes > DRILL_BYTES:
            raise ProtocolError(f"more than {DRILL_BYTES} bytes of a drill wait")
        received = receive(message.tensors, message_costs.expected(message.tensors), {})
        with self._lock:
            self._came += 1
            self._last = message.left == 0
        self._workers.submit(self._peer, partial(self._deal_with, received["piece"], size_bytes))

    def give_up(self) -> None:
        """Nobody waits for it."""
        self._asker.over = True

    def _deal_with(self, piece: EncodedTensor, size_bytes: int) -> None:
        self._workers.timed(piece.value)
        with self._lock:
            self._waiting_bytes -= size_bytes
            self._done += 1
            if self._done == message_costs.WARM_UP:
                self._begun_s = message_costs.busy_s()
            ended = self._last and self._done == self._came
        if ended:
            busy_s = message_costs.busy_s() - self._begun_s
            counted = max(self._came - message_costs.WARM_UP, 1)
            self._asker.finish(Drilled(self._number, round(busy_s / counted * 1e9)))
