"""One inference on the edge server: carries out an `EdgeSession`'s commands."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from fusepath.protocol.conversation import (
    Compute,
    ComputeTail,
    EdgeSession,
    SendPart,
    SendResult,
)
from fusepath.protocol.framing import EdgeSpan, Part, RawTensor, Result
from fusepath.remote.serial_executor import SerialExecutor
from fusepath.remote.tensors import receive, to_send

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from fusepath.arrays import Array
    from fusepath.protocol.conversation import Command
    from fusepath.remote.asker import Asker
    from fusepath.remote.workers import Workers
    from fusepath.runtime.edge_share import EdgeShare
    from fusepath.runtime.packing import EncodedTensor


class EdgeInference:
    """One inference, from its first piece to its result; on an event loop.

    Args:
        number: of the request.
        share: the edge server's share of its plan.
        workers: compute.
        overlaps: False computes nothing before everything has arrived.
        asker: is told what comes of it.
    """

    def __init__(
        self, number: int, share: EdgeShare, workers: Workers, *, overlaps: bool, asker: Asker
    ) -> None:
        self._number = number
        self._share = share
        self._workers = workers
        self._asker = asker
        self._session = EdgeSession(
            len(share.recipe.cuts), share.predecessors(), share.returning, overlaps=overlaps
        )
        self._in_turn: SerialExecutor | None = None
        if share.predecessors():
            self._in_turn = SerialExecutor(workers.pool)
        self._fused = share.new_fused()
        self._spans: list[EdgeSpan] = []
        self._arrived_ns: dict[int, int] = {}
        self._waiting: dict[int, dict[str, EncodedTensor]] = {}
        self._outputs: dict[str, Array] = {}
        self._running: set[Future[Any]] = set()
        self._over = False

    def take(self, path: int, tensors: Sequence[RawTensor]) -> None:
        """A piece of a path (0-based) has arrived.

        Raises:
            ProtocolError: the plan does not call for it.
        """
        self._arrived_ns[path] = time.monotonic_ns()
        commands = self._session.arrived(path)
        self._waiting[path] = receive(tensors, self._share.expected(path), self._share.codecs)
        self._do(commands)

    def give_up(self) -> None:
        """Nobody waits for it; what has not begun does not."""
        self._over = True
        for job in self._running:
            job.cancel()

    def _do(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Compute(path):
                    received = self._waiting.pop(path)
                    work = partial(self._share.finish, path, received, self._fused)
                    self._start(work, self._in_turn, partial(self._computed, path))
                case ComputeTail():
                    if self._share.has_tail:
                        tail = partial(self._share.compute_tail, self._fused)
                        self._start(tail, None, self._tail_computed)
                    else:  # not worth the way to a worker
                        self._outputs = self._share.compute_tail(self._fused)
                        self._do(self._session.tail_computed())
                case SendPart(path):
                    tensors = to_send(self._share.part(path, self._fused))
                    self._asker.say(Part(self._number, path + 1, tensors))
                case SendResult():
                    tensors = to_send(self._outputs)
                    answer = Result(self._number, self._share.macs, self._spans, tensors)
                    self._asker.finish(answer)

    def _start(
        self,
        work: Callable[[], Any],
        executor: SerialExecutor | None,
        done: Callable[[Any, EdgeSpan], None],
    ) -> None:
        """Do something on a worker, perhaps in turn, and go on with its result and span here."""

        def go_on(job: Future[Any]) -> None:
            self._running.discard(job)
            if self._over:
                return
            try:
                done(*job.result())
            except BaseException as error:
                self._asker.fail(self._number, error)

        self._running.add(self._workers.start(work, go_on, executor))

    def _computed(self, path: int, _: None, span: EdgeSpan) -> None:
        arrived_ns = self._arrived_ns[path]
        self._spans.append(EdgeSpan(path + 1, span.worker, span.start_ns, span.end_ns, arrived_ns))
        self._do(self._session.computed(path))

    def _tail_computed(self, outputs: dict[str, Array], span: EdgeSpan) -> None:
        self._outputs = outputs
        self._spans.append(span)
        self._do(self._session.tail_computed())
