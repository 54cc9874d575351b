"""This machine and an edge server, for one model: makes plans ready and carries them out."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fusepath.errors import InputError, PeerForgotError
from fusepath.offload.background import Background, seen
from fusepath.offload.device import Device, stays_local
from fusepath.offload.device_thread import DeviceThread
from fusepath.offload.emulation import NO_EMULATION, Emulation
from fusepath.offload.exchange import Call, Exchange
from fusepath.offload.finisher import Finisher, pays
from fusepath.offload.forecast import Forecast
from fusepath.offload.inference import Asked
from fusepath.offload.own_answer import Reserve
from fusepath.offload.passages import Passages
from fusepath.offload.shared_link import SharedLink
from fusepath.offload.turns import Turns
from fusepath.offload.unchanged import Made, Unchanged
from fusepath.pictures.frame import PictureFrame
from fusepath.plan import check_plan, predict, returned_bytes
from fusepath.remote.client import peer_errors
from fusepath.runtime.companions import blank_companions
from fusepath.runtime.edge_share import EdgeTimes
from fusepath.runtime.execution import ON_CPU, Execution

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from fusepath.cost import Link
    from fusepath.offload.inference import Inference
    from fusepath.offload.turns import Turn
    from fusepath.onnx_io import Model
    from fusepath.pictures.frame import Frame
    from fusepath.plan import Plan
    from fusepath.protocol.device_frame import Story
    from fusepath.remote.client import ClockOffset, EdgeClient
    from fusepath.timeline import Timeline


_LEAST_PATIENCE_S, _PATIENCE = 0.25, 3
"""Where an answer takes so many times what was predicted, and this at least, this machine begins to
answer alone."""
_STORIES = 16
_COMPARISONS = 3
"""Of clocks, at most: one beside an inference is not as good as one by itself."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A plan whose sessions are built, warm and timed on both machines."""

    device: Device
    recipe_sha256: str
    """By which the edge server knows it, and statistics: worked out once."""
    is_local: bool
    """Whether nothing leaves this machine."""
    edge_times: EdgeTimes

    @property
    def forwards(self) -> bool:
        """Whether the input is sent as the file that it comes in."""
        return self.plan.recipe.forwards

    def may_forward(self, frame: PictureFrame) -> bool:
        """Whether the edge server makes of this file what the device would.

        Raises:
            ImageError: it is no picture.
        """
        forwarding = self.plan.recipe.forwarding
        if not forwarding or frame.chain != forwarding.chain:
            return False
        return frame.file.may_be_forwarded

    @property
    def file_bytes(self) -> int:
        """Of the file that it was prepared with, where it forwards files."""
        sample, source = self.device.sample, self.plan.source
        if sample is not None:
            return len(sample.file.data)
        return source.file_bytes if source else 0

    @cached_property
    def predicted(self) -> Timeline:
        """What the plan will do by the times of its paths, where planning knew only of layers."""
        return self.predicted_on(self.plan.link)

    def predicted_on(self, link: Link) -> Timeline:
        """What it will do on another link."""
        return predict(
            self.device.model.graph,
            msgspec.structs.replace(self.plan, link=link),
            head_s=self.device.head_s + self._decode_s,
            device_s=self.device.expected_s,
            sent_bytes=self._sent_bytes,
            edge_s=self.edge_times.paths_s,
            tail_s=self.edge_times.tail_s,
            finish_s=self.device.expected_tail_s,
        )

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.device.plan

    @property
    def sent_bytes(self) -> int:
        """Bytes sent of the sample it was prepared with."""
        return sum(self._sent_bytes)

    @cached_property
    def returned_bytes(self) -> float:
        """Bytes that were planned to return, of all outputs."""
        return returned_bytes(self.device.model.graph, self.plan)

    @property
    def _sent_bytes(self) -> list[int]:
        share = self.device.share
        sent = [share.sent_bytes(path) for path in range(len(self.plan.cuts))]
        if self.forwards:
            source = self.device.model.graph.input
            sent[0] += self.file_bytes - source.elements * np.dtype(np.uint8).itemsize
        return sent

    @property
    def _decode_s(self) -> float:
        sample = self.device.sample
        return 0.0 if self.forwards or sample is None else self.device.decode_s(sample)


@dataclass(kw_only=True)
class Pairing:
    """A device and its edge server; inferences begin in the order of the calls.

    Args:
        model: the network that both hold.
        client: of the edge server; None where there is none.
        emulation: how weak this machine and how slow its link shall seem.
        execution: what this machine computes on.
    """

    model: Model
    client: EdgeClient | None = None
    emulation: Emulation = NO_EMULATION
    execution: Execution = ON_CPU
    background: Background = field(default_factory=Background)
    reserve: Prepared | None = None
    """The whole network on this machine, for frames that the edge server fails."""
    forbidden: Sequence[str] = ()
    """Limits that there would be a reserve without, as they are told."""
    beside: Prepared | None = None
    """Forwards files where the plan in use does not, or the reverse: for frames for which it is
    quicker."""
    may_finish: bool = True
    """Whether there is memory to finish such frames from what there is of them."""
    stories: deque[Story] = field(default_factory=lambda: deque(maxlen=_STORIES))
    """Of the last frames with the edge server: what happened, and what was done for it."""
    forecast: Forecast = field(default_factory=Forecast)
    """What frames will take, as the last ones show."""
    frames: Passages = field(default_factory=Passages)
    """Of frames that the edge server has a part in."""
    _thread: DeviceThread = field(default_factory=DeviceThread)
    _turns: Turns = field(default_factory=Turns)
    _link: SharedLink = field(init=False)
    _offset: ClockOffset | None = None
    _frames: int = 0
    _unchanged: Unchanged | None = None
    """Of the plan that answered the last frame."""
    _finisher: Finisher | None = None
    """Of the plan in use."""
    _to_finish: Device | None = None
    """Whose share of a plan it is of, or would be if it paid."""

    def __post_init__(self) -> None:
        self._link = SharedLink(self.emulation)

    async def prepare(self, plan: Plan, sample: Frame) -> Prepared:
        """Build and warm the sessions of a plan, here and on the edge server at the same time.

        Args:
            plan: is checked against the model.
            sample: an input of the plan, (1, C, H, W), or a picture that becomes one.

        Raises:
            FileFormatError: the plan does not fit the model.
            ImageError: the sample does not fit the plan.
            PeerError: the edge server refuses the plan or does not answer.
            InputError: the plan needs an edge server.
        """
        check_plan(plan, self.model.graph)
        local = stays_local(plan, self.model)
        if self.client is None and not local:
            raise InputError("this plan needs an edge server; give its address (edge)")
        one = self.execution.threads == 1
        do = self.background.aside if one else self.background.do
        here = asyncio.create_task(do(self._ready_device, plan, sample))
        here.add_done_callback(seen)  # if the session is closed meanwhile
        times = EdgeTimes((0.0,) * len(plan.cuts), 0.0)
        try:
            if self.client is not None and not local:
                times = await self.client.prepare(plan)
                if self._offset is None:
                    await self.compare_clocks()
        finally:
            await asyncio.wait([here])
        return Prepared(
            device=here.result(),
            recipe_sha256=plan.recipe_sha256,
            is_local=local,
            edge_times=times,
        )

    def _ready_device(self, plan: Plan, sample: Frame) -> Device:
        device = Device(
            model=self.model,
            plan=plan,
            thread=self._thread,
            emulation=self.emulation,
            execution=self.execution,
        )
        device.make_ready(sample)
        return device

    async def prepare_again(self, prepared: Prepared) -> None:
        """Have an edge server that may have forgotten it make its share of a plan ready.

        Raises:
            PeerError: the edge server refuses the plan or does not answer.
        """
        if self.client is not None and not prepared.is_local:
            await self.client.prepare(prepared.plan)

    async def compare_clocks(self) -> None:
        """Find out anew how far the two clocks are apart; no inference has to wait for it.

        Raises:
            PeerError: the edge server does not answer.
        """
        if self.client is None:
            return
        best: ClockOffset | None = None
        for _ in range(_COMPARISONS):
            frames, busy = self._frames, self.is_busy
            offset = await self.client.clock_offset()
            if best is None or offset.error_s < best.error_s:
                best = offset
            if not busy and frames == self._frames:
                break
        self._offset = best

    @property
    def is_busy(self) -> bool:
        """Whether an inference is under way."""
        return self._turns.is_busy

    async def infer(
        self,
        prepared: Prepared,
        image: Frame,
        *,
        asked: Asked | None = None,
    ) -> Inference:
        """One inference, when its turn has come; others wait for its end.

        Args:
            prepared: the plan to carry out.
            image: its input, or the picture that becomes it: decoded here, unless it is forwarded.
            asked: what else is fed, and what is wanted; something made up, and all, without.

        Raises:
            PeerError: the edge server refused, vanished or took too long, and there is no reserve.
        """
        if asked is None:
            graph = self.model.graph
            asked = Asked(blank_companions(graph), graph.outputs)
        async with self._turns.take(overlapping=False) as turn:
            return await self.infer_now(prepared, image, asked, turn)

    def turn(self, begun_s: float, *, overlapping: bool) -> AbstractAsyncContextManager[Turn]:
        """A frame's turn, for as long as it takes; what it is answered with may be decided then.

        Args:
            begun_s: when it was asked for, by `time.perf_counter`. Time that it has to wait for
                others is none of its own.
            overlapping: whether others may begin and end meanwhile. Those before it have what this
                machine computes and the link carries first.
        """
        waits = self._turns.is_busy
        return self._turns.take(begun_s=None if waits else begun_s, overlapping=overlapping)

    async def infer_now(
        self, prepared: Prepared, image: Frame, asked: Asked, turn: Turn
    ) -> Inference:
        """As `infer`, of a frame whose turn has come."""
        begun_s = turn.begun_s
        if not isinstance(image, PictureFrame) or prepared.may_forward(image):
            return await self._infer(prepared, image, begun_s, asked, turn)
        decoded = await prepared.device.start_decoding(image, begun_s)
        inference = await self._infer(prepared, decoded.pixels, begun_s, asked, turn)
        return inference.begun_with(decoded.start_s - begun_s, decoded.end_s - begun_s)

    async def _infer(
        self,
        prepared: Prepared,
        image: Frame,
        begun_s: float,
        asked: Asked,
        turn: Turn,
    ) -> Inference:
        known = self._known_of(prepared, asked)
        same = known.same(image, asked)
        outputs = known.answer(same, asked)
        if outputs is not None:
            return known.nothing_new(outputs, begun_s)
        if prepared.is_local:
            assert not isinstance(image, PictureFrame)  # what stays here has been decoded
            request = object()
            known.begin(None, request, same, image, asked)
            inference = await prepared.device.run_alone(
                image, asked, begun_s=begun_s, handed_in=turn.pass_on
            )
            known.answered(request, Made(inference.outputs, {}, {}, inference.device_macs, True))
            return inference
        try:
            return await self._ask(prepared, image, begun_s, asked, turn, known, same)
        except PeerForgotError:
            known.forget()
            return await self._ask(prepared, image, begun_s, asked, turn, known, ())

    def _known_of(self, prepared: Prepared, asked: Asked) -> Unchanged:
        """What is known of frames before that the same plan answered."""
        if not asked.reuses:
            return Unchanged(prepared.device, remembers=False)
        if self._unchanged is None or self._unchanged.device is not prepared.device:
            self._unchanged = Unchanged(prepared.device, remembers=True)
        return self._unchanged

    async def _ask(
        self,
        prepared: Prepared,
        image: Frame,
        begun_s: float,
        asked: Asked,
        turn: Turn,
        known: Unchanged,
        same: Sequence[int],
    ) -> Inference:
        """One inference with the edge server, but for paths (0-based) that are the same."""
        client, offset = self.client, self._offset
        assert client is not None  # what is prepared on an edge server has one,
        assert offset is not None  # and the clocks have been compared for it
        self._frames += 1
        request = client.infer(begun_s + client.timeout.infer_s - time.perf_counter())
        fresh = known.begin(request.stream, request, same, image, asked)
        exchange = Exchange(
            prepared.device,
            image,
            request,
            self._link,
            Call(prepared.recipe_sha256, offset, begun_s, asked, fresh, turn.pass_on),
            self._reserve_of(prepared),
        )
        self.stories.append(exchange.frame.story)
        inference: Inference | None = None
        try:
            with peer_errors(client), self.frames.begin() as passage:
                try:
                    inference = await exchange.run()
                finally:  # maybe broken off
                    passage.up_bytes, passage.down_bytes = exchange.carried_bytes
        finally:
            request.give_up()  # which says nothing where the answer has come
            if inference is None or inference.fallback is not None:
                known.failed(request)
        if inference.fallback is not None:
            return inference
        macs = inference.device_macs + inference.edge_macs
        made = Made(inference.outputs, exchange.parts, exchange.sent_bytes, macs, not fresh.reused)
        known.answered(request, made)
        return replace(inference, reused=known.saved(fresh, macs))

    def _reserve_of(self, prepared: Prepared) -> Reserve | None:
        if self.reserve is None:
            return None
        device, alone = prepared.device, self.reserve.device
        finisher = self._finisher if self._to_finish is device else None
        end_s, whole_s = self._expected_s(prepared), alone.alone_s
        # What is under way before it has machines and link first.
        before_s = end_s * (self._turns.under_way - 1)
        answer_s = max(end_s - device.head_s - sum(device.expected_s), 0.0)
        own_s = whole_s if finisher is None else min(whole_s, finisher.remainder.all_s)
        return Reserve(
            device=alone,
            # Counted from the last progress, which this machine makes until about as predicted.
            patience_s=max(_PATIENCE * (before_s + end_s), _LEAST_PATIENCE_S) - end_s,
            hedge_s=before_s + answer_s + max(own_s, _LEAST_PATIENCE_S),
            finisher=finisher,
        )

    def _expected_s(self, prepared: Prepared) -> float:
        return self.forecast.latency_s(prepared.recipe_sha256, prepared.predicted)

    async def ready_to_finish(self, prepared: Prepared) -> None:
        """Be able to finish frames of a plan that the edge server fails, where that pays."""
        device = prepared.device
        if prepared.is_local or self.reserve is None or self._to_finish is device:
            return
        self._to_finish, self._finisher = device, None
        if self.may_finish and pays(device):
            finisher = await self.background.do(Finisher, device, self.reserve.device)
            if self._to_finish is device:
                self._finisher = finisher

    def close(self) -> None:
        """Give up what is at work in the background, and let the threads go."""
        self.background.close()
        self._thread.shutdown(wait=False, cancel_futures=True)
