"""This machine and an edge server, for one model: makes plans ready and carries them out."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusepath.errors import InputError
from fusepath.offload.background import Background, seen
from fusepath.offload.device import Device, stays_local
from fusepath.offload.emulation import NO_EMULATION, Emulation
from fusepath.offload.exchange import Exchange
from fusepath.plan import check_plan, predict
from fusepath.remote.client import peer_errors
from fusepath.runtime.edge_share import EdgeTimes

if TYPE_CHECKING:
    from fusepath.arrays import Array
    from fusepath.offload.inference import Inference
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan
    from fusepath.remote.client import ClockOffset, EdgeClient
    from fusepath.remote.transport import Stream
    from fusepath.timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A plan whose sessions are built, warm and timed on both machines."""

    device: Device
    recipe_sha256: str
    """By which the edge server knows it, and statistics: worked out once."""
    is_local: bool
    """Whether nothing leaves this machine."""
    predicted: Timeline
    """What the plan will do by the times of its paths, where planning knew only those of layers."""

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.device.plan


@dataclass(kw_only=True)
class Pairing:
    """A device and its edge server; one inference at a time, in the order of the calls.

    Args:
        model: the network that both hold.
        client: of the edge server; None where there is none.
        emulation: how weak this machine and how slow its link shall seem.
        threads: threads of one operator on this machine.
    """

    model: Model
    client: EdgeClient | None = None
    emulation: Emulation = NO_EMULATION
    threads: int = 1
    background: Background = field(default_factory=Background)
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="fusepath-device")
    )
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _offset: ClockOffset | None = None
    _ending: Stream | None = None
    """The last call that went well. Its end is yet to come, and nobody has to wait for that."""

    async def prepare(self, plan: Plan, sample: Array) -> Prepared:
        """Build and warm the sessions of a plan, here and on the edge server at the same time.

        Args:
            plan: is checked against the model.
            sample: an input of the plan; (1, C, H, W).

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
        here = asyncio.create_task(self.background.do(self._ready_device, plan, sample))
        here.add_done_callback(seen)  # if the session is closed meanwhile
        times = EdgeTimes((0.0,) * len(plan.cuts), 0.0)
        try:
            if self.client is not None and not local:
                times = await self.client.prepare(plan)
        finally:
            await asyncio.wait([here])
        device = here.result()
        predicted = predict(
            self.model.graph,
            plan,
            head_s=device.head_s,
            device_s=device.expected_s,
            sent_bytes=[device.share.sent_bytes(path) for path in range(len(plan.cuts))],
            edge_s=times.paths_s,
            tail_s=times.tail_s,
            finish_s=device.expected_tail_s,
        )
        return Prepared(
            device=device,
            recipe_sha256=plan.recipe_sha256,
            is_local=local,
            predicted=predicted,
        )

    def _ready_device(self, plan: Plan, sample: Array) -> Device:
        device = Device(
            model=self.model,
            plan=plan,
            thread=self._thread,
            emulation=self.emulation,
            threads=self.threads,
        )
        device.make_ready(sample)
        return device

    async def compare_clocks(self) -> None:
        """Find out anew how far the two clocks are apart, while no inference is under way.

        Raises:
            PeerError: the edge server does not answer.
        """
        if self.client is not None:
            async with self._turn:
                self._offset = await self.client.clock_offset()

    async def infer(
        self, prepared: Prepared, image: Array, *, begun_s: float | None = None
    ) -> Inference:
        """One inference, when its turn has come.

        Args:
            prepared: the plan to carry out.
            image: its input.
            begun_s: when it was asked for, by `time.perf_counter`; now without. Time that it has to
                wait for others is none of its own.

        Raises:
            PeerError: the edge server refused, vanished or took too long.
        """
        if begun_s is None or self._turn.locked():
            async with self._turn:
                return await self._infer(prepared, image, time.perf_counter())
        async with self._turn:
            return await self._infer(prepared, image, begun_s)

    async def _infer(self, prepared: Prepared, image: Array, begun_s: float) -> Inference:
        if prepared.is_local:
            return await prepared.device.run_alone(image, begun_s=begun_s)
        client = self.client
        assert client is not None  # what is prepared on an edge server has one
        if self._offset is None:
            self._offset = await client.clock_offset()
            begun_s = time.perf_counter()
        share = prepared.device.share
        stream = client.infer(once=len(prepared.plan.cuts) == 1 and share.returning is None)
        try:
            with peer_errors(client):
                inference = await Exchange(
                    prepared.device, image, stream, prepared.recipe_sha256, self._offset, begun_s
                ).run()
        except BaseException:
            stream.cancel()
            raise
        self._ending = stream
        return inference

    def close(self) -> None:
        """Give up what is at work in the background, and let the threads go."""
        self.background.close()
        self._thread.shutdown(wait=False, cancel_futures=True)
