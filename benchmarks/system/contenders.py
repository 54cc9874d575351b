"""Whatever can be run on a cell's picture and timed from picture to result."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np

from benchmarks.system.cells import PEER_LABELS
from fusepath.offload.emulation import Emulation
from fusepath.offload.pairing import Pairing, Prepared
from fusepath.offload.trials import Trials
from fusepath.tiling import Strips
from fusepath.timeline import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from benchmarks.system.cells import Cell, Entry
    from benchmarks.system.processes import PeerDevice
    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan, Setting
    from fusepath.remote.client import EdgeClient
    from fusepath.timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run."""

    latency_s: float
    outputs: Mapping[str, Array]
    up_bytes: int
    device_macs: int | None
    timeline: Timeline | None = None
    """Of fusepath's own plans."""


class Contender(Protocol):
    """Ready to run."""

    name: str
    choice: str
    planned_s: float | None
    predicted_s: float | None
    predicted: Timeline | None
    prepare_s: float

    async def run(self) -> Outcome:
        """From the picture to the result on the device."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A fusepath plan."""

    name: str
    choice: str
    planned_s: float | None
    predicted_s: float | None
    prepare_s: float
    predicted: Timeline
    """Step by step."""
    pairing: Pairing
    prepared: Prepared
    image: Array

    @classmethod
    async def make(
        cls, entry: Entry, cell: Cell, model: Model, image: Array, client: EdgeClient
    ) -> Planned:
        """Build the sessions on both sides; the time that takes is kept."""
        pairing = _pairing(cell, model, client, overlaps=entry.overlaps)
        started_s = time.perf_counter()
        prepared = await pairing.prepare(entry.plan, image)
        prepare_s = time.perf_counter() - started_s
        predicted = _predicted(entry, prepared)
        return cls(
            name=entry.name,
            choice=describe(entry),
            planned_s=planned_s(entry),
            predicted_s=_latency_s(entry, predicted),
            prepare_s=prepare_s,
            predicted=predicted,
            pairing=pairing,
            prepared=prepared,
            image=image,
        )

    async def run(self) -> Outcome:
        """Timed around all that an inference needs; comparing clocks is for the chart alone."""
        await self.pairing.compare_clocks()
        started_s = time.perf_counter()
        inference = await self.pairing.infer(self.prepared, self.image)
        latency_s = time.perf_counter() - started_s
        return Outcome(
            latency_s=latency_s,
            outputs=inference.outputs,
            up_bytes=inference.up_bytes,
            device_macs=inference.device_macs,
            timeline=inference.timeline,
        )


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A program that knows nothing of fusepath."""

    name: str
    choice: str
    planned_s: float | None
    predicted_s: float | None
    prepare_s: float
    device: PeerDevice
    output_file: Path
    outputs: tuple[str, ...]
    """What the model calls them, in its order."""
    predicted: None = None

    @classmethod
    async def make(cls, device: PeerDevice, cell: Cell, model: Model, folder: Path) -> Peer:
        """Let it choose and build what it needs for a cell."""
        started_s = time.perf_counter()
        answer = await asyncio.to_thread(
            device.ask,
            do="prepare",
            slowdown=cell.slowdown,
            rate_bytes_per_s=cell.rate_bytes_per_s,
        )
        return cls(
            name=PEER_LABELS[device.name],
            choice=answer["choice"],
            planned_s=answer.get("predicted_s"),
            predicted_s=answer.get("predicted_s"),
            prepare_s=time.perf_counter() - started_s,
            device=device,
            output_file=folder / f"{device.name}.npz",
            outputs=model.output_names,
        )

    async def run(self) -> Outcome:
        """It times itself, from the picture to the result."""
        # In a thread, so that fusepath's connections are kept alive meanwhile.
        answer = await asyncio.to_thread(self.device.ask, do="run", output=str(self.output_file))
        with np.load(self.output_file) as file:
            outputs = dict(zip(self.outputs, file.values(), strict=True))
        return Outcome(
            latency_s=answer["latency_s"],
            outputs=outputs,
            up_bytes=answer["up_bytes"],
            device_macs=None,
        )


async def rehearsed(
    plans_for: Callable[[Setting], Sequence[Plan]],
    setting: Setting,
    cell: Cell,
    model: Model,
    image: Array,
    client: EdgeClient,
) -> Plan:
    """What ``fusepath run`` would carry out: what turns out best of the shortlist."""
    pairing = _pairing(cell, model, client, overlaps=True)
    best = await Trials(pairing=pairing, sample=image).choose(setting, plans_for)
    pairing.close()
    return best.plan


def _pairing(cell: Cell, model: Model, client: EdgeClient, *, overlaps: bool) -> Pairing:
    emulation = Emulation(slowdown=cell.slowdown, overlaps=overlaps)
    return Pairing(model=model, client=client, emulation=emulation)


def _predicted(entry: Entry, prepared: Prepared) -> Timeline:
    """By the times of a plan's paths; without overlap nothing arrives beside what is computed."""
    if entry.overlaps:
        return prepared.predicted
    return prepared.predicted_on(msgspec.structs.replace(entry.plan.link, receive_s_per_byte=0.0))


def planned_s(entry: Entry) -> float:
    """What an entry is planned to take."""
    return _latency_s(entry, entry.plan.timeline)


def _latency_s(entry: Entry, timeline: Timeline) -> float:
    if entry.overlaps:
        return timeline.end_s
    return sum(timeline.busy_s(lane) for lane in Lane)


def describe(entry: Entry) -> str:
    """A plan in a few characters; without overlap, the name of the one that has it."""
    plan = entry.plan
    if entry.serial_of:
        return entry.serial_of
    cuts = sorted(set(plan.cuts))
    if not plan.arrangement.is_split:
        return f"cut {cuts[0]} of {plan.tau}"
    strips = isinstance(plan.arrangement, Strips)
    shape = f"{len(plan.cuts)} strips" if strips else str(plan.grid)
    return f"{shape} to layer {plan.tau}, cuts {'/'.join(map(str, cuts))}"
