"""One model, one input, one edge server: plan, run, compare with the unsplit model."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from fusepath.cost import RUNTIME, Link
from fusepath.errors import InfeasibleError, InputError
from fusepath.offload.device import Inference, check_image, median_of, stays_local
from fusepath.offload.trials import TRIALS, Emulation, choose, prepare
from fusepath.onnx_io import original_with_shape
from fusepath.plan import (
    ALGORITHMS,
    DEFAULT_REQUEST,
    InputFormat,
    Origin,
    PlanRequest,
    Setting,
    limit_violations,
    shortlist,
)
from fusepath.profiling.codecs import measured_compression, named_codecs
from fusepath.profiling.layers import measure_layers
from fusepath.remote.client import connect
from fusepath.remote.limits import RUN_TIMEOUT_S
from fusepath.runtime.compare import Comparison, compare
from fusepath.runtime.pixels import to_model_input
from fusepath.runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.arrays import Array
    from fusepath.cost import Convention, Machine
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan
    from fusepath.profiling.layers import Profiler
    from fusepath.remote.client import EdgeClient
    from fusepath.timeline import Timeline


_LOCAL_BYTES_PER_S = 1e9
"""What a link may be taken for that nothing will be sent over."""


@dataclass(frozen=True, kw_only=True)
class Machines:
    """What the caller knows already; what is None is measured."""

    device: Machine | None = None
    edge: Machine | None = None
    link: Link | None = None
    profiler: Profiler = measure_layers
    """Measures the device."""

    @property
    def nothing(self) -> bool:
        """Whether all of it is measured."""
        return self.device is None and self.edge is None and self.link is None


@dataclass(frozen=True, kw_only=True)
class Report:
    """A plan and what it did."""

    plan: Plan
    predicted: Timeline
    """From the times of the plan's very paths, measured when it was prepared."""
    runs: list[Inference]
    comparison: Comparison | None

    @property
    def median(self) -> Inference:
        """The run of median latency."""
        return median_of(self.runs)


def runtime_convention(image: Array) -> Convention:
    """The runtime's convention for an input: a uint8 image travels as uint8."""
    return msgspec.structs.replace(RUNTIME, input_bytes_per_element=image.dtype.itemsize)


def run_unsplit(model: Model, image: Array, form: InputFormat) -> dict[str, Array]:
    """Outputs of the original, untouched model on this machine."""
    runner = Runner(original_with_shape(model), outputs=model.graph.outputs)
    return runner.run({model.graph.input.name: to_model_input(image, form)})


def run(
    model: Model,
    image: Array,
    *,
    edge: str | None,
    plan: Plan | None = None,
    request: PlanRequest = DEFAULT_REQUEST,
    given: Machines = Machines(),
    pace_bytes_per_s: float | None = None,
    slowdown: float = 1.0,
    repeats: int = 1,
    verify: bool = False,
    threads: int = 1,
    mean: tuple[float, ...] = (0.0,),
    std: tuple[float, ...] = (255.0,),
    timeout_s: float = RUN_TIMEOUT_S,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Run a model split between this machine and an edge server.

    Without a plan, device, edge server and link are measured unless given, and the algorithm plans
    for them.

    Args:
        model: the network.
        image: its input, (1, C, H, W), uint8 or float32.
        edge: ``HOST:PORT`` of the edge server; None for a plan that keeps everything here.
        plan: a plan made before.
        request: how to plan otherwise; a plan that was made before must keep to its constraints.
        given: machines and link that need not be measured. If any is given, plans are chosen by
            prediction, and not by how they turn out here and now.
        pace_bytes_per_s: play a link of this rate.
        slowdown: play a device slower by this factor.
        repeats: inferences.
        verify: compare with the unsplit model on this machine.
        threads: threads of one operator on this machine.
        mean: of a uint8 image's pixels, subtracted.
        std: divides them.
        timeout_s: deadline of one inference.
        say: told what is going on.

    Raises:
        ImageError: the image does not fit.
        PeerError: the edge server cannot be used.
        InfeasibleError: no plan keeps to the constraints.
        InputError: an edge server is needed and not given, or the plan does not fit.
    """
    return asyncio.run(
        _run(
            model,
            image,
            edge=edge,
            plan=plan,
            planning=_Planning(
                request=request,
                codecs=named_codecs(request.codecs),
                given=given,
                origin=Origin(source=model.source, mean=mean, std=std),
            ),
            playing=Emulation(
                pace_bytes_per_s=pace_bytes_per_s, slowdown=slowdown, threads=threads
            ),
            repeats=repeats,
            verify=verify,
            timeout_s=timeout_s,
            say=say,
        )
    )


@dataclass(frozen=True, kw_only=True)
class _Planning:
    request: PlanRequest
    codecs: list[str]
    given: Machines
    origin: Origin


async def _run(
    model: Model,
    image: Array,
    *,
    edge: str | None,
    plan: Plan | None,
    planning: _Planning,
    playing: Emulation,
    repeats: int,
    verify: bool,
    timeout_s: float,
    say: Callable[[str], None],
) -> Report:
    if plan is not None:
        plan.check(model.graph)
        check_image(image, model, plan)
        if wrong := limit_violations(plan, model.graph, planning.request.constraints):
            raise InfeasibleError(f"the plan breaks the constraints: {'; '.join(wrong)}")
    elif planning.request.algorithm not in ALGORITHMS:
        raise InputError(
            f"there is no algorithm '{planning.request.algorithm}'; known ones are "
            f"{', '.join(ALGORITHMS)}"
        )
    needs_edge = (
        not stays_local(plan, model)
        if plan is not None
        else planning.request.algorithm != "device-only"
    )
    async with AsyncExitStack() as stack:
        client = None
        if needs_edge:
            if edge is None:
                raise InputError("this plan needs an edge server; give edge, as HOST:PORT")
            client = await stack.enter_async_context(connect(edge))
        if plan is not None:
            (prepared,) = await prepare(model, [plan], image, client, playing=playing, say=say)
        else:
            setting = await measured_setting(
                model,
                image,
                client,
                given=planning.given,
                pace_bytes_per_s=playing.pace_bytes_per_s,
                slowdown=playing.slowdown,
                threads=playing.threads,
                say=say,
            )
            origin = planning.origin
            form = InputFormat(dtype=image.dtype.name, mean=origin.mean, std=origin.std)
            if planning.codecs:
                say("trying codecs on the input and on what layers make of it")
            offered = measured_compression(model, image, form, setting, codecs=planning.codecs)
            prepared = await choose(
                model,
                image,
                client,
                replace(setting, offered=offered),
                lambda setting: shortlist(setting, planning.request, planning.origin),
                playing=playing,
                trials=TRIALS if planning.given.nothing else 0,
                say=say,
            )
        plan = prepared.plan
        runs = [await prepared.run(timeout_s=timeout_s) for _ in range(repeats)]
    comparison = None
    if verify:
        reference = run_unsplit(model, image, plan.input)
        comparisons = [compare(item.outputs, reference) for item in runs]
        comparison = max(comparisons, key=lambda item: (not item.bit_equal, item.max_rel_error))
    return Report(plan=plan, predicted=prepared.predicted, runs=runs, comparison=comparison)


async def measured_setting(
    model: Model,
    image: Array,
    client: EdgeClient | None,
    *,
    given: Machines = Machines(),
    pace_bytes_per_s: float | None = None,
    slowdown: float = 1.0,
    threads: int = 1,
    say: Callable[[str], None] = lambda _: None,
) -> Setting:
    """Machines and link as they are, or as they are played; what is given is not measured.

    Raises:
        PeerError: the edge server refuses or does not answer.
    """
    device = given.device
    if device is None:
        say("measuring every layer on this machine")
        device = given.profiler(model, threads=threads).slowed(slowdown)
    machine = given.edge
    if machine is None and client is not None:
        say(f"measuring every layer on {client.address}")
        machine = await client.profile(model)
    link = given.link
    if link is None and client is not None:
        say("measuring the link")
        link = await measured_link(client, pace_bytes_per_s=pace_bytes_per_s)
    return Setting(
        graph=model.graph,
        device=device,
        edge=machine if machine is not None else device,
        link=link or Link(up_bytes_per_s=_LOCAL_BYTES_PER_S, down_bytes_per_s=_LOCAL_BYTES_PER_S),
        convention=runtime_convention(image),
    )


async def measured_link(client: EdgeClient, *, pace_bytes_per_s: float | None = None) -> Link:
    """The link to an edge server: its rate, unless one is played, and what messages cost.

    Raises:
        PeerError: the edge server does not answer.
    """
    rate = pace_bytes_per_s or await client.goodput_bytes_per_s()
    costs = await client.message_costs()
    link = costs.on(Link(up_bytes_per_s=rate, down_bytes_per_s=rate))
    if pace_bytes_per_s is not None:  # what is played carries tensors and nothing else
        link = msgspec.structs.replace(link, message_bytes=0)
    return link
