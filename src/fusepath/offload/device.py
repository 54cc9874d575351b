"""The end device: computes its layers of path p while path p − 1 is on the wire."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc

from fusepath.errors import ImageError
from fusepath.offload.emulation import PacedLink, wait_until
from fusepath.protocol.conversation import DeviceSession, ProtocolError
from fusepath.remote import messages
from fusepath.remote.client import peer_errors
from fusepath.remote.limits import RUN_TIMEOUT_S
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.runtime.device_share import DeviceShare
from fusepath.timeline import Lane, Span, Timeline

if TYPE_CHECKING:
    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan
    from fusepath.remote.client import ClockOffset, EdgeClient
    from fusepath.runtime.packing import EncodedTensor


_REHEARSALS = 5
_HEAD_START_S = 0.005
"""How long computing waits at most for a first message that needs none."""


@dataclass(frozen=True, kw_only=True)
class Inference:
    """One measured inference."""

    outputs: dict[str, Array]
    timeline: Timeline
    up_bytes: int
    device_macs: int
    edge_macs: int

    @property
    def latency_s(self) -> float:
        """From the image to the result on the device."""
        return self.timeline.end_s


def median_of(runs: list[Inference]) -> Inference:
    """The run of median latency (the lower of two in the middle)."""
    middle = statistics.median_low(run.latency_s for run in runs)
    return next(run for run in runs if run.latency_s == middle)


@dataclass(frozen=True, slots=True)
class Computed:
    """A path at its cut; times are those of `time.perf_counter`."""

    pieces: dict[str, Array]
    to_send: dict[str, Array | EncodedTensor]
    """The pieces as they are sent; none where the device keeps the path."""
    start_s: float
    end_s: float


@dataclass(kw_only=True)
class Device:
    """This machine as the end device of one plan.

    Args:
        model: the network.
        plan: a plan that has been checked against the model.
        slowdown: factor by which every call of a session is stretched. The target is the factor
            times the call's own quickest time, fixed when the device is made ready, so a stretched
            device is steady.
        pace_bytes_per_s: rate of a slow link to play, both ways; None uses the link as it is.
        threads: threads of one operator.
        overlaps: False sends nothing before everything is computed, to see what overlap gains.
    """

    model: Model
    plan: Plan
    slowdown: float = 1.0
    pace_bytes_per_s: float | None = None
    threads: int = 1
    overlaps: bool = True
    expected_s: list[float] = field(init=False)
    """How long each path will take, known once the device is ready."""
    _targets_s: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="device")
        self._work = DeviceShare(self.model, self.plan, threads=self.threads)
        self.expected_s = [0.0] * len(self.plan.cuts)
        self._targets_s = [0.0] * len(self.plan.cuts)

    def make_ready(self, image: Array) -> None:
        """Warm all sessions up, and find out how long each path takes.

        Raises:
            ImageError: the image is not the plan's input.
        """
        check_image(image, self.model, self.plan)
        # On the thread that will compute.
        rehearsal = self._thread.submit(self._work.rehearse, image, repeats=_REHEARSALS)
        for path, times_s in enumerate(rehearsal.result()):
            computes = self._work.computes(path)
            if self.slowdown > 1:
                # A fixed target: as steady as the machine itself is not.
                time_s = min(times_s) * self.slowdown if computes else 0.0
                self._targets_s[path] = time_s
            else:
                time_s = statistics.median(times_s) if computes else 0.0
            self.expected_s[path] = time_s

    def sent_bytes(self, path: int) -> int:
        """Bytes of what a path (0-based) sends."""
        return self._work.sent_bytes(path)

    def compute(self, path: int, image: Array) -> Computed:
        """Take a path (0-based) to its cut and make it ready to be sent."""
        start_s = time.perf_counter()
        pieces = self._work.compute(path, image)
        to_send = self._work.pack(path, pieces)
        if self._targets_s[path] > 0:
            wait_until(start_s + self._targets_s[path])
        return Computed(pieces, to_send, start_s, time.perf_counter())

    def start_computing(self, path: int, image: Array) -> asyncio.Future[Computed]:
        """Compute a path once all that were started before it are done."""
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._thread, self.compute, path, image)

    def run_alone(self, image: Array) -> Inference:
        """Run a plan that keeps everything on the device."""
        done = self.compute(0, image)
        span = Span(lane=Lane.DEVICE, start_s=0.0, end_s=done.end_s - done.start_s, path=1)
        return Inference(
            outputs={name: done.pieces[name] for name in self.model.graph.outputs},
            timeline=Timeline(spans=(span,), measured=True),
            up_bytes=0,
            device_macs=self._work.macs,
            edge_macs=0,
        )

    async def run(
        self,
        image: Array,
        client: EdgeClient,
        *,
        plan_sha256: str,
        offset: ClockOffset,
        timeout_s: float = RUN_TIMEOUT_S,
    ) -> Inference:
        """Run one inference with an edge server that has prepared the plan.

        Raises:
            PeerError: the server refused, vanished or took too long.
        """
        stream = client.infer(timeout_s=timeout_s)
        try:
            with peer_errors(client.address):
                return await _Upload(self, image, stream, plan_sha256, offset).run()
        finally:
            stream.cancel()

    def computes(self, path: int) -> bool:
        """Whether a path (0-based) takes time here."""
        return self._work.computes(path)

    def keeps(self, path: int) -> bool:
        """Whether a path (0-based) ends here, with nothing to send."""
        return self._work.keeps(path)

    @property
    def returning(self) -> frozenset[int] | None:
        """Paths (0-based) of which the server returns a part; None for one whole result."""
        return self._work.returning

    def expected_part(self, path: int) -> dict[str, tuple[str, tuple[int, ...]]]:
        """(dtype, shape) by output of the part that comes back for a path (0-based)."""
        return self._work.expected_part(path)

    def put_together(
        self, outputs: dict[str, Array], parts: dict[int, dict[str, Array]]
    ) -> dict[str, Array]:
        """The server's outputs with the parts that came back before or were kept here."""
        return self._work.put_together(outputs, parts)

    def device_macs(self) -> int:
        """Multiply-accumulates of one inference on this machine."""
        return self._work.macs


def stays_local(plan: Plan, model: Model) -> bool:
    """Whether the plan needs no edge server."""
    return plan.is_whole and plan.tau == model.graph.depth and plan.cuts[0] == plan.tau + 1


def check_image(image: Array, model: Model, plan: Plan) -> None:
    """Raise unless an image is the input that a plan was made for.

    Raises:
        ImageError: another shape or element type.
    """
    shape = model.graph.input.shape
    if tuple(image.shape) != shape:
        raise ImageError(
            f"the input is {list(image.shape)}, but '{model.graph.name}' takes {list(shape)} "
            f"(N, C, H, W); resize it, or give resize=True"
        )
    if image.dtype.name != plan.input.dtype:
        raise ImageError(
            f"the input is {image.dtype.name}, but the plan sends {plan.input.dtype}; "
            f"plan again for this input"
        )


@dataclass(frozen=True, slots=True)
class _Returned:
    """A part of the outputs that has come back; times are those of `time.perf_counter`."""

    path: int
    arrived_s: float
    paced: tuple[float, float] | None
    """When a slow link that is played would have been busy with it."""


class _Upload:
    """Carries out a `DeviceSession`'s commands for one inference."""

    def __init__(
        self, device: Device, image: Array, stream: Any, plan_sha256: str, offset: ClockOffset
    ) -> None:
        self._device = device
        self._image = image
        self._stream = stream
        self._plan_sha256 = plan_sha256
        self._offset = offset
        self._order = [path - 1 for path in device.plan.order]
        self._session = DeviceSession(self._order, overlaps=device.overlaps)
        self._link = PacedLink(device.pace_bytes_per_s)
        self._way_back = PacedLink(device.pace_bytes_per_s)
        self._to_send: asyncio.Queue[tuple[int, Computed, float]] = asyncio.Queue()
        self._first_written = asyncio.Event()
        self._spans: list[Span] = []
        self._written_s: dict[int, float] = {}
        self._arrived_s: dict[int, float] = {}
        """When the server had the piece of a path; it says so with the result."""
        self._computed: dict[int, Computed] = {}
        self._parts: dict[int, dict[str, Array]] = {}
        """Rows of the outputs by path: kept here, or returned by the server."""
        self._returned: list[_Returned] = []
        self._up_bytes = 0
        self._zero_s = 0.0

    async def run(self) -> Inference:
        self._zero_s = time.perf_counter()
        computing = asyncio.create_task(self._compute())
        sending = asyncio.create_task(self._send())
        receiving = asyncio.create_task(self._receive())
        try:
            _, _, result = await asyncio.gather(computing, sending, receiving)
        finally:
            for job in (computing, sending, receiving):
                job.cancel()
        return await self._finish(result)

    async def _compute(self) -> None:
        """Have all paths computed; the thread goes from one to the next by itself."""
        paths = deque(command.path for command in self._session.start())
        while paths and not self._device.computes(paths[0]):
            path = paths.popleft()
            self._take_computed(path, self._device.compute(path, self._image))
        if not self._to_send.empty():
            # Where there is one processor, computing would hold up the first message.
            with suppress(TimeoutError):
                async with asyncio.timeout(_HEAD_START_S):
                    await self._first_written.wait()
        jobs = [(path, self._device.start_computing(path, self._image)) for path in paths]
        try:
            for path, job in jobs:
                self._take_computed(path, await job)
        finally:
            for _, job in jobs:
                job.cancel()

    def _take_computed(self, path: int, done: Computed) -> None:
        if self._device.computes(path):
            self._record(Lane.DEVICE, done.start_s, done.end_s, path=path + 1)
        if self._device.keeps(path):
            self._parts[path] = done.pieces
        self._computed[path] = done
        for command in self._session.computed(path):
            ready = command.path
            self._to_send.put_nowait((ready, self._computed.pop(ready), done.end_s))

    async def _send(self) -> None:
        await self._write(pb.Upload(start=pb.Start(plan_sha256=self._plan_sha256)))
        while True:
            path, done, ready_s = await self._to_send.get()
            tensors = messages.encode_all(done.to_send)
            size_bytes = sum(len(tensor.data) for tensor in tensors)
            self._up_bytes += size_bytes
            self._written_s[path] = time.perf_counter()
            if self._link.bytes_per_s is not None:
                self._first_written.set()  # a link that is played takes no processor
            paced = await self._link.transfer(size_bytes, ready_s=ready_s)
            if paced is not None and size_bytes > 0:
                self._record(Lane.UPLINK, *paced, path=path + 1)
            if not await self._write(pb.Upload(piece=pb.Piece(path=path + 1, tensors=tensors))):
                return
            self._first_written.set()
            if self._session.sent(path):  # that was the last one
                await self._write(None)
                return

    async def _write(self, message: pb.Upload | None) -> bool:
        """Send a message, or that none follows; False once the server has ended the stream.

        Why it ended it, `_receive` is told.
        """
        try:
            if message is None:
                await self._stream.done_writing()
            else:
                await self._stream.write(message)
        except (asyncio.InvalidStateError, grpc.aio.AioRpcError):
            return False
        return True

    async def _receive(self) -> pb.Result:
        while True:
            message = await self._stream.read()
            if message is grpc.aio.EOF:
                # The reason is in the status, which this raises.
                await self._stream.code()
                raise ProtocolError(
                    (await self._stream.details()) or "the stream ended without a result"
                )
            match message.WhichOneof("message"):
                case "part":
                    self._take(message.part)
                case "result":
                    result: pb.Result = message.result
                    self._check(result)
                    return result
                case _:
                    raise ProtocolError("the server sent an empty message")

    def _take(self, part: pb.Part) -> None:
        """Keep a part of the outputs that has come back.

        Raises:
            ProtocolError: the plan does not call for it, or not now.
        """
        arrived_s = time.perf_counter()
        path = part.path - 1
        if path not in (self._device.returning or ()):
            raise ProtocolError(
                f"the server returned a part for path {part.path}, which returns none"
            )
        if path in self._parts:
            raise ProtocolError(f"the server returned the part of path {part.path} twice")
        if path not in self._written_s:
            raise ProtocolError(
                f"the server returned the part of path {part.path} without having had that path"
            )
        self._parts[path] = messages.decode(part.tensors, self._device.expected_part(path))
        size_bytes = sum(len(tensor.data) for tensor in part.tensors)
        paced = self._way_back.occupy(size_bytes, arrived_s)
        self._returned.append(_Returned(path, arrived_s, paced))

    def _check(self, result: pb.Result) -> None:
        paths = range(1, len(self._order) + 1)
        served = sorted(span.path for span in result.spans if span.path > 0)
        if unknown := [path for path in served if path not in paths]:
            raise ProtocolError(
                f"the server computed path {unknown[0]}, a path that the plan does not have"
            )
        if served != list(paths) or len(self._written_s) < len(paths):
            raise ProtocolError("the server sent a result without having had every path")
        if missing := sorted((self._device.returning or frozenset()) - self._parts.keys()):
            raise ProtocolError(
                f"the server sent a result without the part of path {missing[0] + 1}; "
                f"is it an older fusepath?"
            )

    async def _finish(self, result: pb.Result) -> Inference:
        arrived_s = time.perf_counter()
        graph = self._device.model.graph
        in_parts = self._device.returning is not None
        expected = {
            name: (graph.tensors[name].dtype, graph.tensors[name].shape)
            for name in (() if in_parts else graph.outputs)
        }
        outputs = messages.decode(result.tensors, expected)
        size_bytes = sum(value.nbytes for value in outputs.values())
        done_s = {}
        for span in result.spans:
            start_s = span.start_ns * 1e-9 - self._offset.seconds
            end_s = span.end_ns * 1e-9 - self._offset.seconds
            if span.path > 0:
                self._arrived_s[span.path - 1] = span.arrived_ns * 1e-9 - self._offset.seconds
            done_s[span.path - 1] = end_s
            self._record(Lane.EDGE, start_s, end_s, path=span.path or None, worker=span.worker)
        down_start_s = min(arrived_s, max(done_s.values()))
        down_start_s = max(down_start_s, self._record_parts(done_s))
        await self._way_back.transfer(size_bytes)
        self._record(Lane.DOWNLINK, down_start_s, time.perf_counter())
        if self._link.bytes_per_s is None:
            self._record_uplink()
        return Inference(
            outputs=self._device.put_together(outputs, self._parts),
            timeline=Timeline(
                spans=tuple(sorted(self._spans, key=lambda span: span.start_s)),
                measured=True,
                clock_error_s=self._offset.error_s,
            ),
            up_bytes=self._up_bytes,
            device_macs=self._device.device_macs(),
            edge_macs=result.macs,
        )

    def _record_parts(self, done_s: dict[int, float]) -> float:
        """Record when parts were on their way back; the end of the last one, 0 without any.

        Args:
            done_s: when the server was through with a path (0-based).
        """
        free_s = 0.0
        for item in self._returned:
            start_s = max(free_s, min(done_s.get(item.path, item.arrived_s), item.arrived_s))
            start_s, free_s = item.paced or (start_s, item.arrived_s)
            self._record(Lane.DOWNLINK, start_s, free_s, path=item.path + 1)
        return free_s

    def _record_uplink(self) -> None:
        """On a real link a message occupies it from when it may start to when it has arrived."""
        free_s = 0.0
        for path in self._device.plan.order:
            end_s = self._arrived_s[path - 1]
            start_s = min(max(free_s, self._written_s[path - 1]), end_s)
            self._record(Lane.UPLINK, start_s, end_s, path=path)
            free_s = end_s

    def _record(
        self, lane: Lane, start_s: float, end_s: float, *, path: int | None = None, worker: int = 0
    ) -> None:
        self._spans.append(
            Span(
                lane=lane,
                start_s=start_s - self._zero_s,
                end_s=end_s - self._zero_s,
                path=path,
                worker=worker,
            )
        )
