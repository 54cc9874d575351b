"""A model that an application holds, answered by this machine and an edge server together."""

from __future__ import annotations

import asyncio
import copy
import os
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fusepath.errors import ClosedError, InputError
from fusepath.offload.engine import CLOSED, Engine
from fusepath.offload.frames import FrameFormat, by_name, fed_inputs, parted
from fusepath.offload.inference import one_after_the_other
from fusepath.offload.line import Flow, Line, streamed, streamed_async
from fusepath.offload.machines import Machines
from fusepath.offload.order import Order, SessionOptions
from fusepath.offload.outputs import OwnerOutputs
from fusepath.onnx_io import Model, from_torch, is_module, load_model
from fusepath.plan import LATENCY, InputFormat, Plan, PlanRequest, check_plan, check_request
from fusepath.profiling.codecs import named_codecs
from fusepath.protocol.in_flight import WhenFull
from fusepath.remote.client import Timeout
from fusepath.remote.grpc_channel import check_address
from fusepath.remote.memory import ADDRESS as MEMORY
from fusepath.runtime.pixels import check_form

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterable,
        AsyncIterator,
        Callable,
        Coroutine,
        Iterable,
        Iterator,
        Sequence,
    )
    from concurrent.futures import Future
    from pathlib import Path
    from types import TracebackType

    from fusepath.arrays import Array
    from fusepath.offload.inference import Inference
    from fusepath.offload.statistics import Statistics
    from fusepath.onnx_io import LastOutput, Port
    from fusepath.pictures.frame import Frame
    from fusepath.timeline import Timeline

T = TypeVar("T")

_ENGINES: weakref.WeakSet[Engine] = weakref.WeakSet()


def _forget_engines() -> None:
    for engine in _ENGINES:
        engine.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_engines)


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output of a model, as ONNX Runtime describes it."""

    name: str
    shape: list[int]
    """Empty where it depends on the data."""
    type: str
    """``tensor(float)`` and the like."""


@dataclass(frozen=True, slots=True)
class _Fed:
    """What an inference is made of, in normal form."""

    images: list[Frame]
    companions: dict[str, Array]


class _Held:
    """What both kinds of session share."""

    def __init__(
        self,
        model: str | Path | Model | object,
        edge: str | None = None,
        *,
        plan: Plan | PlanRequest = PlanRequest(),
        machines: Machines = Machines(),
        frames: FrameFormat = FrameFormat(),
        timeout: Timeout = Timeout(),
        options: SessionOptions = SessionOptions(),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        if is_module(model):
            self.model, options = _exported(model, options)
        elif isinstance(model, Model | str | os.PathLike):
            self.model = model if isinstance(model, Model) else load_model(os.fspath(model))
        else:
            raise InputError(
                f"model {model!r} is neither a path, nor zoo:NAME, nor a Model or PyTorch module"
            )
        graph = self.model.graph
        if not isinstance(plan, Plan | PlanRequest):
            raise InputError(f"plan {plan!r} is neither a PlanRequest nor a Plan")
        if edge is not None and edge != MEMORY:
            check_address(edge)
        check_form(InputFormat(mean=frames.mean, std=frames.std), self.model)
        if isinstance(plan, Plan):
            check_plan(plan, graph)
        else:
            check_request(plan)
            if plan.objective != LATENCY:
                raise InputError(
                    "a session answers with one plan at a time, the one of least latency: leave "
                    "out objective, or give a plan of make_rotation"
                )
            plan.constraints.check(graph)
            named_codecs(plan.codecs)
        self._frames = frames.for_plan(plan)
        self._outputs = OwnerOutputs(self.model)
        self._engine = Engine(
            Order(
                model=self.model,
                edge=edge,
                plan=plan,
                machines=machines,
                frames=frames,
                timeout=timeout,
                options=options,
                say=say,
            )
        )
        self._submitted = self._line(options.flow)
        _ENGINES.add(self._engine)
        # The engine knows nothing of the session, so this runs when nobody holds it any more.
        self._finalizer = weakref.finalize(self, Engine.close, self._engine)

    def get_inputs(self) -> list[TensorInfo]:
        """The model's inputs, as `onnxruntime.InferenceSession.get_inputs` lists them.

        The one that is cut comes first.
        """
        boundary = self.model.boundary
        return [_info(port) for port in (boundary.input, *boundary.companions)]

    def get_outputs(self) -> list[TensorInfo]:
        """The model's outputs, in their order."""
        ending = self.model.ending
        outputs = self.model.boundary.outputs if ending is None else ending.outputs
        return [_info(output) for output in outputs]

    @property
    def plan(self) -> Plan | None:
        """The plan in use; None before there is one."""
        current = self._engine.current
        return None if current is None else current.plan

    @property
    def predicted(self) -> Timeline | None:
        """What the plan in use will do, from measured times of its very paths."""
        current = self._engine.current
        return None if current is None else current.predicted

    @property
    def statistics(self) -> Statistics:
        """What was done so far: counts, latencies, bytes, by plan."""
        return self._engine.counter.statistics()

    def story(self, frames: int = 1) -> list[str]:
        """What happened in the last frames that the edge server had a part in, and of late with it.

        A line for each event with what was done for it; paths are 0-based. The last 16 frames
        are kept.
        """
        return self._engine.story(frames)

    @property
    def is_ready(self) -> bool:
        """Whether the best plan that could be found is in use."""
        ready = self._engine.ready
        return ready.done() and ready.exception() is None

    def _check_open(self) -> None:
        if self._engine.closed:
            raise ClosedError(CLOSED)

    def _inputs(self, frame: Any) -> _Fed:
        self._check_open()
        image, companions = parted(by_name(frame, self.model), self.model)
        return _Fed(self._frames.to_inputs(image, self.model), companions)

    def _fed(self, feed: Mapping[str, Any]) -> _Fed:
        """The inputs of a feed by name, in the model's own layout."""
        self._check_open()
        image, companions = parted(feed, self.model)
        return _Fed([*fed_inputs(np.asarray(image), self.model)], companions)

    def _line(self, flow: Flow) -> Line:
        self._check_open()
        return Line(flow, self._engine.submit, self._engine.counter.drop)

    def _work(self, frame: Any) -> Callable[[], Coroutine[Any, Any, Inference]]:
        """What is to be done for a frame that overlaps with others.

        Applications may use its memory for the next one meanwhile, as cameras do.
        """
        fed = self._inputs(frame)
        given = list(frame.values()) if isinstance(frame, Mapping) else [frame]
        owned = _Fed(
            [_owned(image, given) for image in fed.images],
            {name: _owned(value, given) for name, value in fed.companions.items()},
        )
        return lambda: self._infer(owned, time.perf_counter(), overlapping=True)

    async def _infer(self, fed: _Fed, begun_s: float, *, overlapping: bool = False) -> Inference:
        """One inference after the other; the outputs as the model's owner knows them."""
        infer = partial(self._engine.infer, companions=fed.companions, overlapping=overlapping)
        if self._outputs.are_those_of_the_network:
            return await infer(fed.images[0], begun_s)
        done = []
        for image in fed.images:
            done.append(await infer(image, begun_s))
            begun_s = time.perf_counter()
        together = done[0] if len(done) == 1 else one_after_the_other(done)
        outputs = await self._outputs.of([inference.outputs for inference in done])
        return replace(together, outputs=outputs)

    def _wanted(self, output_names: Sequence[str] | None) -> Sequence[str]:
        outputs = self.model.output_names
        wanted = tuple(output_names) if output_names else outputs
        if unknown := [name for name in wanted if name not in outputs]:
            raise InputError(
                f"the model has no output '{unknown[0]}'; its outputs are {', '.join(outputs)}"
            )
        return wanted


def _owned(value: T, given: Sequence[Any]) -> T:
    """A value that shares no memory with what the application has given; files are read already."""
    arrays = [item for item in given if isinstance(item, np.ndarray)]
    shared = isinstance(value, np.ndarray) and any(
        np.may_share_memory(value, item) for item in arrays
    )
    return copy.copy(value) if shared else value


def _exported(module: object, options: SessionOptions) -> tuple[Model, SessionOptions]:
    """The model of a PyTorch module, made for the shape of the sample."""
    if options.sample is None:
        raise InputError(
            "a PyTorch module needs an example of its input: options=SessionOptions(sample=x), or "
            "fusepath.from_torch(module, x)"
        )
    sample = np.asarray(options.sample)
    model = from_torch(module, sample.astype(np.float32) if sample.dtype == np.uint8 else sample)
    return model, replace(options, sample=fed_inputs(sample, model)[0])


class Session(_Held):
    """A model, answered by this machine and an edge server together; like an ONNX Runtime session.

    ::

        session = fusepath.Session("net.onnx", edge="192.168.1.20:7070")
        outputs = session.run(None, {"input": values})     # as onnxruntime.InferenceSession
        result = session.infer(frame)                       # latency, timeline and plan besides

    The first answers come from this machine alone, or from the plan of last time. Meanwhile
    machines and link are measured, and a better plan takes over as soon as it is prepared
    (`wait_ready`). Results are those of the unsplit model whatever the plan.

    It may be used from any thread, also where an event loop runs (notebooks). Inferences are
    carried out one at a time, in the order of the calls. A session belongs to the process that
    made it; close it, or use it as a context manager.

    Args:
        model: an ONNX file, ``zoo:NAME``, a model that is loaded already, or a PyTorch module, of
            which ``options.sample`` is an input.
        edge: ``HOST:PORT`` of the edge server; ``memory:`` for one within this process; None for
            this machine alone.
        plan: how to plan, or a plan made before, which is then the only one.
        machines: what is known of device, edge server and link; the rest is measured. If any is
            given, plans are chosen by prediction, and not by how they turn out here and now.
        frames: how frames lie in memory, and how pixels become values.
        timeout: how long to wait for the edge server.
        options: threads, whether to remember, emulation, a frame to try plans on.
        say: told what is going on, from a thread of the session's.

    Raises:
        ModelError: the model cannot be read.
        FileFormatError: the plan is of another model, or cannot be carried out on it.
        InputError: an address, a request or a format that makes no sense.
    """

    def infer(self, frame: Any) -> Inference:
        """One inference.

        Args:
            frame: pixels (uint8) or values (float32), in the declared `FrameFormat`; numpy views
                and arrays of any memory order are taken. Or an encoded picture: its bytes, or the
                name of its file; where that is quicker, it is sent as it is. For a model of several
                inputs a dictionary of all of them, by name.

        Raises:
            ImageError: the frame is of another type or shape.
            InputError: an input is missing, or the model does not have it.
            PeerError: the edge server refused, vanished or took too long.
            ClosedError: the session is closed.
        """
        begun_s = time.perf_counter()
        return self._answer(self._inputs(frame), begun_s)

    def stream(
        self,
        frames: Iterable[Any],
        *,
        in_flight: int = 3,
        when_full: WhenFull = WhenFull.WAIT,
        waiting: int = 1,
    ) -> Iterator[Inference]:
        """Inferences of frame after frame, which overlap; in the order of the frames.

        ::

            for result in session.stream(camera, when_full=fusepath.WhenFull.LATEST):
                show(result.outputs)

        While the link carries a frame, the device computes the next. Frames are fetched on a
        thread of their own, so a camera is read while results are looked at. Who leaves the loop
        ends the stream.

        Args:
            frames: each as of `infer`; its memory may be used for the next one at once.
            in_flight: frames that are under way, or whose results have not been taken; 1 or more.
            when_full: what becomes of a frame that comes while ``waiting`` others wait.
            waiting: frames that may wait besides.

        Raises:
            InputError: fewer than one in flight, or no place for the latest to wait.
            ClosedError: the session is closed.
            FusepathError: as of `infer`, for the frame whose turn it is; the stream ends with it.
        """
        line = self._line(Flow(in_flight=in_flight, waiting=waiting, when_full=when_full))
        return streamed(line, frames, self._work)

    def submit(self, frame: Any) -> Future[Inference]:
        """Begin an inference that overlaps with others, and do not wait for its result.

        Results are there in the order of the calls. ``options.flow`` says how many frames are under
        way and what becomes of more: the call waits, or the oldest that waits ends with a
        `DroppedError`. What is to be done with a result (`Future.add_done_callback`) is done on a
        thread of the session's, and must not wait for the session.

        Args:
            frame: as of `infer`; its memory may be used for the next one at once.

        Raises:
            ImageError: the frame is of another type or shape.
            InputError: an input is missing, or the model does not have it.
            ClosedError: the session is closed.
        """
        work = self._work(frame)
        while (result := self._submitted.offer(work)) is None:
            self._submitted.room().result()
        result.add_done_callback(self._submitted.taken)
        return result

    def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        run_options: object = None,  # noqa: ARG002 - for calls written for ONNX Runtime
    ) -> list[Array]:
        """Outputs in the order of their names, all without names.

        Called like `onnxruntime.InferenceSession.run`, with the input as the model takes it,
        (1, C, H, W) or (1, H, W, C); uint8 pixels are taken as well.

        Raises:
            InputError: an input or output that the model does not have.
            ImageError: another type or shape than the model takes.
            PeerError: the edge server refused, vanished or took too long.
            ClosedError: the session is closed.
        """
        begun_s = time.perf_counter()
        wanted = self._wanted(output_names)
        outputs = self._answer(self._fed(input_feed), begun_s).outputs
        return [outputs[name] for name in wanted]

    def _answer(self, fed: _Fed, begun_s: float) -> Inference:
        inference: Inference = self._engine.call(self._infer(fed, begun_s))
        return inference

    def wait_ready(self, timeout_s: float | None = None) -> None:
        """Wait until the best plan that can be found is in use.

        Where no frame comes within a second, plans are tried on a made-up one.

        Raises:
            PeerError: the edge server cannot be used; frames are answered by this machine alone.
            InfeasibleError: no plan keeps to the constraints.
            TimeoutError: it takes longer than that.
            ClosedError: the session is closed.
        """
        self._check_open()
        try:
            self._engine.ready.result(timeout_s)
        except TimeoutError:
            if self._engine.ready.done():
                raise  # it was the search that ran out of time
            raise TimeoutError(f"no best plan after {timeout_s} s; wait longer") from None

    def close(self) -> None:
        """End everything that the session has begun; again is no harm."""
        self._finalizer()

    def __enter__(self) -> Session:
        self._check_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncSession(_Held):
    """`Session` for programs that run an event loop of their own; see there.

    ::

        async with fusepath.AsyncSession("net.onnx", edge="192.168.1.20:7070") as session:
            result = await session.infer(frame)
    """

    async def infer(self, frame: Any) -> Inference:
        """One inference; as `Session.infer`."""
        begun_s = time.perf_counter()
        return await self._answer(self._inputs(frame), begun_s)

    def stream(
        self,
        frames: Iterable[Any] | AsyncIterable[Any],
        *,
        in_flight: int = 3,
        when_full: WhenFull = WhenFull.WAIT,
        waiting: int = 1,
    ) -> AsyncIterator[Inference]:
        """Inferences of frame after frame, for ``async for``; as `Session.stream`.

        Frames come on the loop of the program: from an asynchronous iterator, or from one that
        does not block.
        """
        line = self._line(Flow(in_flight=in_flight, waiting=waiting, when_full=when_full))
        return streamed_async(line, frames, self._work)

    async def submit(self, frame: Any) -> asyncio.Future[Inference]:
        """Begin an inference that overlaps with others; as `Session.submit`."""
        work = self._work(frame)
        while (result := self._submitted.offer(work)) is None:
            await asyncio.wrap_future(self._submitted.room())
        result.add_done_callback(self._submitted.taken)
        return asyncio.wrap_future(result)

    async def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        run_options: object = None,  # noqa: ARG002 - for calls written for ONNX Runtime
    ) -> list[Array]:
        """Outputs in the order of their names, all without names; as `Session.run`."""
        begun_s = time.perf_counter()
        wanted = self._wanted(output_names)
        outputs = (await self._answer(self._fed(input_feed), begun_s)).outputs
        return [outputs[name] for name in wanted]

    async def _answer(self, fed: _Fed, begun_s: float) -> Inference:
        work = asyncio.wrap_future(self._engine.submit(self._infer(fed, begun_s)))
        try:
            inference: Inference = await work
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._engine.closed and (task is None or not task.cancelling()):
                raise ClosedError(CLOSED) from None
            raise
        return inference

    async def wait_ready(self, timeout_s: float | None = None) -> None:
        """Wait until the best plan that can be found is in use; as `Session.wait_ready`."""
        self._check_open()
        async with asyncio.timeout(timeout_s):
            await asyncio.shield(asyncio.wrap_future(self._engine.ready))

    async def close(self) -> None:
        """End everything that the session has begun; again is no harm."""
        await asyncio.to_thread(self._finalizer)

    async def __aenter__(self) -> AsyncSession:
        self._check_open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


_TYPES = {
    "float32": "tensor(float)",
    "float64": "tensor(double)",
    "float16": "tensor(float16)",
    "bool": "tensor(bool)",
}


def _info(port: Port | LastOutput) -> TensorInfo:
    kind = _TYPES.get(port.dtype, f"tensor({port.dtype})")
    return TensorInfo(port.name, list(port.shape or ()), kind)
