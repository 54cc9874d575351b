"""A whole run: network by network, cell by cell; what is measured already is left alone."""

from __future__ import annotations

import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.system.cells import (
    AUTO,
    CODED_NFL,
    NFL,
    PEERS,
    PLAIN_AUTO,
    Cell,
    Entry,
    entries,
)
from benchmarks.system.contenders import Peer, Planned, planned_s, rehearsed
from benchmarks.system.machines import Machines, profile
from benchmarks.system.measure import measure
from fusepath.onnx_io import load_model, original_with_shape
from fusepath.pictures.inputs import load_input
from fusepath.plan import (
    Fit,
    InputFormat,
    Origin,
    PlanRequest,
    Preprocessing,
    fluid_bound_s,
    make_plan,
    shortlist,
)
from fusepath.remote.client import connect
from fusepath.runtime.pixels import to_model_input
from fusepath.runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from benchmarks.system.contenders import Contender
    from benchmarks.system.processes import Hosts, PeerDevice
    from benchmarks.system.results import Results, Row
    from benchmarks.system.timelines import Timelines
    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.remote.client import EdgeClient


FORM = InputFormat()
DRAWN = Path(str(resources.files("fusepath") / "assets" / "demo.png"))
"""What networks are run on where no picture is given."""
NETWORK_S, CELL_S = 25.0, 15.0
"""Roughly: profiling a network and starting its peers; planning and preparing a cell."""
SHORT_ENTRIES = 12
"""Plans of a cell that take about as long as the better of staying and sending."""


class Subject:
    """A network, the picture it is run on, and what the unsplit model says."""

    def __init__(self, network: str, picture: Path = DRAWN) -> None:
        self.model: Model = load_model(f"zoo:{network}")
        self.image: Array = load_input(
            str(picture), self.model.graph.input, pictures=Preprocessing(fit=Fit.STRETCH)
        )
        self.floats: Array = to_model_input(self.image, FORM)
        runner = Runner(original_with_shape(self.model), outputs=self.model.graph.outputs)
        inputs = {self.model.graph.input.name: self.floats}
        self.reference: Mapping[str, Array] = runner.run(inputs)
        started_s = time.perf_counter()
        runner.run(inputs)
        self.unsplit_s = time.perf_counter() - started_s

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Model and picture as files, for programs that know nothing of fusepath."""
        import numpy as np  # noqa: PLC0415 - after the process has its core

        name = self.model.graph.name
        model, image = folder / f"{name}.onnx", folder / f"{name}.npy"
        model.write_bytes(self.model.original)
        np.save(image, self.image)
        return model, image


def estimated_s(subjects: dict[str, Subject], cells: Sequence[Cell], repeats: int) -> float:
    """How long a run takes, roughly, from one inference of each network."""
    total_s = NETWORK_S * len(subjects)
    for cell in cells:
        subject = subjects[cell.network]
        device_s = subject.unsplit_s * cell.slowdown
        raw_s, floats_s = (
            image.nbytes / cell.rate_bytes_per_s + subject.unsplit_s
            for image in (subject.image, subject.floats)
        )
        round_s = device_s + raw_s + floats_s + SHORT_ENTRIES * min(device_s, raw_s)
        total_s += CELL_S + (repeats + 1) * round_s
    return total_s


@dataclass(kw_only=True)
class Campaign:
    """Measures cells and keeps their rows."""

    hosts: Hosts
    results: Results
    timelines: Timelines
    repeats: int
    peers: bool
    console: Console
    done: int = 0

    async def run(self, subject: Subject, cells: Sequence[Cell], *, total: int) -> None:
        """All cells of one network.

        Raises:
            PeerError: an edge server is gone.
            ProgramFailedError: a peer is gone.
        """
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            edge, serial_edge = [
                await stack.enter_async_context(
                    connect(stack.enter_context(self.hosts.edge_server(overlaps=overlaps)))
                )
                for overlaps in (True, False)
            ]
            name = subject.model.graph.name
            self.console.print(f"{name}: profiling both machines")
            machines = await profile(subject.model, subject.image, edge)
            self.console.print(
                f"{name}: device {machines.device.describe()} before it is slowed; "
                f"edge server {machines.edge.describe()}"
            )
            peers: list[PeerDevice] = []
            if self.peers:
                self.console.print(f"{name}: starting the peers, which profile as well")
                files = subject.write(folder)
                peers = [stack.enter_context(self.hosts.peer(peer, *files)) for peer in PEERS]
            for cell in cells:
                started_s = time.perf_counter()
                self.hosts.network.set_rate(cell.rate_bytes_per_s)
                rows = await self._cell(
                    cell, subject, machines, edge, serial_edge, peers=peers, folder=folder
                )
                self.results.add(rows)
                self.done += 1
                self.console.print(
                    f"  {self.done} of {total}  {cell}: {_in_short(rows)}; "
                    f"{time.perf_counter() - started_s:.0f} s"
                )

    async def _cell(
        self,
        cell: Cell,
        subject: Subject,
        machines: Machines,
        edge: EdgeClient,
        serial_edge: EdgeClient,
        *,
        peers: Sequence[PeerDevice],
        folder: Path,
    ) -> list[Row]:
        with self.console.status(f"{cell}: planning") as status:
            raw, floats = (
                machines.setting(subject.model, cell, input_bytes_per_element=size)
                for size in (1, 4)
            )
            offered = machines.codecs(cell)
            planned = entries(raw, floats, source=subject.model.source)
            origin = Origin(source=subject.model.source)
            coded = make_plan(replace(raw, **offered), PlanRequest(algorithm="nfl"), origin).best
            planned.append(Entry(name=CODED_NFL, plan=coded))
            for name, codecs in ((PLAIN_AUTO, {}), (AUTO, offered)):
                status.update(f"{cell}: rehearsing what '{name}' chooses from")
                chosen = await rehearsed(
                    partial(shortlist, origin=origin),
                    replace(raw, **codecs),
                    cell,
                    subject.model,
                    subject.image,
                    edge,
                )
                planned.append(Entry(name=name, plan=chosen))
            distinct: dict[tuple[object, ...], Entry] = {}
            for entry in planned:
                distinct.setdefault(entry.does, entry)
            contenders: list[Contender] = []
            for entry in distinct.values():
                status.update(f"{cell}: preparing {entry.name}")
                image = subject.image if entry.plan.input.dtype == "uint8" else subject.floats
                client = edge if entry.overlaps else serial_edge
                contenders.append(await Planned.make(entry, cell, subject.model, image, client))
            for device in peers:
                status.update(f"{cell}: preparing {device.name}")
                contenders.append(await Peer.make(device, cell, subject.model, folder))
            measured = await measure(
                contenders,
                repeats=self.repeats,
                progress=lambda turn: status.update(f"{cell}: round {turn} of {self.repeats}"),
            )
        records = {item.contender.name: item.record(cell) for item in measured}
        self.timelines.add(
            msgspec.structs.replace(record, plan=entry.name)
            for entry in planned
            if (record := records[distinct[entry.does].name]) is not None
        )
        bound_s = fluid_bound_s(raw)
        rows = {
            item.contender.name: item.row(cell, subject.reference, lower_bound_s=bound_s)
            for item in measured
        }
        return list(_with_the_same(rows, planned, distinct))


def _with_the_same(
    rows: dict[str, Row], planned: Sequence[Entry], distinct: dict[tuple[object, ...], Entry]
) -> Iterator[Row]:
    """Rows of what was run, and of plans that do the same."""
    yield from rows.values()
    for entry in planned:
        ran = distinct[entry.does]
        if ran is not entry:
            yield replace(
                rows[ran.name],
                plan=entry.name,
                same_as=ran.name,
                planned_s=planned_s(entry),
            )


def _in_short(rows: Sequence[Row]) -> str:
    own = {row.plan: row for row in rows}
    shown = [name for name in (NFL, PLAIN_AUTO, AUTO) if name in own]
    return ", ".join(f"{name} {own[name].measured_s * 1e3:.1f} ms" for name in shown)
