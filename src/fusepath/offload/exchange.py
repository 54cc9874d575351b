"""One inference with an edge server: computed, sent and received at the same time.

What is to be done a `DeviceFrame` decides; here it is carried out.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fusepath.errors import PeerError, PeerForgotError, retry_after_s
from fusepath.offload.computed_paths import ComputedPaths
from fusepath.offload.due_timer import DueTimer
from fusepath.offload.inference import Inference
from fusepath.offload.own_answer import OwnAnswer
from fusepath.offload.recording import Recording
from fusepath.pictures.frame import PictureFrame, pixels_of
from fusepath.protocol.conversation import Compute, ProtocolError, Send
from fusepath.protocol.device_frame import (
    Answered,
    Arm,
    ArmHedge,
    Begun,
    ComputeAlone,
    Computed,
    DeviceFrame,
    GiveUp,
    Late,
    Lost,
    Overdue,
    PartReturned,
    Sent,
    StopComputing,
)
from fusepath.protocol.finishing import Assemble, Continue
from fusepath.protocol.framing import Begin, Part, Piece, Result, Reused
from fusepath.protocol.wanted import left_out
from fusepath.remote import tensors
from fusepath.timeline import HEAD, Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from fusepath.arrays import Array
    from fusepath.offload.device import Device, PathAtCut
    from fusepath.offload.inference import Asked
    from fusepath.offload.own_answer import Made, Reserve
    from fusepath.offload.shared_link import SharedLink
    from fusepath.offload.unchanged import Fresh
    from fusepath.pictures.frame import Frame
    from fusepath.protocol.device_frame import Command, Event, Fallback
    from fusepath.protocol.framing import RawTensor
    from fusepath.remote.client import ClockOffset
    from fusepath.remote.conversation import Request

_HEAD_START_S = 0.005
"""How long computing waits at most for a first message that needs none."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """The result that has come back; times are those of `time.perf_counter`."""

    message: Result
    outputs: dict[str, Array]
    arrived_s: float
    done_s: float
    """When a slow link that is played would have been through with it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One inference with an edge server."""

    recipe_sha256: str
    """By which it knows the plan."""
    offset: ClockOffset
    """Of its clock."""
    begun_s: float
    """When the inference began, by `time.perf_counter`."""
    asked: Asked
    """What else is fed, and what is wanted."""
    fresh: Fresh
    """What is new of it."""
    handed_in: Callable[[], None]
    """Told once this machine's thread knows all that it has to compute of paths."""


class Exchange:
    """Carries out a `DeviceFrame`'s commands.

    Args:
        device: the device's share of the plan.
        image: its input, or the file of it that is forwarded.
        request: was made for this.
        link: what it shares with other frames.
        call: what else is known of it.
        reserve: answers where the edge server does not; None has the inference fail.
    """

    def __init__(
        self,
        device: Device,
        image: Frame,
        request: Request,
        link: SharedLink,
        call: Call,
        reserve: Reserve | None,
    ) -> None:
        self._device = device
        self._image = image
        self._request = request
        self._link = link
        self._call = call
        self._order = call.fresh.paths
        everything = not call.fresh.reused  # otherwise there are no pieces to finish from
        self.frame = DeviceFrame(
            self._order,
            overlaps=device.emulation.overlaps,
            patience_s=None if reserve is None else reserve.patience_s,
            returning=(device.share.returning or frozenset()) & set(self._order),
            hedge_s=None if reserve is None else reserve.hedge_s,
            remainder=None if reserve is None or not everything else reserve.remainder,
        )
        self._left_out = left_out(device.model.graph.outputs, call.asked.outputs)
        self._returned = device.share.returned(self._left_out)
        self._recording = Recording(link, call.offset, call.begun_s)
        self._own: OwnAnswer | None = None
        if reserve is not None:
            self._own = OwnAnswer(
                reserve=reserve,
                inputs=self._inputs,
                begun_s=call.begun_s,
                tell=self._tell,
                record=self._recording.record,
            )
        self._overdue = DueTimer(lambda: self._tell(Overdue()))
        self._late = DueTimer(lambda: self._tell(Late()))
        self._conversing: asyncio.Task[Inference]
        self._computing: asyncio.Task[None] | None = None
        self._alone: asyncio.Task[Made] | None = None
        self._to_send: asyncio.Queue[tuple[int, PathAtCut, float]] = asyncio.Queue()
        self._first_written = asyncio.Event()
        self._computed: dict[int, PathAtCut] = {}
        self._macs = 0
        """That were done here, up to the cuts."""
        self._computed_s = 0.0
        """When the last of them was."""
        self._parts: dict[int, dict[str, Array]] = {}
        """Shares of the fused layer by path, returned by the server."""
        self._kept: dict[int, dict[str, Array]] = {}
        """And kept here."""
        self._placed: dict[str, Array] = {}
        """All of them put together, each as it came: the result waits for the last alone."""
        self._down_bytes = 0
        self.sent_bytes: dict[int, int] = {}
        """By path (0-based)."""

    @property
    def carried_bytes(self) -> tuple[int, int]:
        """So much was sent, and has come back, by now."""
        return sum(self.sent_bytes.values()), self._down_bytes

    async def run(self) -> Inference:
        """Carry it out.

        Raises:
            ProtocolError: the server sent what the plan does not call for, and nobody answers in
                its place.
            PeerError: it refused, vanished or took too long, likewise.
        """
        self._conversing = asyncio.create_task(self._converse())
        try:
            return await self._conversing
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._alone is None or task is None or task.cancelling():
                raise
            return self._inference_alone(await self._alone)  # which was quicker
        except PeerForgotError as error:
            if self._call.fresh.reused and not self.frame.was_late:
                raise  # with all of the frame it can go on
            self._tell(Lost(str(error), retry_after_s(error)))
            return self._inference_alone(await self._own_answer())
        except (PeerError, ProtocolError) as error:
            self._tell(Lost(str(error), retry_after_s(error)))
            if self.frame.has_ended:
                raise
            return self._inference_alone(await self._own_answer())
        finally:
            self._overdue.cancel()
            self._late.cancel()
            for job in (self._conversing, self._computing, self._alone):
                if job is not None:
                    job.cancel()

    def _tell(self, event: Event) -> Sequence[Command]:
        """Let the frame know what has happened; what is left to do of what it says to."""
        left: list[Command] = []
        for command in self.frame.handle(event):
            match command:
                case Send(path):
                    self._to_send.put_nowait((path, self._computed.pop(path), self._computed_s))
                case Arm(after_s):
                    self._overdue.due_after(after_s)
                case ArmHedge(after_s):
                    self._late.due_after(after_s)
                case StopComputing():
                    for job in (self._computing, self._alone):
                        if job is not None:
                            job.cancel()  # what is left here to do need not wait for it
                case ComputeAlone() | Continue() | Assemble() if self._alone is None:
                    self._alone = asyncio.create_task(self._answer_alone(command))
                case GiveUp():
                    self._conversing.cancel()
                case _:
                    left.append(command)
        return left

    async def _answer_alone(self, command: Command) -> Made:
        assert self._own is not None  # or the frame has no patience, and never asks for this
        if isinstance(command, ComputeAlone):
            return await self._own.anew(self._image, self._call.asked.companions)
        return await self._own.from_pieces(command, self._parts_here)

    async def _own_answer(self) -> Made:
        """What this machine answers, once paths that are still wanted are at their cuts."""
        if self._alone is None:
            assert self._computing is not None  # or the frame had begun to answer
            await self._computing
            assert self._alone is not None  # for the frame has begun to answer with the last path
        return await self._alone

    @property
    def parts(self) -> dict[int, dict[str, Array]]:
        """Shares of the fused layer, by path (0-based): whatever the device has of them."""
        merged: dict[int, dict[str, Array]] = {}
        for path, part in self._parts_here():
            merged.setdefault(path, {}).update(part)
        return merged

    def _parts_here(self) -> list[tuple[int, dict[str, Array]]]:
        """Shares of the fused layer, by path (0-based)."""
        return [*self._kept.items(), *self._parts.items()]

    @property
    def _inputs(self) -> dict[str, Array]:
        """All inputs of the network, by name."""
        if isinstance(self._image, PictureFrame):  # which is forwarded, and nothing is left here
            return dict(self._call.asked.companions)
        return {self._device.model.graph.input.name: self._image, **self._call.asked.companions}

    async def _converse(self) -> Inference:
        paths = deque(item.path for item in self._tell(Begun()) if isinstance(item, Compute))
        while paths and not self._device.share.computes(paths[0]):
            path = paths.popleft()
            self._take_computed(
                path, self._device.compute(path, self._image, self._call.asked.companions)
            )
        if len(self._order) == 1 and not self._link.is_paced:
            # Nothing can go on at the same time, and a write ends with the stream; a pace does not.
            await self._compute(paths)
            await self._send()
            return await self._finish(await self._receive())
        receiving = asyncio.create_task(self._receive())
        sending = asyncio.create_task(self._send())
        self._computing = asyncio.create_task(self._compute(paths))
        try:
            await asyncio.gather(receiving, sending, self._computing)
        finally:  # what is computed may be wanted still
            receiving.cancel()
            sending.cancel()
        return await self._finish(receiving.result())

    async def _compute(self, paths: Collection[int]) -> None:
        """Have paths computed; the thread goes from one to the next by itself."""
        if paths and not self._to_send.empty() and not self._link.turn.locked():
            # Where there is one processor, computing would hold up the first message.
            with suppress(TimeoutError):
                async with asyncio.timeout(_HEAD_START_S):
                    await self._first_written.wait()
        companions, begun_s = self._call.asked.companions, self._call.begun_s
        device, heads = self._device, []
        if device.share.has_head:
            heads = [device.start_head(pixels_of(self._image), companions, begun_s)]
        computed = ComputedPaths(self._take_computed, len(paths))
        for path in paths:
            computed.follow(path, device.start_computing(path, self._image, companions, begun_s))
        self._call.handed_in()
        try:
            for head in heads:
                self._recording.record(Lane.DEVICE, *(await head), path=HEAD)
                self._macs += device.share.head_macs
            await computed.all
        finally:
            for head in heads:
                head.cancel()
            computed.give_up()

    def _take_computed(self, path: int, done: PathAtCut) -> None:
        if self._device.share.computes(path):
            self._recording.record(Lane.DEVICE, done.start_s, done.end_s, path=path + 1)
        self._kept[path] = self._device.share.kept(path, done.pieces)
        self._device.share.place(self._placed, path, self._kept[path])
        self._computed[path] = done
        if self._own is not None:
            self._own.hold(path, done)
        self._macs += self._device.share.path_macs(path)
        self._computed_s = done.end_s
        self._tell(Computed(path))

    async def _send(self) -> None:
        ready = await self._to_send.get()
        async with self._link.turn:
            await self._send_all(ready)

    async def _send_all(self, ready: tuple[int, PathAtCut, float]) -> None:
        for number in range(len(self._order)):
            path, done, ready_s = ready if number == 0 else await self._to_send.get()
            size_bytes = sum(value.nbytes for value in done.to_send.values())
            self.sent_bytes[path] = size_bytes
            self._recording.written(path, time.perf_counter())
            if self._link.is_paced:
                self._first_written.set()  # a link that is played takes no processor
            paced = await self._link.up.transfer(size_bytes, ready_s=ready_s)
            if paced is not None and size_bytes > 0:
                self._recording.record(Lane.UPLINK, *paced, path=path + 1)
            if not await self._request.send(self._message(path, done, first=number == 0)):
                return  # why the stream has ended, `_receive` is told
            self._first_written.set()
            self._tell(Sent(path))

    def _message(self, path: int, done: PathAtCut, *, first: bool) -> Begin | Piece:
        request, data = self._request, tensors.to_send(done.to_send)
        if first:
            recipe = self._call.recipe_sha256
            left_us, left, fresh = request.left_us, self._left_out, self._call.fresh
            reused = [
                Reused(other + 1, 0 if by is None else by.number)
                for other, by in fresh.reused.items()
            ]
            begin = Begin(request.number, path + 1, recipe, left_us, data, left)
            return replace(begin, keeps=[other + 1 for other in fresh.keeps], reused=reused)
        return Piece(request.number, path + 1, data)

    async def _receive(self) -> _Answer:
        while True:
            match await self._request.read():
                case Part() as part:
                    self._take(part)
                case Result() as result:
                    return await self._take_result(result)
                case other:
                    raise ProtocolError(f"the server sent {type(other).__name__}")

    def _take(self, part: Part) -> None:
        """Keep a part of the outputs that has come back.

        Raises:
            ProtocolError: the plan does not call for it, or not now.
        """
        arrived_s = time.perf_counter()
        path = part.path - 1
        self.frame.check_part(path)
        expected = {
            name: form
            for name, form in self._device.share.expected_part(path).items()
            if name in self._returned
        }
        codecs = self._device.share.back_codecs
        self._parts[path] = tensors.decode(part.tensors, expected, codecs)
        self._device.share.place(self._placed, path, self._parts[path])
        self._tell(PartReturned(path))
        size_bytes = sum(len(tensor.data) for tensor in part.tensors)
        self._down_bytes += size_bytes
        paced = self._link.down.occupy(size_bytes, arrived_s)
        self._recording.returned(path, arrived_s, paced)

    async def _take_result(self, result: Result) -> _Answer:
        """Take the result; whatever has not been sent by now need not be.

        Raises:
            ProtocolError: the plan does not call for it, or not now.
        """
        arrived_s = time.perf_counter()
        graph = self._device.model.graph
        in_parts = self._device.share.returning is not None
        expected = {
            name: (graph.tensors[name].dtype, graph.tensors[name].shape)
            for name in (() if in_parts else self._returned)
        }
        size_bytes = sum(len(tensor.data) for tensor in result.tensors)
        self._down_bytes += size_bytes
        await self._link.down.transfer(size_bytes)
        outputs = await self._decoded(result.tensors, expected)
        self._tell(Answered([span.path - 1 for span in result.spans if span.path > 0]))
        return _Answer(result, outputs, arrived_s, time.perf_counter())

    async def _decoded(
        self, received: Sequence[RawTensor], expected: Mapping[str, tuple[str, tuple[int, ...]]]
    ) -> dict[str, Array]:
        """The outputs; a weak device that is played takes longer to decode them.

        Raises:
            ProtocolError: they are not what the plan calls for.
        """
        start_s = time.perf_counter()
        outputs = tensors.decode(received, expected, self._device.share.back_codecs)
        if any(tensor.encoded for tensor in received):
            taken_s = time.perf_counter() - start_s
            await asyncio.sleep((self._device.emulation.slowdown - 1) * taken_s)
        return outputs

    async def _finish(self, answer: _Answer) -> Inference:
        result = answer.message
        self._recording.answered(result.spans, answer.arrived_s, answer.done_s)
        whole, parts = self._placed, [*self._call.fresh.parts.items()]
        if answer.outputs:  # have come back as wholes, which lack what stayed here
            whole, parts = answer.outputs, [*parts, *self._parts_here()]
        begun_s = self._call.begun_s
        finished = await self._device.start_finishing(whole, parts, self._inputs, begun_s)
        if self._device.share.has_tail:
            self._recording.record(Lane.DEVICE, finished.start_s, finished.end_s)
        own_macs = self._macs + self._device.share.tail_macs
        return self._inference(finished.outputs, (own_macs, result.macs))

    def _inference_alone(self, made: Made) -> Inference:
        return self._inference(made.outputs, (self._macs + made.macs, 0), made.fallback)

    def _inference(
        self, outputs: dict[str, Array], macs: tuple[int, int], fallback: Fallback | None = None
    ) -> Inference:
        device_macs, edge_macs = macs
        up_bytes, down_bytes = self.carried_bytes
        return Inference(
            plan=self._device.plan,
            outputs={name: outputs[name] for name in outputs if name in self._call.asked.outputs},
            timeline=self._recording.timeline(),
            up_bytes=up_bytes,
            down_bytes=down_bytes,
            device_macs=device_macs,
            edge_macs=edge_macs,
            fallback=fallback,
            late=self.frame.was_late,
            under_way_s=self._recording.under_way_s,
        )
