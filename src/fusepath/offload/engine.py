"""What works behind a session: an event loop on a thread of its own.

It answers frames with the best plan that is prepared, and looks for a better one meanwhile:

1. the whole network on this machine, or the plan of last time, whichever is there first;
2. machines and link are measured, or remembered; plans are made, prepared and tried;
3. the best of them takes over, between two frames;
4. from then on the clocks are compared now and then, while nothing else is on the link.

The engine knows nothing of the session, so that a session that nobody holds any more can go.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.cost import ComputeRate, Link
from fusepath.errors import ClosedError, FusepathError, InputError
from fusepath.offload.background import Background
from fusepath.offload.device import check_image, stays_local
from fusepath.offload.emulation import NO_EMULATION, Emulation
from fusepath.offload.machines import Machines, measured_setting, runtime_convention
from fusepath.offload.pairing import Pairing, Prepared
from fusepath.offload.remembered import LastTime, SessionMemory
from fusepath.offload.statistics import Counter
from fusepath.offload.trials import TRIALS, Trials
from fusepath.plan import (
    InputFormat,
    Origin,
    Plan,
    PlanRequest,
    Setting,
    limit_violations,
    make_plan,
    shortlist,
)
from fusepath.profiling.cache import remembered_profile
from fusepath.profiling.codecs import measured_compression, named_codecs
from fusepath.profiling.layers import measure_layers
from fusepath.remote.client import EdgeClient, Timeout
from fusepath.remote.edge_service import EdgeService
from fusepath.remote.grpc_channel import GrpcChannel
from fusepath.remote.memory import ADDRESS as MEMORY
from fusepath.remote.memory import MemoryChannel
from fusepath.remote.model_store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fusepath.arrays import Array
    from fusepath.cost import Compression
    from fusepath.offload.frames import FrameFormat
    from fusepath.offload.inference import Inference
    from fusepath.onnx_io import Model
    from fusepath.remote.transport import Channel

logger = logging.getLogger(__name__)

_CLOCKS_EVERY_S = 10.0
_FIRST_FRAME_S = 1.0
"""How long measuring waits for a frame before it makes do with a made-up one."""
_SAME = 0.1
"""Part by which a link may differ from last time, and a plan from what it took then, so that
nothing is planned anew."""
_CLOSING_S = 5.0
CLOSED = (
    "this session is closed, or was made before a fork; make a session in the process that uses it"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """What most sessions leave as it is."""

    threads: int = 1
    """Of one operator on this machine."""
    remember: bool = True
    """Use what was measured and planned last time, and keep it for the next."""
    emulation: Emulation = NO_EMULATION
    """How weak this machine and how slow its link shall seem."""
    sample: Array | None = None
    """A frame on which codecs are measured and plans are tried; the first frame without."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a session is asked for."""

    model: Model
    edge: str | None
    plan: Plan | PlanRequest
    machines: Machines
    frames: FrameFormat
    timeout: Timeout
    options: SessionOptions
    say: Callable[[str], None]


class Engine:
    """Runs until it is closed.

    Args:
        order: what is asked for; it is taken to have been checked.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self.counter = Counter()
        self.current: Prepared | None = None
        """The plan in use."""
        self.error: BaseException | None = None
        """Why no better plan is being looked for any more."""
        self.ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.closed = False
        self._background = Background()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._serve_loop, name="fusepath-session", daemon=True
        )
        self._thread.start()
        self._running: concurrent.futures.Future[None] = self.submit(self._run())

    def submit(self, work: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]:
        """Do something on the loop; from any thread but the loop's own.

        Raises:
            ClosedError: there is no loop any more.
        """
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise ClosedError(CLOSED) from None

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something on the loop and wait for it.

        An interrupt while waiting gives the work up.

        Raises:
            ClosedError: the engine was closed meanwhile.
        """
        future = self.submit(work)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise ClosedError(CLOSED) from None
        except BaseException:
            future.cancel()
            raise

    def _serve_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            with suppress(RuntimeError):  # an interpreter that exits starts no threads
                self._loop.run_until_complete(_cancel_others())  # who called at the last moment
                self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    # ------------------------------------------------------------------ answering frames

    async def infer(self, image: Array, begun_s: float) -> Inference:
        """One inference with the plan in use.

        Raises:
            FusepathError: there is no plan, and there will be none; or its edge server failed.
        """
        self._meet(image)
        if self.current is None:
            await asyncio.shield(self._first)
        prepared = self.current
        assert prepared is not None
        inference = await self._pairing.infer(prepared, image, begun_s=begun_s)
        self.counter.add(inference, prepared.recipe_sha256)
        return inference

    def _meet(self, image: Array) -> None:
        """See to it that plans are for frames of this type."""
        plan = self._order.plan
        if isinstance(plan, Plan):
            check_image(image, self._order.model, plan)
        if not self._sample.done():
            self._sample.set_result(image.copy())
        elif self._sample.result().dtype != image.dtype:
            # Pixels before, values now, or the other way round: all that was planned is void.
            self._give_up()
            self._begin(image.copy())

    def _give_up(self) -> None:
        """Look for plans no longer."""
        self._searching.cancel()
        if self._local is not None:
            self._local.cancel()

    # ------------------------------------------------------------------ looking for plans

    async def _run(self) -> None:
        """The engine's life."""
        order = self._order
        self._channel: Channel | None = None
        self._pairing = Pairing(
            model=order.model,
            emulation=order.options.emulation,
            threads=order.options.threads,
            background=self._background,
        )
        self._begin(order.options.sample)
        try:
            while True:
                await asyncio.sleep(_CLOCKS_EVERY_S)
                if self.current is not None and not self.current.is_local:
                    with suppress(FusepathError):  # an inference that needs the server will tell
                        await self._pairing.compare_clocks()
        finally:
            self._give_up()
            with suppress(asyncio.CancelledError, Exception):
                await self._searching
            if self._channel is not None:
                await self._channel.close()

    def _begin(self, sample: Array | None) -> None:
        """Look for plans from the start."""
        loop = asyncio.get_running_loop()
        self.current = None
        self._local: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] = loop.create_future()
        self._first.add_done_callback(_seen)
        self._sample: asyncio.Future[Array] = loop.create_future()
        if sample is not None:
            self._sample.set_result(sample)
        self._searching = loop.create_task(self._search())

    async def _search(self) -> None:
        try:
            await self._find_plans()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.error = error
            self._settle(error)
            if not isinstance(error, FusepathError):
                logger.info("looking for a plan failed", exc_info=error)
            if self._local is not None:  # which may do without whatever has failed
                await asyncio.wait([self._local])
            if not self._first.done():
                self._first.set_exception(error)
        else:
            self._settle(None)

    def _settle(self, error: BaseException | None) -> None:
        """Tell who waits for the best plan; whoever does so first is right."""
        with suppress(concurrent.futures.InvalidStateError):
            if error is None:
                self.ready.set_result(None)
            else:
                self.ready.set_exception(error)

    def _use(self, prepared: Prepared) -> None:
        self.current = prepared
        if not self._first.done():
            self._first.set_result(None)

    async def _find_plans(self) -> None:
        order = self._order
        if isinstance(order.plan, Plan):
            if not stays_local(order.plan, order.model):
                await self._connect()
            sample = await self._sample_frame(order.plan.input.dtype)
            trials = Trials(pairing=self._pairing, sample=sample, say=order.say)
            (prepared,) = await trials.prepare([order.plan])
            await self._pairing.compare_clocks()
            self._use(prepared)
            return
        self._local = asyncio.create_task(self._start_locally(order.plan))
        self._local.add_done_callback(_seen)
        if order.edge is None:
            alone = PlanRequest(algorithm="device-only", constraints=order.plan.constraints)
            await self._choose(alone, None)
        elif order.plan.algorithm == "device-only":
            await self._choose(order.plan, None)
        else:
            await self._with_edge(order.plan)

    async def _start_locally(self, request: PlanRequest) -> None:
        """Be able to answer, if the constraints let this machine do all of it."""
        order = self._order
        sample = await asyncio.shield(self._sample)
        nominal = Setting(
            graph=order.model.graph,
            device=ComputeRate(1e9),
            edge=ComputeRate(1e9),
            link=Link(up_bytes_per_s=1e6, down_bytes_per_s=1e6),
            convention=runtime_convention(sample.dtype.name),
        )
        result = await self._background.do(
            make_plan,
            nominal,
            PlanRequest(algorithm="device-only", codecs="off"),
            self._origin,
        )
        plan = result.best
        if limit_violations(plan, order.model.graph, request.constraints):
            return
        prepared = await self._pairing.prepare(plan, sample)
        if self.current is None:
            self._use(prepared)

    async def _with_edge(self, request: PlanRequest) -> None:
        order = self._order
        await self._connect()
        sample = await self._sample_frame(self._usual_dtype)
        memory = self._memory(request, sample.dtype.name)
        last = await self._background.do(memory.load, order.model.graph)
        if last is not None and await self._resume(last, sample):
            return
        await self._choose(request, memory, last)

    async def _resume(self, last: LastTime, sample: Array) -> bool:
        """Take up the plan of last time; whether all is still as it was then."""
        try:
            prepared = await self._pairing.prepare(last.plan, sample)
        except FusepathError as error:
            logger.info("the plan of last time is of no use: %s", error)
            return False
        await self._pairing.compare_clocks()
        self._use(prepared)
        assert self._pairing.client is not None  # it was connected
        rate = self._order.options.emulation.pace_bytes_per_s
        if rate is None:
            rate = await self._pairing.client.goodput_bytes_per_s()
        same_link = _is_same(rate, last.link.up_bytes_per_s)
        return same_link and _is_same(prepared.predicted.end_s, last.plan.makespan_s)

    async def _choose(
        self, request: PlanRequest, memory: SessionMemory | None, last: LastTime | None = None
    ) -> None:
        """Measure, plan, prepare, try, and take the best."""
        order, machines = self._order, self._order.machines
        sample = await self._sample_frame(self._usual_dtype)
        if last is not None and machines.edge is None:
            machines = Machines(device=machines.device, edge=last.edge, link=machines.link)
        setting = await measured_setting(
            self._pairing,
            machines,
            sample.dtype.name,
            remembered_profile if order.options.remember else measure_layers,
            order.say,
        )
        offered = await self._offered(request, setting, sample)
        trials = Trials(pairing=self._pairing, sample=sample, say=order.say)
        best = await trials.choose(
            replace(setting, offered=offered),
            partial(shortlist, request=request, origin=self._origin),
            trials=TRIALS if order.machines.all_measured else 0,
        )
        await self._pairing.compare_clocks()
        self._use(best)
        if memory is not None:
            kept = LastTime(edge=setting.edge, link=setting.link, offered=offered, plan=best.plan)
            await self._background.do(memory.keep, kept)

    async def _offered(
        self, request: PlanRequest, setting: Setting, sample: Array
    ) -> dict[str, list[Compression]]:
        codecs = named_codecs(request.codecs)
        if not codecs or self._pairing.client is None:
            return {}
        self._order.say("trying codecs on the input and on what layers make of it")
        return await self._background.do(
            partial(
                measured_compression,
                self._order.model,
                sample,
                self._form(sample),
                setting,
                codecs=codecs,
            )
        )

    @property
    def _origin(self) -> Origin:
        """What is written into plans besides."""
        frames = self._order.frames
        return Origin(source=self._order.model.source, mean=frames.mean, std=frames.std)

    @property
    def _usual_dtype(self) -> str:
        """Of frames, while none has come: pixels, if the model may take them."""
        source = self._order.model.graph.input
        return "uint8" if source.is_float else source.dtype

    def _form(self, sample: Array) -> InputFormat:
        frames = self._order.frames
        return InputFormat(dtype=sample.dtype.name, mean=frames.mean, std=frames.std)

    def _memory(self, request: PlanRequest, dtype: str) -> SessionMemory:
        order = self._order
        if not (order.options.remember and order.machines.all_measured and order.edge):
            return SessionMemory(None)
        return SessionMemory.of_user(
            order.model.graph,
            order.edge,
            request=repr(request),
            input=(dtype, order.frames.mean, order.frames.std),
            emulation=order.options.emulation,
            threads=order.options.threads,
        )

    async def _sample_frame(self, dtype: str) -> Array:
        """A frame of the application's, or after a while a made-up one."""
        if not self._sample.done() and not isinstance(self._order.plan, Plan):
            await asyncio.wait([self._sample], timeout=_FIRST_FRAME_S)
        if self._sample.done():
            return self._sample.result()
        made_up = made_up_frame(self._order.model.graph.input.shape, dtype)
        if not isinstance(self._order.plan, Plan):
            self._sample.set_result(made_up)
        return made_up

    async def _connect(self) -> None:
        order = self._order
        if self._channel is not None:
            return
        if order.edge is None:
            raise InputError("this plan needs an edge server; give its address (edge)")
        if order.edge == MEMORY:
            service = EdgeService(ModelStore.of(order.model), threads=order.options.threads)
            self._channel = MemoryChannel(service)
        else:
            self._channel = await GrpcChannel.open(order.edge, timeout_s=order.timeout.connect_s)
        self._pairing.client = EdgeClient(self._channel, order.timeout)

    # ------------------------------------------------------------------ the end

    def close(self) -> None:
        """End everything; from any thread but the loop's own."""
        if self.closed:
            return
        self.closed = True
        self._settle(ClosedError(CLOSED))
        if not self._loop.is_running():
            return  # in a forked child, or where the loop's thread has ended already
        self._running.cancel()
        self.submit(self._end())
        self._background.close()
        if self._thread is not threading.current_thread():
            self._thread.join(_CLOSING_S)
            self._pairing.close()

    async def _end(self) -> None:
        await _cancel_others()
        self._loop.stop()

    def forget(self) -> None:
        """In a forked child, which has none of the threads: nothing of it may be touched."""
        self.closed = True


def made_up_frame(shape: tuple[int, ...], dtype: str) -> Array:
    """Something like a picture: slow changes, and a little noise; integers but pixels are 0."""
    rng = np.random.default_rng(0)
    if len(shape) != 4 or shape[0] != 1:
        return rng.random(shape, dtype=np.float32).astype(dtype)
    _, channels, height, width = shape
    coarse = rng.random((channels, 8, 8), dtype=np.float32)
    rows = np.linspace(0, 7, height).astype(int)
    cols = np.linspace(0, 7, width).astype(int)
    smooth = coarse[:, rows][:, :, cols] + 0.02 * rng.random((channels, height, width))
    values = np.clip(smooth, 0, 1)[None]
    return (values * 255 if dtype == "uint8" else values).astype(dtype)


async def _cancel_others() -> None:
    """Give up all other tasks of this loop."""
    await asyncio.sleep(0)  # let what was only just submitted become tasks
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_CLOSING_S)


def _is_same(one: float, other: float) -> bool:
    return abs(one - other) <= _SAME * other


def _seen(done: asyncio.Future[None]) -> None:
    """Whoever waits is told of an error; nobody has to."""
    if not done.cancelled():
        done.exception()
