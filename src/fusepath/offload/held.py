"""What both kinds of session share: the engine they hold, and how frames come to it."""

from __future__ import annotations

import copy
import os
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np

from fusepath.errors import ClosedError, InputError
from fusepath.offload.connection import parse_edges
from fusepath.offload.engine import Engine
from fusepath.offload.frames import FrameFormat, by_name, fed_inputs, parted
from fusepath.offload.inference import Asked, one_after_the_other
from fusepath.offload.line import Flow, Line
from fusepath.offload.loop_thread import CLOSED
from fusepath.offload.machines import Machines, check_provider
from fusepath.offload.order import Order, SessionOptions
from fusepath.offload.outputs import OwnerOutputs
from fusepath.onnx_io import Model, from_torch, is_module, load_model
from fusepath.pictures.frame import pixels_of
from fusepath.plan import (
    ENERGY_IS_PLANNED,
    LATENCY,
    InputFormat,
    Plan,
    PlanRequest,
    check_plan,
    check_request,
    of_stream,
)
from fusepath.profiling.codecs import named_codecs
from fusepath.remote.client import Timeout
from fusepath.runtime.pixels import check_form
from fusepath.runtime.runner import usable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from fusepath.arrays import Array
    from fusepath.offload.inference import Inference
    from fusepath.offload.rotating import PlansInTurn
    from fusepath.offload.statistics import Statistics
    from fusepath.onnx_io import LastOutput, Port
    from fusepath.pictures.frame import Frame
    from fusepath.plan import StreamObjective
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
class Fed:
    """What an inference is made of, in normal form."""

    images: list[Frame]
    companions: dict[str, Array]
    outputs: Sequence[str]
    """Those of the model that are wanted."""


class Held:
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
        for name, given, kind in (
            ("machines", machines, Machines),
            ("frames", frames, FrameFormat),
            ("timeout", timeout, Timeout),
            ("options", options, SessionOptions),
        ):
            if not isinstance(given, kind):
                raise InputError(
                    f"{name} {given!r} is no {kind.__name__}; leave it out, or make one"
                )
        if is_module(model):
            self.model, options = _exported(model, options)
        elif isinstance(model, Model | str | os.PathLike):
            self.model = model if isinstance(model, Model) else load_model(os.fspath(model))
        else:
            raise InputError(
                f"model {model!r} is neither a path, nor zoo:NAME, nor a Model or PyTorch module"
            )
        options = replace(options, providers=usable(options.execution).providers)
        check_provider(machines.device, options.execution)
        graph = self.model.graph
        if not isinstance(plan, Plan | PlanRequest):
            raise InputError(f"plan {plan!r} is neither a PlanRequest nor a Plan")
        edges = parse_edges(edge)
        check_form(InputFormat(mean=frames.mean, std=frames.std), self.model)
        if isinstance(plan, Plan):
            check_plan(plan, graph)
        else:
            check_request(plan)
            plan.constraints.check(graph)
            named_codecs(plan.codecs, plan.lossy)
        objective: StreamObjective = LATENCY
        if isinstance(plan, PlanRequest):
            if plan.constraints.device_energy_j is not None:
                raise InputError(ENERGY_IS_PLANNED)
            objective, plan = (
                of_stream(plan.objective),
                msgspec.structs.replace(plan, objective=LATENCY),
            )
        self._frames = frames = frames.for_plan(plan)
        if options.sample is not None and not is_module(model):
            sample = frames.to_inputs(options.sample, self.model)[0]
            pixels_of(sample)  # or every frame would fail for it
            options = replace(options, sample=sample)
        self._outputs = OwnerOutputs(self.model)
        self._reuses = options.reuse
        self._engine = Engine(
            Order(
                model=self.model,
                edges=edges,
                plan=plan,
                machines=machines,
                frames=frames,
                timeout=timeout,
                options=options,
                say=say,
                objective=objective,
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
        """What the next frame will do with the plan in use, if it is alone.

        It is the middle of the last frames: of each piece of work the median beginning and end. For
        the first ones it comes from a rehearsal of the plan's very paths on both machines.
        """
        return self._engine.predicted

    @property
    def plans_in_turn(self) -> PlansInTurn | None:
        """The plans that frames of a stream take in turn, where an objective asks for that.

        None before there are any, and while link or machines are other than they are for: frames
        take `plan` then.
        """
        return self._engine.plans_in_turn

    @property
    def statistics(self) -> Statistics:
        """What was done so far: counts, latencies, bytes, by plan."""
        return self._engine.counter.statistics()

    def story(self, frames: int = 1) -> list[str]:
        """What happened in the last frames that the edge server had a part in, and of late with it.

        A line for each event with what was done for it; paths are 0-based. The last 16 frames
        are kept.

        Raises:
            InputError: ``frames`` is no number of frames.
        """
        if isinstance(frames, bool) or not isinstance(frames, Integral) or frames < 0:
            raise InputError(f"frames {frames!r} is no number of frames; give one from 0 on")
        return self._engine.story(frames)

    @property
    def is_ready(self) -> bool:
        """Whether the best plan that could be found is in use."""
        ready = self._engine.ready
        return ready.done() and ready.exception() is None

    def _check_open(self) -> None:
        if self._engine.closed:
            raise ClosedError(CLOSED)

    def _inputs(self, frame: Any, outputs: Sequence[str] | None) -> Fed:
        self._check_open()
        wanted = self._wanted(outputs)
        image, companions = parted(by_name(frame, self.model), self.model)
        return Fed(self._frames.to_inputs(image, self.model), companions, wanted)

    def _fed(self, feed: Mapping[str, Any], outputs: Sequence[str] | None) -> Fed:
        """The inputs of a feed by name, in the model's own layout."""
        self._check_open()
        wanted = self._wanted(outputs)
        image, companions = parted(feed, self.model)
        return Fed([*fed_inputs(np.asarray(image), self.model)], companions, wanted)

    def _line(self, flow: Flow) -> Line:
        self._check_open()
        line = Line(flow, self._engine.loop.submit, self._engine.counter.drop)
        self._engine.end_with_it(line)
        return line

    def _work(
        self, frame: Any, outputs: Sequence[str] | None = None
    ) -> Callable[[], Coroutine[Any, Any, Inference]]:
        """What is to be done for a frame that overlaps with others.

        Applications may use its memory for the next one meanwhile, as cameras do.
        """
        fed = self._inputs(frame, outputs)
        given = list(frame.values()) if isinstance(frame, Mapping) else [frame]
        owned = Fed(
            [_owned(image, given) for image in fed.images],
            {name: _owned(value, given) for name, value in fed.companions.items()},
            fed.outputs,
        )
        return lambda: self._infer(owned, time.perf_counter(), overlapping=True)

    async def _infer(self, fed: Fed, begun_s: float, *, overlapping: bool = False) -> Inference:
        """One inference after the other; the outputs as the model's owner knows them."""
        outputs = self._outputs.of_network(fed.outputs)
        asked = Asked(fed.companions, outputs, self._reuses)
        infer = partial(self._engine.infer, asked=asked, overlapping=overlapping)
        if self._outputs.are_those_of_the_network:
            return await infer(fed.images[0], begun_s)
        done = []
        for image in fed.images:
            done.append(await infer(image, begun_s))
            begun_s = time.perf_counter()
        together = done[0] if len(done) == 1 else one_after_the_other(done)
        made = [inference.outputs for inference in done]
        return replace(together, outputs=await self._outputs.of(made, fed.outputs))

    def _wanted(self, output_names: Sequence[str] | None) -> Sequence[str]:
        return wanted_outputs(self.model, output_names)


def wanted_outputs(model: Model, names: Sequence[str] | None) -> Sequence[str]:
    """Outputs of a model by their names; all without.

    Raises:
        InputError: the model does not have one.
    """
    outputs = model.output_names
    wanted = tuple(names) if names else outputs
    if unknown := [name for name in wanted if name not in outputs]:
        raise InputError(
            f"the model has no output '{unknown[0]}'; its outputs are {', '.join(outputs)}"
        )
    return wanted


def waited_in_vain(timeout_s: float | None) -> TimeoutError:
    """Of `wait_ready`, where it takes longer than that."""
    return TimeoutError(f"no best plan after {timeout_s} s; wait longer")


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
    if isinstance(options.sample, tuple | list):
        raise InputError(
            "sample is a frame; of a module with several inputs make the model with "
            "fusepath.from_torch(module, (x, y)), and a session of that"
        )
    sample = np.asarray(options.sample)
    model = from_torch(module, sample.astype(np.float32) if sample.dtype == np.uint8 else sample)
    return model, replace(options, sample=fed_inputs(sample, model)[0])


_TYPES = {
    "float32": "tensor(float)",
    "float64": "tensor(double)",
    "float16": "tensor(float16)",
    "bool": "tensor(bool)",
}


def _info(port: Port | LastOutput) -> TensorInfo:
    kind = _TYPES.get(port.dtype, f"tensor({port.dtype})")
    return TensorInfo(port.name, list(port.shape or ()), kind)
