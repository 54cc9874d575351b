"""Looking for the best plan while frames are answered: one that needs no measuring, one soon, best.

1. The whole network on this machine; or the plan of last time, which is kept if all is as it was.
2. The whole network on the edge server, which shows how quick that is.
3. Both machines are measured at the same time, each once and no more often than it has to be, and
   what a search finds soon is used.
4. Plans are made with all that a search may spend, prepared and tried. The best takes over for
   good.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from fusepath.errors import (
    FusepathError,
    PeerBusyError,
    PeerError,
    PeerRefusedError,
    UndecidedError,
)
from fusepath.offload.background import seen
from fusepath.offload.device import stays_local
from fusepath.offload.frames import made_up_frame
from fusepath.offload.machines import (
    ASSUMED_LINK,
    ASSUMED_MACHINE,
    Machines,
    edge_as_shown,
    measured_device,
    measured_edge,
    measured_goodput,
    measured_link,
    measured_setting,
    runtime_convention,
)
from fusepath.offload.order import FallbackPolicy
from fusepath.offload.remembered import LastTime, SessionMemory
from fusepath.offload.replanning import hasty
from fusepath.offload.shown import as_shown
from fusepath.offload.trials import TRIALS, Trials, cautious_s, is_of_plan
from fusepath.pictures.frame import PictureFrame, pixels_of
from fusepath.plan import (
    Constraints,
    InputFormat,
    Plan,
    PlanRequest,
    Setting,
    limit_violations,
    make_plan,
    shortlist,
)
from fusepath.profiling.cache import remembered_profile
from fusepath.profiling.codecs import TriedCodecs, named_codecs, try_codecs
from fusepath.profiling.layers import measure_layers
from fusepath.profiling.pictures import measured_source
from fusepath.runtime.allocator import release_free_memory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from fusepath.cost import Link, Machine
    from fusepath.graph import ModelGraph
    from fusepath.offload.order import Order
    from fusepath.offload.pairing import Pairing, Prepared
    from fusepath.onnx_io import Model
    from fusepath.pictures.frame import Frame

logger = logging.getLogger(__name__)

_FIRST_FRAME_S = 1.0
"""How long measuring waits for a frame before it makes do with a made-up one."""
_QUICK_PLANS = 2
"""So many are made before all that a search may spend is spent: one for the machines as they were
measured, one for them as its own times show them."""
_SAME = 0.1
"""Part by which a link may differ from last time, and a plan from what it took then, so that
nothing is planned anew."""
_SLOW_BACK = 0.5
"""What returns is little, as a rule: its way may be so much slower than last time."""


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What need not be measured any more."""

    edge: Machine | None = None
    link: Link | None = None


class PlanSearch:
    """Finds plans for what a session is asked for, and has them used.

    Args:
        order: what is asked for.
        pairing: the machines.
        connect: gives the pairing its edge server.
        use: has a prepared plan answer frames from now on.
        in_use: what answers them until then, if anything does.
    """

    def __init__(
        self,
        order: Order,
        pairing: Pairing,
        connect: Callable[[], Awaitable[None]],
        use: Callable[[Prepared], None],
        in_use: Prepared | None = None,
    ) -> None:
        self._order, self._pairing = order, pairing
        self._connect, self._put_to_use = connect, use
        self._in_use = in_use
        self.learned: Setting | LastTime | None = None
        """What the plan that was found is for; None before, and for a plan that was given."""
        self.local: asyncio.Task[Prepared | None] | None = None
        """Makes this machine ready to do all of it, whatever becomes of the rest; its result is
        None where limits forbid that."""
        self.sample: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        """A frame to try things on: the first one, or what is put here before."""

    async def run(self) -> None:
        """Find the best plan; good ones are used meanwhile.

        Raises:
            FusepathError: there is none, or the edge server failed.
        """
        plan = self._order.plan
        if isinstance(plan, Plan):
            await self._prepare_given(plan)
        else:
            await self._find(plan)
        await self._pairing.background.do(release_free_memory)

    async def _find(self, request: PlanRequest) -> None:
        self.local = asyncio.create_task(self._start_locally(request))
        self.local.add_done_callback(seen)
        if not self._order.edges:
            alone = PlanRequest(algorithm="device-only", constraints=request.constraints)
            await self._choose(alone, _Known())
        elif request.algorithm == "device-only":
            await self._choose(request, _Known())
        else:
            await self._with_edge(request)

    @property
    def known_sample(self) -> Frame | None:
        """The frame that things are tried on, if there is one."""
        return self.sample.result() if self.sample.done() else None

    def give_up(self) -> None:
        """Leave what goes on beside `run`."""
        if self.local is not None:
            self.local.cancel()

    def _use(self, prepared: Prepared) -> None:
        self._in_use = prepared
        self._put_to_use(prepared)

    def _offer(self, prepared: Prepared) -> None:
        """Use a plan if it is predicted to be better than the one in use."""
        if self._in_use is None or cautious_s(prepared) < cautious_s(self._in_use):
            self._use(prepared)

    # ------------------------------------------------------------------ without measuring

    async def _prepare_given(self, plan: Plan) -> None:
        sample = await self._sample_frame(plan.input.dtype)
        limits = plan.request.constraints
        try:
            if not stays_local(plan, self._order.model):
                await self._connect()
            trials = Trials(pairing=self._pairing, sample=sample, say=self._order.say)
            (prepared,) = await trials.prepare([plan])
        except PeerError:
            await self._ready_reserve(limits, sample)
            raise
        await self._pairing.compare_clocks()
        if not prepared.is_local:
            await self._ready_reserve(limits, sample)  # the very first frame may need it
        self._use(prepared)

    async def _start_locally(self, request: PlanRequest) -> Prepared | None:
        """Be able to answer alone, if limits let this machine do all of it."""
        sample = await asyncio.shield(self.sample)
        prepared = await self._ready_alone(request.constraints, sample)
        if prepared is None or self._breaks(prepared.plan, request.constraints):
            return None
        if self._in_use is None:
            self._use(prepared)
        return prepared

    async def _ready_reserve(self, limits: Constraints, sample: Frame) -> None:
        if self._order.options.fallback is not FallbackPolicy.OFF:
            await self._ready_alone(limits, sample)

    async def _ready_alone(self, limits: Constraints, sample: Frame) -> Prepared | None:
        """Make this machine ready to do all of it, for plans or as a reserve, if it may."""
        plan = await self._unsplit("device-only", sample)
        policy = self._order.options.fallback
        broken = limit_violations(plan, self._order.model.graph, _binding(policy, limits))
        self._pairing.forbidden = broken
        may_fall_back = policy is not FallbackPolicy.OFF and not broken
        bound = policy is not FallbackPolicy.ALWAYS
        self._pairing.may_finish = not bound or limits.device_memory_bytes is None
        if not may_fall_back and self._breaks(plan, limits):
            return None
        prepared = self._pairing.reserve or await self._pairing.prepare(plan, sample)
        if may_fall_back:
            self._pairing.reserve = prepared
        return prepared

    async def _unsplit(self, algorithm: str, sample: Frame, link: Link | None = None) -> Plan:
        """A plan that there is but one of, whatever the machines."""
        nominal = _nominal(self._order.model.graph, sample, link, self._order.machines)
        request = PlanRequest(algorithm=algorithm, codecs="off")
        result = await self._pairing.background.aside(
            make_plan, nominal, request, self._order.origin
        )
        return result.best

    def _breaks(self, plan: Plan, limits: Constraints) -> bool:
        return bool(limit_violations(plan, self._order.model.graph, limits))

    # ------------------------------------------------------------------ with an edge server

    async def _with_edge(self, request: PlanRequest) -> None:
        await self._connect()
        sample = await self._sample_frame(self._usual_dtype)
        # The first frame that is split may need it. Besides, messages are timed by what this
        # process computes, and what is rehearsed by the clock.
        assert self.local is not None
        await asyncio.wait([self.local])
        memory = self._memory(request, sample.dtype.name)
        last = await self._pairing.background.do(memory.load, self._order.model.graph)
        if last is None:
            known = _Known(link=await self._look_first(request, sample))
        elif (changed := await self._resume(last, sample)) is None:
            self.learned = last
            return
        else:
            known = changed
        await self._choose(request, known, memory)

    async def _resume(self, last: LastTime, sample: Frame) -> _Known | None:
        """Take up the plan of last time; what of that time still holds, where not all does."""
        try:
            prepared = await self._pairing.prepare(last.plan, sample)
            if last.beside is not None:
                self._pairing.beside = await self._pairing.prepare(last.beside, sample)
        except FusepathError as error:
            logger.info("the plan of last time is of no use: %s", error)
            return _Known(edge=last.edge)
        await self._pairing.compare_clocks()
        self._use(prepared)
        assert self._pairing.client is not None  # it was connected
        rate = self._order.options.emulation.pace_bytes_per_s
        up, down = (rate, rate) if rate else await measured_goodput(self._pairing.client)
        same_link = _is_same(up, last.link.up_bytes_per_s)
        same_link &= down > _SLOW_BACK * last.link.down_bytes_per_s
        if prepared.edge_times.providers != last.providers:
            return _Known()
        same = same_link and _is_same(prepared.predicted.end_s, last.predicted_s)
        return None if same else _Known(edge=last.edge)

    async def _look_first(self, request: PlanRequest, sample: Frame) -> Link:
        """Use the edge server for all of it, if that is better; the link.

        Raises:
            NoPlanError: no plan was found that keeps to the constraints.
            PeerError: the edge server refuses or does not answer.
        """
        machines, pairing = self._order.machines, self._pairing
        assert pairing.client is not None  # it was connected
        link = machines.link
        if link is None:
            self._order.say("measuring the link")
            pace = pairing.emulation.pace_bytes_per_s
            link = await measured_link(pairing.client, pace_bytes_per_s=pace)
        if machines.device is None or machines.edge is None:
            await pairing.compare_clocks()
            await self._offload_all(request, sample, link)
            if request.constraints.limits_choices and not isinstance(sample, PictureFrame):
                await self._check_limits(request, sample, link)
        return link

    async def _offload_all(self, request: PlanRequest, sample: Frame, link: Link) -> None:
        """Have the edge server do everything, if it may."""
        plan = await self._unsplit("full-offload", sample, link)
        if not self._breaks(plan, request.constraints):
            self._offer(await self._pairing.prepare(plan, sample))

    async def _check_limits(self, request: PlanRequest, sample: Frame, link: Link) -> None:
        """Raise soon if there is no plan: whether limits can be met does not depend on machines.

        Where they are hard to keep to, all that a search may spend is spent.

        Raises:
            NoPlanError: no plan was found that keeps to the constraints.
        """
        setting = _nominal(self._order.model.graph, sample, link)
        try:
            await self._plans_for(setting, hasty(request))
        except UndecidedError:
            await self._plans_for(setting, request)

    async def _use_soon(self, request: PlanRequest, setting: Setting, sample: Frame) -> None:
        """Use what is found quickly, and what is then found for the machines that this shows."""
        tried: set[str] = set()
        shown, asked = setting, hasty(request)
        while len(tried) < _QUICK_PLANS:
            result = await self._pairing.background.aside(
                make_plan, shown, asked, self._order.origin
            )
            if not result.plans or result.best.recipe_sha256 in tried:
                return
            tried.add(result.best.recipe_sha256)
            try:
                prepared = await self._pairing.prepare(result.best, sample)
            except PeerRefusedError as error:
                if not is_of_plan(error, result.best):
                    raise
                shown = replace(shown, source=None)  # it may lack the decoder, or the codecs
                asked = msgspec.structs.replace(asked, codecs="off", lossy="off")
            else:
                self._offer(prepared)
                if as_shown(shown, prepared) is shown:
                    return
                shown = as_shown(setting, prepared)

    async def _plans_for(self, setting: Setting, request: PlanRequest) -> list[Plan]:
        return await self._pairing.background.aside(shortlist, setting, request, self._order.origin)

    # ------------------------------------------------------------------ the best

    async def _choose(
        self, request: PlanRequest, known: _Known, memory: SessionMemory | None = None
    ) -> None:
        """Measure, plan, prepare, try, and take the best."""
        order, given = self._order, self._order.machines
        sample = await self._sample_frame(self._usual_dtype)
        setting = shown = await self._measured(request, known, sample)
        if given.all_measured:  # or machines are taken at their word
            if self._pairing.client is not None:
                await self._use_soon(request, setting, sample)
            if self._in_use is not None:
                shown = as_shown(setting, self._in_use)
        self.learned = shown
        trials = Trials(pairing=self._pairing, sample=sample, say=order.say, offer=self._offer)
        best = await trials.choose(
            shown,
            partial(shortlist, request=request, origin=self._order.origin),
            trials=TRIALS if given.all_measured else 0,
        )
        await self._pairing.compare_clocks()
        self._pairing.beside = trials.beside(best)
        self._use(best)
        if memory is not None:
            kept = LastTime(
                edge=setting.edge,
                providers=best.edge_times.providers,
                link=setting.link,
                offered={name: list(codecs) for name, codecs in setting.offered.items()},
                offered_back={name: list(codecs) for name, codecs in setting.offered_back.items()},
                plan=best.plan,
                predicted_s=best.predicted.end_s,
                beside=None if self._pairing.beside is None else self._pairing.beside.plan,
            )
            await self._pairing.background.do(memory.keep, kept)

    async def _measured(self, request: PlanRequest, known: _Known, sample: Frame) -> Setting:
        """Machines, link and codecs: what is not known is measured, both machines at a time."""
        order, pairing, given = self._order, self._pairing, self._order.machines
        machines = Machines(
            device=given.device, edge=given.edge or known.edge, link=given.link or known.link
        )
        profiler = remembered_profile if order.options.remember else measure_layers
        edge = asyncio.create_task(measured_edge(pairing, machines, order.say))
        edge.add_done_callback(seen)
        try:
            device = await measured_device(pairing, machines, profiler, order.say)
            tried = await self._try_codecs(request, sample)
            machines = replace(machines, device=device, edge=await edge)
        except PeerBusyError:
            raise
        except PeerRefusedError as error:  # it may infer and nothing more
            order.say(f"{error}: it is taken to be like this machine, but as quick as it shows")
            whole = await pairing.prepare(await self._unsplit("full-offload", sample), sample)
            alike = replace(_nominal(order.model.graph, sample), device=device, edge=device)
            machines = replace(machines, device=device, edge=edge_as_shown(whole, alike))
        finally:
            edge.cancel()
        setting = await measured_setting(pairing, machines, sample.dtype.name, profiler, order.say)
        setting = tried.on(setting)
        if not isinstance(sample, PictureFrame):
            return setting
        order.say("decoding the picture")
        source = await pairing.background.do(
            measured_source, order.model, sample, self._form(sample), setting
        )
        return replace(setting, source=source)

    async def _try_codecs(self, request: PlanRequest, sample: Frame) -> TriedCodecs:
        codecs = named_codecs(request.codecs, request.lossy)
        if not codecs or self._pairing.client is None:
            return TriedCodecs()
        self._order.say("trying codecs on the input and on what layers make of it")
        return await self._pairing.background.do(
            _codecs_on, self._order.model, sample, self._form(sample), codecs
        )

    @property
    def _usual_dtype(self) -> str:
        """Of frames, while none has come: pixels, if the model may take them."""
        source = self._order.model.graph.input
        return "uint8" if source.is_float else source.dtype

    def _form(self, sample: Frame) -> InputFormat:
        frames = self._order.frames
        return InputFormat(dtype=sample.dtype.name, mean=frames.mean, std=frames.std)

    def _memory(self, request: PlanRequest, dtype: str) -> SessionMemory:
        order = self._order
        if not (order.options.remember and order.machines.all_measured):
            return SessionMemory(None)
        assert self._pairing.client is not None  # it was connected
        return SessionMemory.of_user(
            order.model.graph,
            self._pairing.client.address,
            request=repr(request),
            input=(dtype, order.frames.mean, order.frames.std, _kind(self.known_sample)),
            emulation=order.options.emulation,
            execution=order.options.execution,
        )

    async def _sample_frame(self, dtype: str) -> Frame:
        """A frame of the application's, or after a while a made-up one."""
        if not self.sample.done() and not isinstance(self._order.plan, Plan):
            await asyncio.wait([self.sample], timeout=_FIRST_FRAME_S)
        if self.sample.done():
            return self.sample.result()
        made_up = made_up_frame(self._order.model.graph.input.shape, dtype)
        if not isinstance(self._order.plan, Plan):
            self.sample.set_result(made_up)
        return made_up


def _codecs_on(
    model: Model, sample: Frame, form: InputFormat, codecs: Sequence[str]
) -> TriedCodecs:
    return try_codecs(model, pixels_of(sample), form, codecs=codecs)


def _kind(sample: Frame | None) -> object:
    """What frames come as: equal where plans for one of them are plans for the other."""
    return (sample.chain, sample.file.size) if isinstance(sample, PictureFrame) else "array"


def _nominal(
    graph: ModelGraph, sample: Frame, link: Link | None = None, given: Machines = Machines()
) -> Setting:
    """For what does not depend on how quick machines are."""
    return Setting(
        graph=graph,
        device=given.device or ASSUMED_MACHINE,
        edge=given.edge or ASSUMED_MACHINE,
        link=link or given.link or ASSUMED_LINK,
        convention=runtime_convention(sample.dtype.name),
    )


def _binding(policy: FallbackPolicy, limits: Constraints) -> Constraints:
    """Those limits of plans that bind a fall-back."""
    match policy:
        case FallbackPolicy.OFF | FallbackPolicy.ALWAYS:
            return Constraints()
        case FallbackPolicy.WITHIN_MEMORY:
            return Constraints(device_memory_bytes=limits.device_memory_bytes)
        case FallbackPolicy.WITHIN_LIMITS:
            return limits


def _is_same(one: float, other: float) -> bool:
    return abs(one - other) <= _SAME * other
