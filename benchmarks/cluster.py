"""An edge server whose paths two machines compute, by Ray, beside one: outputs, a loss, and time.

    python -m benchmarks.cluster      # as root, with the extra ray

Two network namespaces on a core each hold a node of a Ray cluster with one processor; the edge
server and a device that has nothing to compute are on the first. Told is whether outputs are bit
for bit those of one machine, what plans take with two nodes, with the second one killed, and with
another one in its place, how soon that one has work, and what became of inferences while the second
was killed. A plan for one worker is the network as a whole; for two, the best one of two tiles.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import statistics
import subprocess
import sys
import time
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.system.network import (
    DEVICE_ADDRESS,
    EDGE_ADDRESS,
    command_inside,
    inside,
    two_hosts,
)
from fusepath import jsonfile
from fusepath.cost import RUNTIME, ComputeRate, parse_link
from fusepath.onnx_io import load_model
from fusepath.plan import Origin, PlanRequest, Setting, make_plan
from fusepath.protocol.framing import Begin, Piece, Result
from fusepath.remote import tensors
from fusepath.remote.client import EdgeClient, Timeout
from fusepath.remote.grpc_channel import GrpcChannel
from fusepath.runtime.device_share import DeviceShare
from fusepath.runtime.edge_share import EdgeShare
from fusepath.tiling import Grid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.system.network import Network
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan

NETWORK = "zoo:vgg16?weights=integer"
WIRE_BYTES_PER_S = 1e9
RAY_PORT, SERVER = 6399, f"{DEVICE_ADDRESS}:7070"
STORE_BYTES = 1_500_000_000
"""Of each node: the weights of the network, and what goes between nodes."""
LEFT_S = 60.0
LOSES_AFTER, GOES_ON = 4, 8
"""Inferences until the second node is killed, and behind."""


@dataclass
class Asked:
    """A plan, the device's messages, and what comes of them on one machine."""

    name: str
    plan: Plan
    pieces: list[list[Any]]
    expected: dict[str, Any]

    @classmethod
    def of(cls, name: str, model: Model, plan: Plan) -> Asked:
        """All of it computed here once."""
        device, edge = DeviceShare(model, plan.recipe), EdgeShare(model, plan.recipe)
        image = np.random.default_rng(0).integers(0, 256, model.graph.input.shape, np.uint8)
        fused, pieces = edge.new_fused(), []
        for path in range(len(plan.cuts)):
            packed = device.pack(path, device.compute(path, image))
            pieces.append(tensors.to_send(packed))
            edge.compute(path, packed, fused)
        return cls(name, plan, pieces, edge.compute_tail(fused))


def plans(model: Model) -> list[Asked]:
    """The network as a whole, and in two tiles that two workers compute at the same time."""
    setting = Setting(
        graph=model.graph,
        device=ComputeRate(1e9),
        edge=ComputeRate(1e11),
        link=parse_link("1000MB/s"),
        convention=msgspec.structs.replace(RUNTIME, edge_workers=2),
    )
    asked = []
    for name, request in (
        ("one worker: whole", PlanRequest(algorithm="full-offload")),
        ("two workers: 2x1 tiles", PlanRequest(algorithm="mw", grid=Grid(2, 1))),
    ):
        plan = make_plan(setting, request, Origin(source=model.source)).best
        asked.append(Asked.of(name, model, plan))
    return asked


# ---------------------------------------------------------------------------- the cluster


def ray(namespace: str, core: int, *options: str) -> subprocess.Popen[bytes]:
    """A node of one processor in a namespace, which ends when it is told to."""
    program = str(Path(sys.executable).with_name("ray"))
    command = [program, "start", "--block", "--num-cpus=1", "--disable-usage-stats"]
    command += [f"--object-store-memory={STORE_BYTES}", *options]
    return subprocess.Popen(
        command_inside(namespace, core, *command),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def head(network: Network) -> subprocess.Popen[bytes]:
    """The first node."""
    return ray(
        *(network.device, first_core(), "--head", f"--port={RAY_PORT}"),
        *(f"--node-ip-address={DEVICE_ADDRESS}", "--include-dashboard=false"),
    )


def second(network: Network) -> subprocess.Popen[bytes]:
    """The second node."""
    return ray(
        *(network.edge, last_core(), f"--address={DEVICE_ADDRESS}:{RAY_PORT}"),
        f"--node-ip-address={EDGE_ADDRESS}",
    )


def kill(namespace: str) -> None:
    """All that runs in a namespace, at once and without a word."""
    listed = subprocess.run(
        ["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True
    )
    for process in map(int, listed.stdout.split()):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def first_core() -> int:
    """That of the first node, the edge server and the device."""
    return min(os.sched_getaffinity(0))


def last_core() -> int:
    """That of the second node."""
    return max(os.sched_getaffinity(0))


@contextmanager
def serving(network: Network) -> Iterator[subprocess.Popen[str]]:
    """An edge server that is part of the cluster."""
    command = [sys.executable, "-m", "fusepath", "serve", "--listen", SERVER, "--insecure"]
    command += ["--ray", f"{DEVICE_ADDRESS}:{RAY_PORT}", "--no-cache", "--grace", "1", "--json"]
    inside_it = command_inside(network.device, first_core(), *command)
    with subprocess.Popen(
        inside_it, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], words: str, times: int = 1) -> None:
    """Until the edge server has logged something so many times."""
    assert process.stderr is not None
    for line in process.stderr:
        times -= words in line
        if not times:
            return
    raise click.ClickException(f"the edge server ended before it said '{words}'")


# ---------------------------------------------------------------------------- a device


async def infer(client: EdgeClient, asked: Asked) -> float:
    """Seconds of an inference.

    Raises:
        ClickException: its outputs are others than those of one machine.
    """
    begun_s = time.perf_counter()
    request = client.infer(LEFT_S)
    try:
        digest, (first, *others) = asked.plan.recipe_sha256, asked.pieces
        await request.send(Begin(request.number, 1, digest, request.left_us, first))
        for path, piece in enumerate(others, start=2):
            await request.send(Piece(request.number, path, piece))
        result = await request.read()
    finally:
        request.give_up()
    taken_s = time.perf_counter() - begun_s
    assert isinstance(result, Result)
    for name, tensor in zip(sorted(asked.expected), result.tensors, strict=True):
        if bytes(tensor.data) != np.ascontiguousarray(asked.expected[name]).tobytes():
            raise click.ClickException(f"{asked.name}: '{name}' is another one than here")
    return taken_s


def row(nodes: str, asked: Asked, taken_s: list[float]) -> dict[str, object]:
    """What is told of some inferences."""
    return {
        "nodes": nodes,
        "plan": asked.name,
        "median_ms": round(statistics.median(taken_s) * 1e3, 1),
        "least_ms": round(min(taken_s) * 1e3, 1),
        "most_ms": round(max(taken_s) * 1e3, 1),
    }


async def measured(
    client: EdgeClient, nodes: str, every: list[Asked], repeats: int
) -> list[dict[str, object]]:
    """All plans in turns."""
    taken_s: dict[str, list[float]] = {asked.name: [] for asked in every}
    for _ in range(repeats):
        for asked in every:
            taken_s[asked.name].append(await infer(client, asked))
    return [row(nodes, asked, taken_s[asked.name]) for asked in every]


async def device(
    network: Network, server: subprocess.Popen[str], every: list[Asked], repeats: int
) -> list[dict[str, object]]:
    """All that is measured."""
    async with AsyncExitStack() as stack:
        channel = await GrpcChannel.open(SERVER, timeout_s=20)
        stack.push_async_callback(channel.close)
        client = EdgeClient(channel, Timeout(connect_s=20, prepare_s=120))
        for asked in every:
            await client.prepare(asked.plan)
            await infer(client, asked)
        rows = await measured(client, "two", every, repeats)
        tiles = every[-1]
        taken_s = [await infer(client, tiles) for _ in range(LOSES_AFTER)]
        inference = asyncio.create_task(infer(client, tiles))
        await asyncio.sleep(min(taken_s) / 4)  # both are computing
        kill(network.edge)
        taken_s += [await inference] + [await infer(client, tiles) for _ in range(GOES_ON)]
        rows.append(row("two, then one killed under an inference", tiles, taken_s))
        rows += await measured(client, "one", every, repeats)
        begun_s = time.perf_counter()
        second(network)
        await asyncio.to_thread(wait_for, server, "node joined")
        joined = f"two again, after {time.perf_counter() - begun_s:.1f} s"
        rows += await measured(client, joined, every, repeats)
    return rows


@click.command()
@click.option("--repeats", type=int, default=7, show_default=True, help="Of every plan.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def main(repeats: int, as_json: bool) -> None:
    """Measure an edge server on two nodes of a Ray cluster."""
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    every = plans(load_model(NETWORK))
    with two_hosts() as network:
        network.set_rate(WIRE_BYTES_PER_S)
        head(network)
        time.sleep(4)
        second(network)
        time.sleep(3)
        with serving(network) as server:
            wait_for(server, "node joined", 2)
            with inside(network.device):
                rows = asyncio.run(device(network, server, every, repeats))
    if as_json:
        click.echo(jsonfile.encode({"rows": rows}).decode())
        return
    table = Table(*rows[0])
    for found in rows:
        table.add_row(*map(str, found.values()))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
