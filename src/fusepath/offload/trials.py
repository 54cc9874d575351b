"""Which plan to run: made ready, tried, and planned again where machines have changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusepath.errors import InputError, PeerRefusedError
from fusepath.offload.device import Device, Inference, stays_local
from fusepath.plan import predict, recalibrated
from fusepath.remote.limits import RUN_TIMEOUT_S
from fusepath.runtime.edge_share import EdgeTimes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan, Setting
    from fusepath.remote.client import EdgeClient
    from fusepath.timeline import Timeline


TRIALS = 3
_CAUTION, _CAUTION_MEASURED = 1.05, 1.02
"""A plan of several paths must be better by so much than the unsplit network, by prediction or as
measured: of many paths more can be late than of one."""
_TRIALS_S = 3.0
"""Where trials of all plans would take longer, there are fewer or none."""


@dataclass(frozen=True, kw_only=True)
class Emulation:
    """How slow this machine and its link play to be."""

    pace_bytes_per_s: float | None
    slowdown: float
    threads: int
    overlaps: bool = True
    """False: the device sends nothing before it has computed everything."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A plan whose sessions are built, warm and timed on both machines."""

    device: Device
    image: Array
    client: EdgeClient | None
    plan_sha256: str
    predicted: Timeline
    """What the plan will do by the times of its paths, where planning knew only those of layers."""

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.device.plan

    @classmethod
    async def make(
        cls,
        model: Model,
        plan: Plan,
        image: Array,
        client: EdgeClient | None,
        *,
        playing: Emulation,
        say: Callable[[str], None] = lambda _: None,
    ) -> Prepared:
        """Build and warm the sessions.

        Raises:
            PeerError: the edge server refuses the plan or does not answer.
            InputError: the plan needs an edge server.
        """
        say("preparing the sessions")
        digest, times = "", EdgeTimes((0.0,) * len(plan.cuts), 0.0)
        if stays_local(plan, model):
            client = None
        elif client is None:
            raise InputError("this plan needs an edge server; give edge, as HOST:PORT")
        here = asyncio.create_task(asyncio.to_thread(_ready_device, model, plan, image, playing))
        try:
            if client is not None:
                ready = await client.prepare(plan)  # at the same time
                digest, times = ready.sha256, ready.times
        finally:
            await asyncio.wait([here])
        device = here.result()
        predicted = predict(
            model.graph,
            plan,
            device_s=device.expected_s,
            sent_bytes=[device.sent_bytes(path) for path in range(len(plan.cuts))],
            edge_s=times.paths_s,
            tail_s=times.tail_s,
        )
        return cls(
            device=device, image=image, client=client, plan_sha256=digest, predicted=predicted
        )

    async def run(self, *, timeout_s: float = RUN_TIMEOUT_S) -> Inference:
        """One inference.

        Raises:
            PeerError: the edge server refused, vanished or took too long.
        """
        if self.client is None:
            return self.device.run_alone(self.image)
        offset = await self.client.clock_offset()
        return await self.device.run(
            self.image,
            self.client,
            plan_sha256=self.plan_sha256,
            offset=offset,
            timeout_s=timeout_s,
        )


def _ready_device(model: Model, plan: Plan, image: Array, playing: Emulation) -> Device:
    device = Device(
        model=model,
        plan=plan,
        slowdown=playing.slowdown,
        pace_bytes_per_s=playing.pace_bytes_per_s,
        threads=playing.threads,
        overlaps=playing.overlaps,
    )
    device.make_ready(image)
    return device


async def choose(
    model: Model,
    image: Array,
    client: EdgeClient | None,
    setting: Setting,
    plans_for: Callable[[Setting], Sequence[Plan]],
    *,
    playing: Emulation,
    trials: int = TRIALS,
    say: Callable[[str], None] = lambda _: None,
) -> Prepared:
    """Prepare the plans of a setting, and keep the one that turns out quickest in a few trials.

    A profile is of another time than the run. Where the most promising plan's own times show that a
    machine is not what its profile says, all is planned once more for the machine as it is now.

    Without trials, or on a link so slow that they would take long, predictions from the times of
    the plans' very paths decide. One of several paths must be a little better than the unsplit
    network.

    Args:
        model: the network.
        image: its input.
        client: of an edge server, if there is one.
        setting: machines and link.
        plans_for: the plans to choose from for some setting, most promising first.
        playing: how slow this machine and its link play to be.
        trials: of every plan; 0 leaves it to predictions and takes profiles at their word.
        say: told what is going on.

    Raises:
        PeerError: the edge server refuses a plan or does not answer.
        InputError: a plan needs an edge server.
    """
    plans = plans_for(setting)
    prepared = await prepare(model, plans, image, client, playing=playing, say=say)
    plain = next((item for item in prepared if not item.plan.compression), None)
    if trials > 0 and plain is not None:
        now = recalibrated(setting, plain.plan.timeline, plain.predicted)
        if now is not None:
            say("the machines are not as they were measured: planning again")
            known = {plan.arrangement for plan in plans}
            others = [plan for plan in plans_for(now) if plan.arrangement not in known]
            if len(prepared) < len(plans):  # the edge server lacks the codecs
                others = [plan for plan in others if not plan.compression]
            prepared += await prepare(model, others, image, client, playing=playing, say=say)
    return await _quickest(prepared, trials)


async def prepare(
    model: Model,
    plans: Sequence[Plan],
    image: Array,
    client: EdgeClient | None,
    *,
    playing: Emulation,
    say: Callable[[str], None] = lambda _: None,
) -> list[Prepared]:
    """Prepare plans, in their order.

    An edge server need not have every codec: a plan with codecs that it refuses is passed over
    where there are others.

    Raises:
        PeerError: the edge server refuses a plan or does not answer.
        InputError: a plan needs an edge server.
    """
    if len(plans) > 1:
        say(f"rehearsing the {len(plans)} most promising plans")
    prepared: list[Prepared] = []
    for plan in plans:
        try:
            ready = await Prepared.make(model, plan, image, client, playing=playing, say=say)
        except PeerRefusedError as error:
            others = any(not other.compression for other in plans)
            if not (plan.compression and others):
                raise
            say(f"without codecs, for {error}")
        else:
            prepared.append(ready)
    return prepared


async def _quickest(prepared: Sequence[Prepared], trials: int) -> Prepared:
    """The one of least latency in so many trials, or by prediction."""
    if len(prepared) == 1:
        return prepared[0]
    trials = min(int(_TRIALS_S / sum(item.predicted.end_s for item in prepared)), trials)
    if trials == 0:
        latencies_s, caution = [item.predicted.end_s for item in prepared], _CAUTION
    else:
        latencies_s, caution = await _tried(prepared, trials), _CAUTION_MEASURED
    cautious_s = [
        latency_s * (1.0 if item.plan.is_whole else caution)
        for item, latency_s in zip(prepared, latencies_s, strict=True)
    ]
    return prepared[cautious_s.index(min(cautious_s))]


async def _tried(prepared: Sequence[Prepared], trials: int) -> list[float]:
    """The least latency of each over some trials, in turn; what stays here is predicted exactly."""
    least_s = [float("inf") if item.client else item.predicted.end_s for item in prepared]
    for _ in range(trials):
        for place, item in enumerate(prepared):
            if item.client is not None:
                least_s[place] = min(least_s[place], (await item.run()).latency_s)
    return least_s
