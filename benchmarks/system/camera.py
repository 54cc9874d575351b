"""Pictures between two hosts, measured: auto beside the file that is forwarded, and others.

64 cells: four networks, devices 8 and 20 times slower than this machine, four link rates, and two
sources: a JPEG file of 640x480 at quality 80, and pixels at the network's size. Each has another of
twelve photographs. ``--stated`` takes 16 of them: squeezenet and tiny-yolov2, 1.8 and 12 MB/s.
Beside fusepath's plans stand two programs without it (peers/): the file in one gRPC call, decoded
by Pillow on the server, and lossless WebP. Every result is compared with the unsplit model's on the
decoded picture. A cell's rows are kept as it ends: interrupted, the same command goes on.
UltraFace has the weights of the file that FUSEPATH_ULTRAFACE names, or random ones.

python -m benchmarks.system.camera [--stated] [--minutes 2] [--show]         needs root
"""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from PIL import Image

from benchmarks.int8_hosts import kept
from benchmarks.models.measure import load
from benchmarks.photographs import photographs
from benchmarks.rows import append_rows, read_rows
from benchmarks.system.cells import Cell, Entry
from benchmarks.system.contenders import Peer, Planned, rehearsed
from benchmarks.system.machines import profile_without_codecs
from benchmarks.system.measure import measure
from benchmarks.system.network import NetworkUnavailableError, inside, two_hosts
from benchmarks.system.processes import Hosts, ProgramFailedError
from fusepath.errors import FusepathError
from fusepath.offload.verify import run_unsplit
from fusepath.pictures.decoding import PictureFile
from fusepath.pictures.frame import PictureFrame, pixels_of
from fusepath.pictures.inputs import load_input
from fusepath.plan import (
    Fit,
    InputFormat,
    Origin,
    PlanRequest,
    Preprocessing,
    make_plan,
    shortlist,
)
from fusepath.profiling.pictures import measured_source
from fusepath.remote.client import connect

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from benchmarks.system.contenders import Contender
    from benchmarks.system.machines import Machines
    from benchmarks.system.measure import Measured
    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.pictures.frame import Frame
    from fusepath.plan import Plan
    from fusepath.remote.client import EdgeClient

NETWORKS = ("squeezenet", "tiny-yolov2", "mobilenetv2", "ultraface")
SLOWDOWNS = (8.0, 20.0)
RATES_MB_PER_S = (1.1, 1.8, 3.0, 12.0)
SOURCES = ("file", "pixels")
STATED_NETWORKS, STATED_RATES = NETWORKS[:2], (1.8, 12.0)
FILE_SIZE, FILE_QUALITY = (640, 480), 80
CHAIN = Preprocessing(fit=Fit.CROP)
FORM = InputFormat()
REPEATS = 7
BAR = 1.03
AUTO = "auto"
PLANS = {"device only": "device-only", "lossless": "full-offload", "NFL, codecs": "nfl"}
RESULTS = Path(__file__).parents[1] / "results" / "system-camera.csv"


@dataclass(frozen=True, slots=True)
class Scene:
    """A cell, what its picture is, and which photograph it shows."""

    cell: Cell
    source: str
    photograph: Path

    @property
    def key(self) -> tuple[str, float, float, str]:
        """Tells it from others."""
        return self.cell.network, self.cell.slowdown, self.cell.rate_mb_per_s, self.source


@dataclass(frozen=True, kw_only=True)
class Row:
    """One contender in a scene."""

    network: str
    slowdown: float
    rate_mb_per_s: float
    source: str
    photograph: str
    plan: str
    choice: str
    measured_s: float
    q1_s: float
    q3_s: float
    n: int
    up_bytes: int
    verified: bool
    max_rel_error: float

    @property
    def key(self) -> tuple[str, float, float, str]:
        """As of `Scene`."""
        return self.network, self.slowdown, self.rate_mb_per_s, self.source

    @property
    def spread_s(self) -> float:
        """Half of what lies between the quartiles."""
        return (self.q3_s - self.q1_s) / 2


def scenes() -> list[Scene]:
    """All 64, stated before any is measured."""
    shown = itertools.cycle(photographs())
    return [
        Scene(Cell(network, slowdown, rate), source, photograph)
        for (network, slowdown, rate, source), photograph in zip(
            itertools.product(NETWORKS, SLOWDOWNS, RATES_MB_PER_S, SOURCES), shown, strict=False
        )
    ]


def is_stated(scene: Scene) -> bool:
    """Whether a scene is one of the 16."""
    return scene.cell.network in STATED_NETWORKS and scene.cell.rate_mb_per_s in STATED_RATES


class Pictures:
    """A scene's picture: as fusepath takes it, and as a file for the peers."""

    def __init__(self, scene: Scene, model: Model, folder: Path) -> None:
        target = model.graph.input
        if scene.source == "pixels":
            self.frame: Frame = load_input(scene.photograph, target, pictures=CHAIN)
            self.file = folder / "pixels.npy"
            np.save(self.file, self.frame)
            return
        with Image.open(scene.photograph) as opened:
            picture = opened.convert("RGB").resize(FILE_SIZE, Image.Resampling.BICUBIC)
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=FILE_QUALITY)
        self.file = folder / "picture.jpg"
        self.file.write_bytes(stream.getvalue())
        self.frame = PictureFrame.of(PictureFile(stream.getvalue()), CHAIN, target)

    @property
    def peers(self) -> tuple[str, ...]:
        """Who can do something with it."""
        sends_file = ("forward_file",) if self.file.suffix == ".jpg" else ()
        return (*sends_file, "lossless_webp")


async def plans(
    scene: Scene, model: Model, machines: Machines, edge: EdgeClient, picture: Pictures
) -> dict[str, Plan]:
    """Of a scene, by name: what `auto` chooses once it is rehearsed, and the others."""
    cell, frame, origin = scene.cell, picture.frame, Origin(source=model.source)
    setting = machines.setting(model, cell, input_bytes_per_element=1)
    setting = replace(setting, **machines.codecs(cell))
    if isinstance(frame, PictureFrame):
        setting = replace(setting, source=measured_source(model, frame, FORM, setting))
    chosen = await rehearsed(partial(shortlist, origin=origin), setting, cell, model, frame, edge)
    others = {
        name: make_plan(setting, PlanRequest(algorithm=algorithm), origin).best
        for name, algorithm in PLANS.items()
    }
    return {AUTO: chosen, **others}


async def measured_rows(
    scene: Scene,
    model: Model,
    machines: Machines,
    edge: EdgeClient,
    picture: Pictures,
    peers: Iterable[Peer],
) -> list[Row]:
    """A scene's: what does the same is run once, and has a row for each of its names."""
    pixels = pixels_of(picture.frame)
    # As `fusepath run` does: what codecs save is known of the picture at hand.
    chosen = await plans(scene, model, machines.with_codecs_for(model, pixels), edge, picture)
    runs: dict[str, Contender] = {}
    for name, plan in chosen.items():
        if plan.recipe_sha256 not in runs:
            entry = Entry(name=name, plan=plan)
            runs[plan.recipe_sha256] = await Planned.make(
                entry, scene.cell, model, picture.frame, edge
            )
    measured = await measure([*runs.values(), *peers], repeats=REPEATS, progress=lambda _: None)
    reference = run_unsplit(model, pixels, FORM)
    rows = {item.contender.name: _row(scene, item, reference) for item in measured}
    same = {name: rows[runs[plan.recipe_sha256].name] for name, plan in chosen.items()}
    return [replace(row, plan=name) for name, row in (rows | same).items()]


def _row(scene: Scene, measured: Measured, reference: Mapping[str, Array]) -> Row:
    found = asdict(measured.row(scene.cell, reference, lower_bound_s=0.0))
    known = {item.name for item in fields(Row)}
    return Row(
        source=scene.source,
        photograph=scene.photograph.stem,
        **{name: value for name, value in found.items() if name in known},
    )


def _source(network: str) -> str:
    """Where a network comes from."""
    if network == "ultraface":
        return os.environ.get("FUSEPATH_ULTRAFACE", network)
    return f"zoo:{network}"


async def run(network: str, todo: Sequence[Scene], hosts: Hosts, until_s: float) -> bool:
    """Scenes of a network until it is time, one at least; whether all were measured."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / f"{network}.onnx"
        model = kept(load(_source(network)), file)
        address = stack.enter_context(hosts.edge_server(models=folder))
        edge = await stack.enter_async_context(connect(address))
        machines = await profile_without_codecs(model, edge)
        for scene in todo:
            if scene is not todo[0] and time.monotonic() > until_s:
                return False
            hosts.network.set_rate(scene.cell.rate_bytes_per_s)
            picture = Pictures(scene, model, folder)
            with ExitStack() as started:
                devices = [
                    started.enter_context(hosts.peer(name, file, picture.file))
                    for name in picture.peers
                ]
                peers = [await Peer.make(device, scene.cell, model, folder) for device in devices]
                rows = await measured_rows(scene, model, machines, edge, picture, peers)
            append_rows(RESULTS, Row, rows)
            click.echo(
                f"{scene.cell}, {scene.source}: {_in_short(read_rows(RESULTS, Row), scene)}",
                err=True,
            )
    return True


def judged(rows: Sequence[Row]) -> Iterator[tuple[Row, Row, bool]]:
    """By scene: auto, the best of the others, and whether auto keeps to the bar but for spread.

    One of the others may be what auto has chosen, under its own name.
    """
    for key in dict.fromkeys(row.key for row in rows):
        own = {row.plan: row for row in rows if row.key == key}
        auto = own.pop(AUTO)
        best = min(own.values(), key=lambda row: row.measured_s, default=auto)
        yield auto, best, auto.measured_s - auto.spread_s - best.spread_s <= BAR * best.measured_s


def _in_short(rows: Sequence[Row], scene: Scene) -> str:
    ((auto, best, kept_to),) = judged([row for row in rows if row.key == scene.key])
    verdict = "" if kept_to else ", BEYOND"
    return (
        f"auto {auto.measured_s * 1e3:.1f} ms, {best.plan} {best.measured_s * 1e3:.1f} ms{verdict}"
    )


def show(rows: Sequence[Row]) -> bool:
    """A line a scene; whether all keep to the bar, and every result was right."""
    verdicts = list(judged(rows))
    for auto, best, kept_to in verdicts:
        print(
            f"{auto.network:12} {auto.slowdown:3g}x {auto.rate_mb_per_s:4g} MB/s {auto.source:7}"
            f"{auto.measured_s * 1e3:7.1f} ±{auto.spread_s * 1e3:4.1f}  {best.plan:22}"
            f"{best.measured_s * 1e3:7.1f} ±{best.spread_s * 1e3:4.1f}"
            f"{'' if kept_to else '  beyond'}"
        )
    for source in dict.fromkeys(auto.source for auto, _, _ in verdicts):
        gains = [
            best.measured_s / auto.measured_s for auto, best, _ in verdicts if auto.source == source
        ]
        mean = statistics.geometric_mean(gains)
        print(f"the best of the others over auto, from {source}: {mean:.3f}")
    verified = all(row.verified for row in rows)
    beyond = sum(not kept_to for _, _, kept_to in verdicts)
    print(
        f"{len(verdicts)} scenes, {beyond} beyond {BAR} by more than the spread; "
        f"{'every result' if verified else 'NOT every result'} is the unsplit model's"
    )
    return verified and not beyond


@click.command(help=__doc__)
@click.option("--stated", is_flag=True, help="The 16 that are stated.")
@click.option("--minutes", type=float, default=60.0, help="End after so many, to go on later.")
@click.option("--show", "only_show", is_flag=True, help="Measure nothing.")
def main(stated: bool, minutes: float, only_show: bool) -> None:
    """Measure what is missing, and show it all."""
    wanted = [scene for scene in scenes() if is_stated(scene) or not stated]
    there = {row.key for row in read_rows(RESULTS, Row)}
    todo = [] if only_show else [scene for scene in wanted if scene.key not in there]
    if todo:
        measure_all(todo, time.monotonic() + 60 * minutes)
    names = {scene.key for scene in wanted}
    sys.exit(0 if show([row for row in read_rows(RESULTS, Row) if row.key in names]) else 1)


def measure_all(todo: Sequence[Scene], until_s: float) -> None:
    """Two hosts, and a network at a time on them."""
    with ExitStack() as stack:
        try:
            network = stack.enter_context(two_hosts())
        except NetworkUnavailableError as error:
            raise click.ClickException(f"skipped: {error}") from error
        hosts = Hosts.apart(network)
        stack.enter_context(inside(network.device))
        try:
            for name in dict.fromkeys(scene.cell.network for scene in todo):
                own = [scene for scene in todo if scene.cell.network == name]
                if not asyncio.run(run(name, own, hosts, until_s)):
                    click.echo("not all is measured; the same command goes on …", err=True)
                    break
        except (FusepathError, NetworkUnavailableError, ProgramFailedError) as error:
            raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
