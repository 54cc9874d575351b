"""The edge server: holds models, prepares plans, finishes what devices have begun."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import signal
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc

from fusepath import jsonfile
from fusepath.errors import FusepathError, InputError
from fusepath.plan import ModelReference, Plan
from fusepath.profiling.layers import measure_layers
from fusepath.protocol.conversation import (
    Compute,
    ComputeTail,
    EdgeSession,
    ProtocolError,
    SendPart,
    SendResult,
)
from fusepath.remote import message_costs, messages
from fusepath.remote.limits import IDLE_TIMEOUT_S, MAX_PROBE_BYTES, SERVER_OPTIONS
from fusepath.remote.serial_executor import SerialExecutor
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.remote.wire import fusepath_pb2_grpc as pb_grpc
from fusepath.runtime.edge_share import EdgeShare, EdgeTimes
from fusepath.timeline import Lane
from fusepath.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.arrays import Array
    from fusepath.profiling.layers import Profiler
    from fusepath.protocol.conversation import Command
    from fusepath.remote.model_store import ModelStore
    from fusepath.runtime.packing import EncodedTensor


logger = logging.getLogger(__name__)

MAX_PREPARED = 16
MAX_STREAMS = 32
_LONGEST_WAIT_S = 0.003
"""Longer idle times make a machine no slower, and preparing would take its time."""
_NOTHING_CAME = f"no message came for {IDLE_TIMEOUT_S:g} s"


class EdgeService(pb_grpc.EdgeServicer):
    """Answers devices; see ``fusepath.proto`` for the calls and their order.

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
        self._profiles: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="edge-worker")
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="edge-loader")
        self._numbers = itertools.count()
        self._local = threading.local()

    async def Clock(self, request: pb.ClockRequest, context: Any) -> pb.ClockReply:  # noqa: N802 - gRPC's names
        """The time here, with as much padding as was asked for."""
        edge_ns = time.monotonic_ns()
        if request.reply_bytes > MAX_PROBE_BYTES:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"{request.reply_bytes} bytes of padding were asked for; "
                f"at most {MAX_PROBE_BYTES} are sent",
            )
        return pb.ClockReply(edge_ns=edge_ns, padding=bytes(request.reply_bytes))

    async def Drill(self, request_iterator: Any, context: Any) -> pb.DrillReply:  # noqa: N802, ARG002
        """Everything that a path's message takes but the computing."""
        begun_s = message_costs.busy_s()
        taken = 0
        try:
            while taken < message_costs.MOST_MESSAGES:
                message = await self.read(context)
                if message is None:
                    break
                received = messages.receive(message.tensors, message_costs.expected(message), {})
                await asyncio.create_task(self.compute(received["piece"].value))
                taken += 1
                if taken == message_costs.WARM_UP:
                    begun_s = message_costs.busy_s()
        except ProtocolError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, _NOTHING_CAME)
        busy_s = (message_costs.busy_s() - begun_s) / max(taken - message_costs.WARM_UP, 1)
        return pb.DrillReply(busy_ns=round(busy_s * 1e9))

    async def Profile(self, request: pb.ModelRequest, context: Any) -> pb.ProfileReply:  # noqa: N802
        """Time every layer of a model; measured once, then remembered."""
        reference = ModelReference(
            name=request.name[:200],
            sha256=request.sha256,
            source=request.source,
            input_shape=tuple(request.input_shape),
        )
        profile = await self._load(context, self._profile, reference)
        return pb.ProfileReply(profile_json=profile)

    async def Prepare(self, request: pb.PrepareRequest, context: Any) -> pb.PrepareReply:  # noqa: N802
        """Check a plan and build its sessions."""
        digest = hashlib.sha256(request.plan_json).hexdigest()
        if digest not in self._prepared:
            self._prepared[digest] = await self._load(context, self._prepare, request.plan_json)
            while len(self._prepared) > MAX_PREPARED:
                self._prepared.popitem(last=False)
        self._prepared.move_to_end(digest)
        _, times = self._prepared[digest]
        return pb.PrepareReply(
            plan_sha256=digest,
            fusepath_version=VERSION,
            path_ns=[round(time_s * 1e9) for time_s in times.paths_s],
            tail_ns=round(times.tail_s * 1e9),
        )

    async def Infer(self, request_iterator: Any, context: Any) -> None:  # noqa: N802, ARG002
        """Run one inference of a prepared plan."""
        try:
            work = self._find(await self.read(context))
            await _Inference(self, work, context).run()
        except ProtocolError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, _NOTHING_CAME)
        except FusepathError as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))

    def _find(self, message: pb.Upload | None) -> EdgeShare:
        if message is None or message.WhichOneof("message") != "start":
            raise ProtocolError("the first message must be Start")
        prepared = self._prepared.get(message.start.plan_sha256)
        if prepared is None:
            raise ProtocolError("this plan has not been prepared here; call Prepare first")
        return prepared[0]

    async def read(self, context: Any) -> Any:
        """The next message of a device, None at the end of its stream.

        Raises:
            TimeoutError: none came for long.
        """
        async with asyncio.timeout(IDLE_TIMEOUT_S):
            message = await context.read()
        return None if message is grpc.aio.EOF else message

    async def _load(self, context: Any, work: Callable[[Any], Any], argument: object) -> Any:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._loader, work, argument)
        except FusepathError as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except MemoryError:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "not enough memory here")

    def _profile(self, reference: ModelReference) -> bytes:
        key = (reference.sha256, reference.input_shape)
        if key not in self._profiles:
            model = self._store.get(reference)
            # On a worker's thread, so that no inference disturbs the measurement.
            job = self._workers.submit(self._profiler, model, threads=self._threads)
            self._profiles[key] = jsonfile.encode(job.result())
        return self._profiles[key]

    def _prepare(self, plan_json: bytes) -> tuple[EdgeShare, EdgeTimes]:
        plan = jsonfile.decode(plan_json, Plan, where="the plan sent")
        model = self._store.get(plan.model)
        plan.check(model.graph)
        work = EdgeShare(model, plan, threads=self._threads)
        # On a worker's thread, where it will run and so that no inference disturbs the times.
        job = self._workers.submit(work.rehearse, wait_s=min(idle_s(plan), _LONGEST_WAIT_S))
        times = job.result()
        logger.info(
            "prepared %s: %s, tau %d, grid %s",
            plan.model.name,
            plan.algorithm,
            plan.tau,
            plan.tiles,
        )
        return work, times

    def strand(self) -> SerialExecutor:
        """Where one thing after the other is done, by whichever worker is free."""
        return SerialExecutor(self._workers)

    async def compute(
        self, run: Callable[[], Any], strand: SerialExecutor | None = None
    ) -> tuple[Any, pb.EdgeSpan]:
        """Do something on a worker, perhaps on a strand; its result, and when and where it ran."""

        def timed() -> tuple[Any, pb.EdgeSpan]:
            if not hasattr(self._local, "number"):
                self._local.number = next(self._numbers)
            start_ns = time.monotonic_ns()
            result = run()
            span = pb.EdgeSpan(
                worker=self._local.number, start_ns=start_ns, end_ns=time.monotonic_ns()
            )
            return result, span

        job = self._workers.submit(timed) if strand is None else strand.submit(timed)
        return await asyncio.wrap_future(job)

    def close(self) -> None:
        """Let the threads go."""
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._loader.shutdown(wait=False, cancel_futures=True)


class _Inference:
    """Carries out an `EdgeSession`'s commands for one stream."""

    def __init__(self, service: EdgeService, work: EdgeShare, context: Any) -> None:
        self._service = service
        self._work = work
        self._context = context
        self._session = EdgeSession(
            len(work.plan.cuts), work.predecessors(), work.returning, overlaps=service.overlaps
        )
        self._strips = service.strand() if work.predecessors() else None
        self._fused = work.new_fused()
        self._spans: list[pb.EdgeSpan] = []
        self._arrived_ns: dict[int, int] = {}
        self._waiting: dict[int, dict[str, EncodedTensor]] = {}
        self._outputs: dict[str, Array] = {}
        self._answers: asyncio.Queue[pb.Download | None] = asyncio.Queue()

    async def run(self) -> None:
        writing = asyncio.create_task(self._write())
        try:
            await self._take_pieces()
        finally:
            # Also before a refusal: gRPC loses the stream's end when a write is broken off.
            self._answers.put_nowait(None)
            await writing

    async def _write(self) -> None:
        """Send the answers one after the other; a long one does not hold up the next path."""
        while (answer := await self._answers.get()) is not None:
            await self._context.write(answer)

    async def _take_pieces(self) -> None:
        # A task group would wrap a single failure in a group; one queue keeps errors as they are.
        running: set[asyncio.Task[None]] = set()
        try:
            for _ in self._work.plan.cuts:
                message: pb.Upload | None = await self._service.read(self._context)
                arrived_ns = time.monotonic_ns()
                if message is None:
                    self._session.ended()
                    break
                if message.WhichOneof("message") != "piece":
                    raise ProtocolError("expected a Piece")
                path = message.piece.path - 1
                commands = self._session.arrived(path)
                expected = self._work.expected(path)
                self._waiting[path] = messages.receive(
                    message.piece.tensors, expected, self._work.codecs
                )
                self._arrived_ns[path] = arrived_ns
                running.add(asyncio.create_task(self._do(commands)))
            await asyncio.gather(*running)
        finally:
            for task in running:
                task.cancel()

    async def _do(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Compute(path):
                    received = self._waiting.pop(path)
                    _, span = await self._service.compute(
                        partial(self._work.finish, path, received, self._fused), self._strips
                    )
                    span.path = path + 1
                    span.arrived_ns = self._arrived_ns[path]
                    self._spans.append(span)
                    await self._do(self._session.computed(path))
                case ComputeTail():
                    compute = partial(self._work.compute_tail, self._fused)
                    if self._work.has_tail:
                        self._outputs, span = await self._service.compute(compute)
                        self._spans.append(span)
                    else:
                        self._outputs = compute()  # not worth the way to a worker
                    await self._do(self._session.tail_computed())
                case SendPart(path):
                    part = messages.encode_all(self._work.part(path, self._fused))
                    self._answers.put_nowait(pb.Download(part=pb.Part(path=path + 1, tensors=part)))
                case SendResult():
                    self._answers.put_nowait(
                        pb.Download(
                            result=pb.Result(
                                tensors=messages.encode_all(self._outputs),
                                spans=self._spans,
                                macs=self._work.macs,
                            )
                        )
                    )
                case _:
                    raise AssertionError(f"the edge server was told to {command}")


def idle_s(plan: Plan) -> float:
    """How long the edge server waits for a path, on average, if all goes as the plan predicts."""
    busy_s = plan.timeline.busy_s(Lane.EDGE)
    return max(plan.timeline.end_s - busy_s, 0.0) / len(plan.cuts)


class EdgeServer:
    """A listening edge server.

    Args:
        listen: ``HOST:PORT``; port 0 picks a free one.
        store: the models that may be run.
        workers: paths computed at the same time.
        threads: threads of one operator.
        profiler: measures this machine for a device that asks.
        overlaps: False computes nothing before everything has arrived, to see what overlap gains.
    """

    def __init__(
        self,
        listen: str,
        store: ModelStore,
        *,
        workers: int = 1,
        threads: int = 1,
        profiler: Profiler = measure_layers,
        overlaps: bool = True,
    ) -> None:
        self._listen = listen
        self._service = EdgeService(
            store, workers=workers, threads=threads, profiler=profiler, overlaps=overlaps
        )
        self._server: Any = None
        self.address = ""

    async def start(self) -> str:
        """Listen; the address with the port that was taken.

        Raises:
            InputError: the address is malformed or taken.
        """
        host, _, port = self._listen.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise InputError(f"listen '{self._listen}' is not HOST:PORT, like 127.0.0.1:7070")
        self._server = grpc.aio.server(options=SERVER_OPTIONS, maximum_concurrent_rpcs=MAX_STREAMS)
        pb_grpc.add_EdgeServicer_to_server(self._service, self._server)  # type: ignore[no-untyped-call] # generated
        try:
            bound = self._server.add_insecure_port(self._listen)
        except RuntimeError as error:
            raise InputError(
                f"cannot listen on {self._listen}: the address is taken or not of this machine"
            ) from error
        await self._server.start()
        self.address = f"{host}:{bound}"
        return self.address

    async def stop(self, grace_s: float = 10.0) -> None:
        """Finish what is running, then close."""
        await self._server.stop(grace_s)
        self._service.close()


async def serve(server: EdgeServer, *, ready: Callable[[str], None], grace_s: float = 10.0) -> None:
    """Serve until SIGINT or SIGTERM, then let running inferences end.

    Args:
        server: not yet started.
        ready: called with the address once devices can connect.
        grace_s: seconds that running inferences are given.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    ready(await server.start())
    await stop.wait()
    await server.stop(grace_s)
