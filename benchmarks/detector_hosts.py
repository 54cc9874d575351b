"""What splitting gains a detector between two hosts, where staying takes as long as sending.

The device is this machine, stretched until it takes as long alone as sending the picture takes:
the crossover, where splitting has most to gain. What is stretched is all that the device
computes, also what a call and a strip cost whatever they compute; messages are not. Disturbances
are stretched as well, so that every plan is made ready a few times, and the quickest counts. A
photograph goes through device only, full offload, the best single cut (NFL) and `auto`, without
codecs and with them, in turn; every result is held against the unsplit model's. Needs root, as
the system benchmark does.

    python -m benchmarks.detector_hosts [--timeline] [FILE.onnx yolov8n …]
"""

from __future__ import annotations

import asyncio
import statistics
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from benchmarks.int8_hosts import kept
from benchmarks.models.measure import load
from benchmarks.photographs import photographs, pixels
from benchmarks.system.cells import AUTO, DEVICE_ONLY, NFL, PLAIN_AUTO, RAW, Cell, Entry
from benchmarks.system.contenders import Planned, rehearsed
from benchmarks.system.machines import profile
from benchmarks.system.measure import Measured, measure
from benchmarks.system.network import inside, two_hosts
from benchmarks.system.processes import Hosts
from benchmarks.system.timelines import show
from fusepath.offload.verify import measured_reference
from fusepath.plan import (
    InputFormat,
    Origin,
    PlanRequest,
    fluid_bound_s,
    make_plan,
    shortlist,
)
from fusepath.profiling.profile import Settings, profile_machine
from fusepath.remote.client import connect

if TYPE_CHECKING:
    from benchmarks.system.machines import Machines
    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import Setting
    from fusepath.remote.client import EdgeClient

NETWORKS = ("ultraface", "yolov8n")
ALONE = {DEVICE_ONLY: "device-only", RAW: "full-offload", NFL: "nfl"}
AUTOS = (PLAIN_AUTO, AUTO)
REPEATS = 9
PROBE_RUNS = 5
READY = 3
"""How often every plan is made ready, in turn."""
NEAR, CORRECTIONS = 0.02, 3
"""How near to the crossover is near enough, and how often the device is slowed anew: machines that
are shared are quicker or slower by some percent from one half minute to the next."""
_LEAST_STRETCH = 1.01
"""Of a device whose quickest run counts, as of one that is stretched further."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network, its picture, and the edge server that has it."""

    model: Model
    image: Array
    machines: Machines
    client: EdgeClient

    def setting(self, cell: Cell) -> Setting:
        """A cell as planners see it, without codecs."""
        return self.machines.setting(self.model, cell, input_bytes_per_element=1)

    def alone(self, name: str, cell: Cell) -> Entry:
        """One of the plans that need no search; without codecs."""
        request = PlanRequest(algorithm=ALONE[name], codecs="off")
        plan = make_plan(self.setting(cell), request, self._origin).best
        return Entry(name=name, plan=plan)

    async def auto(self, name: str, cell: Cell) -> Entry:
        """What turns out best of the shortlist, with codecs or without."""
        offered = self.machines.codecs(cell) if name == AUTO else {}
        plan = await rehearsed(
            partial(shortlist, origin=self._origin),
            replace(self.setting(cell), **offered),
            *(cell, self.model, self.image, self.client),
        )
        return Entry(name=name, plan=plan)

    async def sent_s(self, cell: Cell) -> float:
        """Seconds of full offload, measured."""
        sends = await self.ready([self.alone(RAW, cell)], cell)
        (sent,) = await measure(sends, repeats=PROBE_RUNS, progress=lambda _: None)
        return median_s(sent)

    async def stays_s(self, cell: Cell) -> float:
        """Seconds that the device takes alone."""
        (stays,) = await self.ready([self.alone(DEVICE_ONLY, cell)], cell)
        return stays.predicted.end_s

    async def ready(self, entries: list[Entry], cell: Cell) -> list[Planned]:
        """Sessions built and rehearsed, of every entry where that was least disturbed."""
        make = partial(Planned.make, model=self.model, image=self.image, client=self.client)
        turns = [[await make(entry, cell) for entry in entries] for _ in range(READY)]
        return [
            min(same, key=lambda planned: planned.predicted.end_s)
            for same in zip(*turns, strict=True)
        ]

    @property
    def _origin(self) -> Origin:
        return Origin(source=self.model.source)


def median_s(measured: Measured) -> float:
    """Of its runs."""
    return statistics.median(outcome.latency_s for outcome in measured.outcomes)


async def compare(
    name: str, hosts: Hosts, *, rates: list[float], slower: list[float], timeline: bool
) -> bool:
    """Measure a network on every link and device; whether every result was right."""
    verified = True
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        model = kept(load(name), folder / f"{Path(name).stem}.onnx")
        address = stack.enter_context(hosts.edge_server(models=folder))
        client = await stack.enter_async_context(connect(address))
        _, _, rows, columns = model.graph.input.shape
        image = pixels(photographs()[0], rows=rows, columns=columns)
        careful = profile_machine(model, Settings(held_out=False)).profile
        machines = replace(await profile(model, image, client), device=careful)
        subject = Subject(model=model, image=image, machines=machines, client=client)
        for rate in rates:
            hosts.network.set_rate(rate * 1e6)
            cell = Cell(model.graph.name, _LEAST_STRETCH, rate)
            sent_s = await subject.sent_s(cell)
            for factor in slower:
                verified &= await _cell(subject, cell, factor * sent_s, timeline=timeline)
    return verified


def _slowed(cell: Cell, stays_s: float, alone_s: float) -> Cell:
    """The cell whose device takes so long alone, where it has taken so long in this one."""
    return replace(cell, slowdown=cell.slowdown * alone_s / stays_s)


async def _cell(subject: Subject, cell: Cell, alone_s: float, *, timeline: bool) -> bool:
    """Measure on a device that takes so long alone; whether every result was right."""
    cell = _slowed(cell, await subject.stays_s(cell), alone_s)
    entries = [subject.alone(name, cell) for name in ALONE]
    entries += [await subject.auto(name, cell) for name in AUTOS]
    contenders = await subject.ready(entries, cell)
    for _ in range(CORRECTIONS):
        stays_s = contenders[0].predicted.end_s
        if abs(stays_s / alone_s - 1) <= NEAR:
            break
        cell = _slowed(cell, stays_s, alone_s)
        contenders = await subject.ready(entries, cell)
    measured = await measure(contenders, repeats=REPEATS, progress=lambda _: None)
    reference = measured_reference(subject.model, subject.image, InputFormat())
    verified = all(
        reference.judge(outcome.outputs).passed for item in measured for outcome in item.outcomes
    )
    median_ms = {item.contender.name: 1e3 * median_s(item) for item in measured}
    bound_ms = 1e3 * fluid_bound_s(subject.setting(cell))
    plans = "; ".join(item.choice for item in contenders if item.name in (NFL, *AUTOS))
    click.echo(
        f"| {cell.network} | {cell.rate_mb_per_s:g} | {cell.slowdown:.1f} | "
        + " | ".join(_with_quartiles(item) for item in measured)
        + f" | {median_ms[NFL] / median_ms[PLAIN_AUTO]:.2f} "
        f"| {median_ms[NFL] / median_ms[AUTO]:.2f} | {median_ms[NFL] / bound_ms:.2f} "
        f"| {'yes' if verified else 'NO'} | {plans} |"
    )
    if timeline:
        _show_timelines(measured, cell)
    return verified


def _with_quartiles(measured: Measured) -> str:
    times_ms = [1e3 * outcome.latency_s for outcome in measured.outcomes]
    low, middle, high = statistics.quantiles(times_ms, n=4, method="inclusive")
    return f"{middle:.1f} ({low:.1f}–{high:.1f})"


def _show_timelines(measured: list[Measured], cell: Cell) -> None:
    from rich.console import Console  # noqa: PLC0415 - heavy

    for item in measured:
        record = item.record(cell)
        if record is not None:
            show(record, Console(width=120))


@click.command()
@click.argument("networks", nargs=-1)
@click.option("--rate", "rates", multiple=True, type=float, default=(1.8,), help="MB/s each way.")
@click.option(
    "--slower",
    multiple=True,
    type=float,
    default=(1.0,),
    help="Device, in terms of that at the crossover.",
)
@click.option("--timeline", is_flag=True, help="Also what was predicted, and what happened.")
def main(
    networks: tuple[str, ...], rates: tuple[float, ...], slower: tuple[float, ...], timeline: bool
) -> None:
    """Print a table; networks are files or families of the model benchmark."""
    names = (*ALONE, *AUTOS)
    click.echo(
        "| network | MB/s | device slower by | "
        + " | ".join(f"{name}, ms" for name in names)
        + " | NFL/auto, no codecs | NFL/auto | NFL/bound | verified | plans |"
    )
    click.echo("|---|---:|---:|" + "---:|" * (len(names) + 3) + "---|---|")
    verified = True
    with two_hosts() as network:
        hosts = Hosts.apart(network)
        with inside(network.device):
            for name in networks or NETWORKS:
                verified &= asyncio.run(
                    compare(name, hosts, rates=[*rates], slower=[*slower], timeline=timeline)
                )
    raise SystemExit(0 if verified else 1)


if __name__ == "__main__":
    main()
