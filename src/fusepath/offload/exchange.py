"""One inference with an edge server: computed, sent and received at the same time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusepath.offload.emulation import PacedLink
from fusepath.offload.inference import Inference
from fusepath.protocol.conversation import DeviceSession, ProtocolError
from fusepath.remote import messages
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.timeline import HEAD, Lane, Span, Timeline

if TYPE_CHECKING:
    from collections.abc import Collection

    from fusepath.arrays import Array
    from fusepath.offload.device import Computed, Device
    from fusepath.remote.client import ClockOffset
    from fusepath.remote.transport import Stream

_HEAD_START_S = 0.005
"""How long computing waits at most for a first message that needs none."""


@dataclass(frozen=True, slots=True)
class _Returned:
    """A part of the outputs that has come back; times are those of `time.perf_counter`."""

    path: int
    arrived_s: float
    paced: tuple[float, float] | None
    """When a slow link that is played would have been busy with it."""


class Exchange:
    """Carries out a `DeviceSession`'s commands for one inference."""

    def __init__(
        self,
        device: Device,
        image: Array,
        stream: Stream,
        recipe_sha256: str,
        offset: ClockOffset,
        begun_s: float,
    ) -> None:
        self._device = device
        self._image = image
        self._stream = stream
        self._recipe_sha256 = recipe_sha256
        self._offset = offset
        self._zero_s = begun_s
        self._order = [path - 1 for path in device.plan.order]
        self._session = DeviceSession(self._order, overlaps=device.emulation.overlaps)
        self._link = PacedLink(device.emulation.pace_bytes_per_s)
        self._way_back = PacedLink(device.emulation.pace_bytes_per_s)
        self._to_send: asyncio.Queue[tuple[int, Computed, float]] = asyncio.Queue()
        self._first_written = asyncio.Event()
        self._spans: list[Span] = []
        self._written_s: dict[int, float] = {}
        self._arrived_s: dict[int, float] = {}
        """When the server had the piece of a path; it says so with the result."""
        self._computed: dict[int, Computed] = {}
        self._parts: dict[int, dict[str, Array]] = {}
        """Shares of the fused layer by path, returned by the server."""
        self._kept: dict[int, dict[str, Array]] = {}
        """And kept here."""
        self._returned: list[_Returned] = []
        self._up_bytes = self._down_bytes = 0

    async def run(self) -> Inference:
        """Carry it out.

        Raises:
            ProtocolError: the server sent what the plan does not call for.
            PeerError: it refused, vanished or took too long.
        """
        paths = deque(command.path for command in self._session.start())
        while paths and not self._device.share.computes(paths[0]):
            path = paths.popleft()
            self._take_computed(path, self._device.compute(path, self._image))
        if len(self._order) == 1:  # nothing can go on at the same time
            await self._compute(paths)
            await self._send()
            return await self._finish(await self._receive())
        receiving = asyncio.create_task(self._receive())
        jobs = [receiving, *map(asyncio.create_task, (self._send(), self._compute(paths)))]
        try:
            await asyncio.gather(*jobs)
        finally:
            for job in jobs:
                job.cancel()
        return await self._finish(receiving.result())

    async def _compute(self, paths: Collection[int]) -> None:
        """Have paths computed; the thread goes from one to the next by itself."""
        if paths and not self._to_send.empty():
            # Where there is one processor, computing would hold up the first message.
            with suppress(TimeoutError):
                async with asyncio.timeout(_HEAD_START_S):
                    await self._first_written.wait()
        heads = [self._device.start_head(self._image)] if self._device.share.has_head else []
        jobs = [(path, self._device.start_computing(path, self._image)) for path in paths]
        try:
            for head in heads:
                self._record(Lane.DEVICE, *(await head), path=HEAD)
            for path, job in jobs:
                self._take_computed(path, await job)
        finally:
            for head in heads:
                head.cancel()
            for _, job in jobs:
                job.cancel()

    def _take_computed(self, path: int, done: Computed) -> None:
        if self._device.share.computes(path):
            self._record(Lane.DEVICE, done.start_s, done.end_s, path=path + 1)
        self._kept[path] = self._device.share.kept(path, done.pieces)
        self._computed[path] = done
        for command in self._session.computed(path):
            ready = command.path
            self._to_send.put_nowait((ready, self._computed.pop(ready), done.end_s))

    async def _send(self) -> None:
        message = pb.Upload(start=pb.Start(recipe_sha256=self._recipe_sha256))
        while True:
            path, done, ready_s = await self._to_send.get()
            tensors = messages.encode_all(done.to_send)
            size_bytes = sum(value.nbytes for value in done.to_send.values())
            self._up_bytes += size_bytes
            self._written_s[path] = time.perf_counter()
            if self._link.bytes_per_s is not None:
                self._first_written.set()  # a link that is played takes no processor
            paced = await self._link.transfer(size_bytes, ready_s=ready_s)
            if paced is not None and size_bytes > 0:
                self._record(Lane.UPLINK, *paced, path=path + 1)
            message.piece.path = path + 1
            message.piece.tensors.extend(tensors)
            if not await self._stream.write(message):
                return  # why the server ended the stream, `_receive` is told
            message = pb.Upload()
            self._first_written.set()
            if self._session.sent(path):  # that was the last one
                await self._stream.done_writing()
                return

    async def _receive(self) -> pb.Result:
        while True:
            message = await self._stream.read()
            if message is None:
                raise ProtocolError("the stream ended without a result")
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
        if path not in (self._device.share.returning or ()):
            raise ProtocolError(
                f"the server returned a part for path {part.path}, which returns none"
            )
        if path in self._parts:
            raise ProtocolError(f"the server returned the part of path {part.path} twice")
        if path not in self._written_s:
            raise ProtocolError(
                f"the server returned the part of path {part.path} without having had that path"
            )
        self._parts[path] = messages.decode(part.tensors, self._device.share.expected_part(path))
        size_bytes = sum(value.nbytes for value in self._parts[path].values())
        self._down_bytes += size_bytes
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
        if missing := sorted((self._device.share.returning or frozenset()) - self._parts.keys()):
            raise ProtocolError(
                f"the server sent a result without the part of path {missing[0] + 1}; "
                f"is it an older fusepath?"
            )

    async def _finish(self, result: pb.Result) -> Inference:
        arrived_s = time.perf_counter()
        graph = self._device.model.graph
        in_parts = self._device.share.returning is not None
        expected = {
            name: (graph.tensors[name].dtype, graph.tensors[name].shape)
            for name in (() if in_parts else graph.outputs)
        }
        outputs = messages.decode(result.tensors, expected)
        size_bytes = sum(value.nbytes for value in outputs.values())
        self._down_bytes += size_bytes
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
        parts = [*self._kept.items(), *self._parts.items()]
        finished = await self._device.start_finishing(outputs, parts, self._image)
        if self._device.share.has_tail:
            self._record(Lane.DEVICE, finished.start_s, finished.end_s)
        return Inference(
            plan=self._device.plan,
            outputs=finished.outputs,
            timeline=Timeline(
                spans=tuple(sorted(self._spans, key=lambda span: span.start_s)),
                measured=True,
                clock_error_s=self._offset.error_s,
            ),
            up_bytes=self._up_bytes,
            down_bytes=self._down_bytes,
            device_macs=self._device.share.macs,
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
