"""What quantising a network gains between two hosts: measured latency, int8 over float32.

Both models are planned by `auto` without codecs from profiles of both hosts, made ready, and run in
turn on one picture; every result is compared with the unsplit model's. Needs root, as the system
benchmark does.

    python -m benchmarks.int8_hosts [zoo:resnet18 ssd-mobilenet …]
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.int8 import PICTURE, REQUEST, pair
from benchmarks.system.cells import Cell, Entry
from benchmarks.system.contenders import Planned
from benchmarks.system.machines import RATE
from benchmarks.system.network import inside, two_hosts
from benchmarks.system.processes import Hosts
from fusepath.offload.machines import measured_link
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import load_model
from fusepath.pictures.inputs import load_input
from fusepath.plan import Fit, Origin, Preprocessing, Setting, make_plan
from fusepath.profiling.layers import measure_layers
from fusepath.remote.client import connect

if TYPE_CHECKING:
    from fusepath.onnx_io import Model
    from fusepath.remote.client import EdgeClient

NETWORKS = ("zoo:resnet18", "zoo:mobilenetv2", "ssd-mobilenet", "yolov8n", "ultraface")
CELLS = tuple((slower, rate) for slower in (4.0, 16.0) for rate in (1.1, 2.0, 3.0))
"""How much slower the device is, and MB/s of the link."""
REPEATS = 9
KINDS = ("float32", "int8")


async def contender(name: str, model: Model, cell: Cell, client: EdgeClient) -> Planned:
    """The best plan of a model in a cell, ready to run."""
    picture = load_input(PICTURE, model.graph.input, pictures=Preprocessing(fit=Fit.STRETCH))
    link = (await measured_link(client)).at(RATE).at(cell.rate_bytes_per_s)
    setting = Setting(
        graph=model.graph,
        device=measure_layers(model).slowed(cell.slowdown),
        edge=await client.profile(model),
        link=link,
    )
    plan = make_plan(setting, REQUEST, Origin(source=model.source)).best
    return await Planned.make(Entry(name=name, plan=plan), cell, model, picture, client)


async def compare(name: str, hosts: Hosts) -> None:
    """Measure both models of a network in every cell; one line for each."""
    with TemporaryDirectory() as folder:
        models = tuple(
            kept(model, Path(folder, f"{kind}.onnx"))
            for kind, model in zip(KINDS, pair(name), strict=True)
        )
        with hosts.edge_server(models=Path(folder)) as address:
            await _cells(name, models, hosts, address)


async def _cells(name: str, models: tuple[Model, ...], hosts: Hosts, address: str) -> None:
    async with connect(address) as client:
        for slowdown, rate in CELLS:
            cell = Cell(name, slowdown, rate)
            hosts.network.set_rate(cell.rate_bytes_per_s)
            rivals = [
                await contender(kind, model, cell, client)
                for kind, model in zip(KINDS, models, strict=True)
            ]
            await _measure(cell, models, rivals)


def kept(model: Model, path: Path) -> Model:
    """The same model from a file, of which the edge server has the same."""
    model.save(path)
    return load_model(str(path))


async def _measure(cell: Cell, models: tuple[Model, ...], rivals: list[Planned]) -> None:
    taken_s: list[list[float]] = [[] for _ in rivals]
    equal = True
    for turn in range(REPEATS + 1):
        for model, rival, seconds in zip(models, rivals, taken_s, strict=True):
            begun_s = time.perf_counter()
            inference = await rival.pairing.infer(rival.prepared, rival.image)
            if turn > 0:
                seconds.append(time.perf_counter() - begun_s)
            elif rival.name == "int8":
                expected = run_unsplit(model, rival.image, rival.prepared.plan.input)
                equal = all(
                    np.array_equal(inference.outputs[output], values)
                    for output, values in expected.items()
                )
    floats, integers = (1e3 * np.percentile(each, (50, 25, 75)) for each in taken_s)
    plans = " / ".join(f"{rival.prepared.plan.family}, {rival.choice}" for rival in rivals)
    print(
        f"| {cell.network} | {cell.slowdown:g} | {cell.rate_mb_per_s:g} "
        f"| {floats[0]:.1f} ({floats[1]:.1f}–{floats[2]:.1f}) "
        f"| {integers[0]:.1f} ({integers[1]:.1f}–{integers[2]:.1f}) "
        f"| {integers[0] / floats[0]:.2f} | {'yes' if equal else 'NO'} | {plans} |",
        flush=True,
    )


def main() -> None:
    """Print a table."""
    print(
        "| network | device slower by | MB/s | float32, ms | int8, ms | int8/float32 "
        "| int8 bit-equal | plans |"
    )
    print("|---|---:|---:|---:|---:|---:|---|---|")
    with two_hosts() as network:
        hosts = Hosts.apart(network)
        with inside(network.device):
            for name in sys.argv[1:] or NETWORKS:
                asyncio.run(compare(name, hosts))


if __name__ == "__main__":
    main()
