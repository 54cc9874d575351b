"""One inference on the edge server: carries out an `EdgeSession`'s commands."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from fusepath.protocol.conversation import (
    Compute,
    ComputeTail,
    EdgeSession,
    SendPart,
    SendResult,
)
from fusepath.protocol.framing import EdgeSpan, Part, RawTensor, Result
from fusepath.remote.asker import AskerAfar
from fusepath.remote.serial_executor import SerialExecutor
from fusepath.remote.tensors import receive, to_send
from fusepath.remote.workers import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fusepath.arrays import Array
    from fusepath.protocol.conversation import Command
    from fusepath.remote.asker import Asker
    from fusepath.remote.kept_shares import Reuse
    from fusepath.remote.prepared import PreparedPlan
    from fusepath.remote.workers import Workers
    from fusepath.runtime.edge_share import FusedLayer
    from fusepath.runtime.packing import EncodedTensor


class EdgeInference:
    """One inference, from its first piece to its result.

    Pieces come on the event loop. From there on workers go on by themselves: whoever has computed a
    path does what is to be done then, and the event loop is woken to send and for nothing else.

    Args:
        reuse: the beginning of the request, whose pieces are taken by `take`, and what it goes on
            from.
        plan: that it is of.
        workers: compute.
        peer: whose turn on the workers it takes.
        overlaps: False computes nothing before everything has arrived.
        asker: is told what comes of it.

    Raises:
        ProtocolError: the request is none that the plan allows.
    """

    def __init__(
        self,
        reuse: Reuse,
        plan: PreparedPlan,
        workers: Workers,
        *,
        peer: str = "",
        overlaps: bool,
        asker: Asker,
    ) -> None:
        begin, self._reuse = reuse.begin, reuse
        self._number = begin.request
        self._plan, self._share = plan, plan.share
        share = plan.share
        self._returned = share.returned(begin.left_out)
        times = plan.times
        self._paths_s = times.paths_s
        self._paths_ns = tuple(map(nanoseconds, times.paths_s))
        self._tail_ns = nanoseconds(times.tail_s)
        self._expected_ns = 0
        """What is to be computed of what has come."""
        self._workers = workers
        self._asker = AskerAfar(asker, begin.request)
        self._lock = threading.Lock()
        """One at a time goes on, so that answers leave in the order of the commands."""
        self._session = EdgeSession(
            len(share.recipe.cuts),
            share.predecessors(),
            share.returning,
            overlaps=overlaps,
            reused=reuse.paths,
        )
        submit = partial(workers.submit, peer)
        self._submit = SerialExecutor(submit).submit if share.predecessors() else submit
        self._fused: FusedLayer | None = None
        """Room for it is made when something is computed, not while a request waits."""
        self.spans: list[EdgeSpan] = []
        """When and where what was computed."""
        self._arrived_ns: dict[int, int] = {}
        self._waiting: dict[int, dict[str, EncodedTensor]] = {}
        self._to_return: dict[int | None, list[RawTensor]] = {}
        """As it is sent: parts by path (0-based), and under None the outputs."""

    def take(self, path: int, tensors: Sequence[RawTensor]) -> None:
        """A piece of a path (0-based) has arrived.

        Raises:
            ProtocolError: the plan does not call for it.
        """
        arrived_ns = time.monotonic_ns()
        with self._lock:
            commands = self._session.arrived(path)
            self._arrived_ns[path] = arrived_ns
            self._waiting[path] = receive(tensors, self._share.expected(path), self._share.codecs)
            first = len(self._arrived_ns) == 1
            self._expect(self._paths_ns[path] + (self._tail_ns if first else 0))
            self._do(commands)

    def give_up(self) -> None:
        """Nobody waits for it; what has not begun does not."""
        self._asker.over = True
        with self._lock:
            self._expect(-self._expected_ns)

    def _expect(self, work_ns: int) -> None:
        self._expected_ns += work_ns
        self._workers.expect(work_ns)

    def _do(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Compute(path):
                    work = partial(self._work, partial(self._compute, path))
                    self._submit(work, self._paths_s[path])
                case ComputeTail():
                    self._compute_tail()
                case SendPart(path):
                    tensors = self._to_return.pop(path)
                    self._asker.say(Part(self._number, path + 1, tensors))
                case SendResult():
                    tensors = self._to_return.pop(None, [])
                    self._asker.finish(Result(self._number, self._macs, self.spans, tensors))

    @property
    def _macs(self) -> int:
        """Multiply-accumulates that were done for this request."""
        reused = sum(map(self._share.path_macs, self._reuse.paths))
        return self._share.macs - reused

    def _keep(self, path: int | None, made: Mapping[str, Array]) -> None:
        """Make ready to return what somebody has asked for of what was made."""
        wanted = {name: made[name] for name in made.keys() & self._returned}
        self._to_return[path] = to_send(self._share.encoded(wanted))

    def _work(self, work: Callable[[], None]) -> None:
        """On a worker: do something that may fail."""
        if self._asker.over:
            return
        try:
            work()
        except BaseException as error:
            self._asker.fail(error)

    def _room(self) -> FusedLayer:
        if self._fused is None:
            self._fused = replace(self._share.new_fused(), reused=self._reuse.shares)
        return self._fused

    def _compute(self, path: int) -> None:
        _, span = self._workers.timed(partial(self._finish, path, self._waiting.pop(path)))
        arrived_ns = self._arrived_ns[path]
        with self._lock:
            self._plan.took(path, (span.end_ns - span.start_ns) * 1e-9)
            if not self._asker.over:
                self._expect(-self._paths_ns[path])
            self.spans.append(
                EdgeSpan(path + 1, span.worker, span.start_ns, span.end_ns, arrived_ns)
            )
            self._do(self._session.computed(path))

    def _finish(self, path: int, received: dict[str, EncodedTensor]) -> None:
        with self._lock:  # workers that begin at the same time share it
            fused = self._room()
        made = self._share.finish(path, received, fused)
        if not self._asker.over:  # or nobody can refer to it
            self._reuse.keep(path, made)
        if path in (self._share.returning or ()):
            self._keep(path, self._share.part(path, fused))

    def _compute_tail(self) -> None:
        _, span = self._workers.timed(self._finish_all)
        if self._share.has_tail or self._share.back_codecs:
            self._plan.took(None, (span.end_ns - span.start_ns) * 1e-9)
            self.spans.append(span)
        self._do(self._session.tail_computed())

    def _finish_all(self) -> None:
        self._keep(None, self._share.compute_tail(self._room()))
