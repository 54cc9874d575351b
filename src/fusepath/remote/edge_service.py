"""The edge server's work: holds models, prepares plans, finishes what devices have begun.

It knows no transport: calls come as messages and streams, and a no is a `Refusal`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from fusepath import jsonfile
from fusepath.cancellation import cancelled_by
from fusepath.errors import FusepathError
from fusepath.plan import ModelReference, Recipe, check_recipe
from fusepath.profiling.layers import measure_layers
from fusepath.profiling.timing import timed_on
from fusepath.protocol.conversation import (
    Compute,
    ComputeTail,
    EdgeSession,
    ProtocolError,
    SendPart,
    SendResult,
)
from fusepath.remote import message_costs, messages
from fusepath.remote.limits import IDLE_TIMEOUT_S, MAX_PROBE_BYTES
from fusepath.remote.serial_executor import SerialExecutor
from fusepath.remote.transport import Refusal, RefusalKind
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.runtime.edge_share import EdgeShare, EdgeTimes
from fusepath.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from google.protobuf.message import Message

    from fusepath.arrays import Array
    from fusepath.profiling.layers import Profiler
    from fusepath.protocol.conversation import Command
    from fusepath.remote.model_store import ModelStore
    from fusepath.remote.transport import Incoming
    from fusepath.runtime.packing import EncodedTensor

logger = logging.getLogger(__name__)

MAX_PREPARED = 16
_LONGEST_WAIT_S = 0.003
"""Longer idle times make a machine no slower, and preparing would take its time."""
_NOTHING_CAME = f"no message came for {IDLE_TIMEOUT_S:g} s"


class EdgeService:
    """Answers devices; see ``fusepath.proto`` for the calls and their order.

    All calls raise `Refusal` where the answer is no.

    Args:
        store: the models that may be run.
        workers: paths computed at the same time.
        threads: threads of one operator.
        profiler: measures this machine for a device that asks.
        overlaps: False computes nothing before everything has arrived.
    """

    def __init__(
        self,
        store: ModelStore,
        *,
        workers: int = 1,
        threads: int = 1,
        profiler: Profiler = measure_layers,
        overlaps: bool = True,
    ) -> None:
        self.overlaps = overlaps
        self._store = store
        self._profiler = profiler
        self._threads = threads
        self._prepared: OrderedDict[str, tuple[EdgeShare, EdgeTimes]] = OrderedDict()
        self._preparing: dict[str, asyncio.Task[EdgeTimes]] = {}
        self._profiles: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="edge-worker")
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="edge-loader")
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._local = threading.local()

    async def clock(self, request: pb.ClockRequest) -> pb.ClockReply:
        """The time here, with as much padding as was asked for."""
        edge_ns = time.monotonic_ns()
        if request.reply_bytes > MAX_PROBE_BYTES:
            raise Refusal(
                RefusalKind.MALFORMED,
                f"{request.reply_bytes} bytes of padding were asked for; "
                f"at most {MAX_PROBE_BYTES} are sent",
            )
        return pb.ClockReply(edge_ns=edge_ns, padding=bytes(request.reply_bytes))

    async def drill(self, stream: Incoming) -> pb.DrillReply:
        """Everything that a path's message takes but the computing."""
        begun_s = message_costs.busy_s()
        taken = 0
        try:
            while taken < message_costs.MOST_MESSAGES:
                message = await read(stream)
                if message is None:
                    break
                expected = message_costs.expected(message)
                received = messages.receive(message.tensors, expected, {})
                await asyncio.create_task(self.compute(received["piece"].value))
                taken += 1
                if taken == message_costs.WARM_UP:
                    begun_s = message_costs.busy_s()
        except ProtocolError as error:
            raise Refusal(RefusalKind.MALFORMED, str(error)) from error
        busy_s = (message_costs.busy_s() - begun_s) / max(taken - message_costs.WARM_UP, 1)
        return pb.DrillReply(busy_ns=round(busy_s * 1e9))

    async def profile(self, request: pb.ModelRequest) -> pb.ProfileReply:
        """Time every layer of a model; measured once, then remembered."""
        reference = ModelReference(
            name=request.name[:200],
            sha256=request.sha256,
            source=request.source,
            input_shape=tuple(request.input_shape),
        )
        return pb.ProfileReply(profile_json=await self._load(self._profile, reference))

    async def prepare(self, request: pb.PrepareRequest) -> pb.PrepareReply:
        """Check a recipe and build its sessions: once for all that do the same, whoever asks."""
        try:
            recipe = jsonfile.decode(request.recipe_json, Recipe, where="the recipe sent")
        except FusepathError as error:
            raise Refusal(RefusalKind.UNFIT, str(error)) from error
        digest = recipe.sha256
        if digest in self._prepared:
            self._prepared.move_to_end(digest)
            _, times = self._prepared[digest]
        else:
            if digest not in self._preparing:
                job = asyncio.create_task(self._keep(digest, recipe, request.idle_ns * 1e-9))
                self._preparing[digest] = job
                job.add_done_callback(partial(self._done_preparing, digest))
            # Whoever leaves does not take the preparation along that others wait for.
            times = await asyncio.shield(self._preparing[digest])
        return pb.PrepareReply(
            recipe_sha256=digest,
            fusepath_version=VERSION,
            path_ns=[round(time_s * 1e9) for time_s in times.paths_s],
            tail_ns=round(times.tail_s * 1e9),
        )

    async def _keep(self, digest: str, recipe: Recipe, idle_s: float) -> EdgeTimes:
        share: EdgeShare
        times: EdgeTimes
        share, times = await self._load(partial(self._prepare, idle_s=idle_s), recipe)
        self._prepared[digest] = share, times
        while len(self._prepared) > MAX_PREPARED:
            self._prepared.popitem(last=False)
        return times

    def _done_preparing(self, digest: str, job: asyncio.Task[EdgeTimes]) -> None:
        del self._preparing[digest]
        if not job.cancelled():
            job.exception()  # told, even if all who asked have gone

    async def infer(self, stream: Incoming) -> None:
        """Run one inference of a prepared plan."""
        try:
            first = await _start(stream)
            await _Inference(self, self._find(first), stream, first).run()
        except ProtocolError as error:
            raise Refusal(RefusalKind.MALFORMED, str(error)) from error
        except FusepathError as error:
            raise Refusal(RefusalKind.UNFIT, str(error)) from error

    async def once(self, request: pb.Upload) -> pb.Download:
        """Run one inference of a prepared plan that has one path and returns no parts."""
        stream = _OneMessage(request)
        await self.infer(stream)
        if len(stream.answers) != 1:
            raise Refusal(RefusalKind.MALFORMED, "this plan returns parts; call Infer")
        return stream.answers[0]

    def _find(self, first: pb.Upload) -> EdgeShare:
        prepared = self._prepared.get(first.start.recipe_sha256)
        if prepared is None:
            raise ProtocolError("this plan has not been prepared here; call Prepare first")
        return prepared[0]

    async def _load(self, work: Callable[[Any], Any], argument: object) -> Any:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._loader, work, argument)
        except FusepathError as error:
            raise Refusal(RefusalKind.UNFIT, str(error)) from error
        except MemoryError:
            raise Refusal(RefusalKind.EXHAUSTED, "not enough memory here") from None

    def _profile(self, reference: ModelReference) -> bytes:
        key = (reference.sha256, reference.input_shape)
        if key not in self._profiles:
            model = self._store.get(reference)
            # On a worker's thread, so that no inference disturbs the measurement; by and by, so
            # that none waits for all of it.
            with cancelled_by(self._stop), timed_on(self._workers):
                profile = self._profiler(model, threads=self._threads)
            self._profiles[key] = jsonfile.encode(profile)
        return self._profiles[key]

    def _prepare(self, recipe: Recipe, *, idle_s: float) -> tuple[EdgeShare, EdgeTimes]:
        model = self._store.get(recipe.model)
        check_recipe(recipe, model.graph)
        share = EdgeShare(model, recipe, threads=self._threads)
        # On a worker's thread, where it will run and so that no inference disturbs the times.
        job = self._workers.submit(share.rehearse, wait_s=min(max(idle_s, 0.0), _LONGEST_WAIT_S))
        times = job.result()
        logger.info(
            "prepared %s: %s, tau %d, grid %s",
            recipe.model.name[:80],
            recipe.sha256[:12],
            recipe.tau,
            recipe.grid,
        )
        return share, times

    def serial_executor(self) -> SerialExecutor:
        """Where one thing after the other is done, by whichever worker is free."""
        return SerialExecutor(self._workers)

    async def compute(
        self, run: Callable[[], Any], executor: SerialExecutor | None = None
    ) -> tuple[Any, pb.EdgeSpan]:
        """Do something on a worker, perhaps in turn; its result, and when and where it ran."""

        def timed() -> tuple[Any, pb.EdgeSpan]:
            if not hasattr(self._local, "number"):
                self._local.number = next(self._numbers)
            start_ns = time.monotonic_ns()
            result = run()
            span = pb.EdgeSpan(
                worker=self._local.number, start_ns=start_ns, end_ns=time.monotonic_ns()
            )
            return result, span

        job = self._workers.submit(timed) if executor is None else executor.submit(timed)
        return await asyncio.wrap_future(job)

    def close(self) -> None:
        """Let the threads go."""
        self._stop.set()
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._loader.shutdown(wait=False, cancel_futures=True)


async def read(stream: Incoming) -> Any:
    """The next message of a device, None at the end of its stream.

    Raises:
        Refusal: none came for long.
    """
    try:
        async with asyncio.timeout(IDLE_TIMEOUT_S):
            return await stream.read()
    except TimeoutError:
        raise Refusal(RefusalKind.SILENT, _NOTHING_CAME) from None


async def _start(stream: Incoming) -> pb.Upload:
    """The first message of an inference."""
    message: pb.Upload | None = await read(stream)
    if message is None or not message.HasField("start"):
        raise ProtocolError("the first message must be Start")
    return message


class _OneMessage:
    """A stream of one message from the device, and the answers."""

    def __init__(self, message: pb.Upload) -> None:
        self._message: pb.Upload | None = message
        self.answers: list[pb.Download] = []

    async def read(self) -> pb.Upload | None:
        message, self._message = self._message, None
        return message

    async def write(self, message: Message) -> None:
        assert isinstance(message, pb.Download)
        self.answers.append(message)


class _Inference:
    """Carries out an `EdgeSession`'s commands for one stream."""

    def __init__(
        self, service: EdgeService, share: EdgeShare, stream: Incoming, first: pb.Upload
    ) -> None:
        self._service = service
        self._share = share
        self._stream = stream
        self._first: pb.Upload | None = first if first.HasField("piece") else None
        """The first piece, where it came along with the start."""
        self._session = EdgeSession(
            len(share.recipe.cuts), share.predecessors(), share.returning, overlaps=service.overlaps
        )
        self._in_turn = service.serial_executor() if share.predecessors() else None
        self._fused = share.new_fused()
        self._spans: list[pb.EdgeSpan] = []
        self._arrived_ns: dict[int, int] = {}
        self._waiting: dict[int, dict[str, EncodedTensor]] = {}
        self._outputs: dict[str, Array] = {}
        self._answers: asyncio.Queue[pb.Download | None] = asyncio.Queue()

    async def run(self) -> None:
        writing: Awaitable[None] = self._write()
        if len(self._share.recipe.cuts) > 1:  # or nothing can go on at the same time
            writing = asyncio.ensure_future(writing)
        try:
            await self._take_pieces()
        finally:
            # Also before a refusal: gRPC loses the stream's end when a write is broken off.
            self._answers.put_nowait(None)
            await writing

    async def _write(self) -> None:
        """Send the answers one after the other; a long one does not hold up the next path."""
        while (answer := await self._answers.get()) is not None:
            await self._stream.write(answer)

    async def _take_pieces(self) -> None:
        # A task group would wrap a single failure in a group; one queue keeps errors as they are.
        running: set[asyncio.Task[None]] = set()
        try:
            for _ in self._share.recipe.cuts:
                message = await self._next()
                arrived_ns = time.monotonic_ns()
                if message is None:
                    self._session.ended()
                    break
                path = message.piece.path - 1
                commands = self._session.arrived(path)
                expected = self._share.expected(path)
                self._waiting[path] = messages.receive(
                    message.piece.tensors, expected, self._share.codecs
                )
                self._arrived_ns[path] = arrived_ns
                running.add(asyncio.create_task(self._do(commands)))
            await asyncio.gather(*running)
        finally:
            for task in running:
                task.cancel()

    async def _next(self) -> pb.Upload | None:
        """The next message with a piece, None at the end of the stream."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        message: pb.Upload | None = await read(self._stream)
        if message is not None and (message.HasField("start") or not message.HasField("piece")):
            raise ProtocolError("expected a Piece")
        return message

    async def _do(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Compute(path):
                    received = self._waiting.pop(path)
                    _, span = await self._service.compute(
                        partial(self._share.finish, path, received, self._fused), self._in_turn
                    )
                    span.path = path + 1
                    span.arrived_ns = self._arrived_ns[path]
                    self._spans.append(span)
                    await self._do(self._session.computed(path))
                case ComputeTail():
                    compute = partial(self._share.compute_tail, self._fused)
                    if self._share.has_tail:
                        self._outputs, span = await self._service.compute(compute)
                        self._spans.append(span)
                    else:
                        self._outputs = compute()  # not worth the way to a worker
                    await self._do(self._session.tail_computed())
                case SendPart(path):
                    part = messages.encode_all(self._share.part(path, self._fused))
                    self._answers.put_nowait(pb.Download(part=pb.Part(path=path + 1, tensors=part)))
                case SendResult():
                    self._answers.put_nowait(
                        pb.Download(
                            result=pb.Result(
                                tensors=messages.encode_all(self._outputs),
                                spans=self._spans,
                                macs=self._share.macs,
                            )
                        )
                    )
                case _:
                    raise AssertionError(f"the edge server was told to {command}")
