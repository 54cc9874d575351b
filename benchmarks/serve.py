"""What an edge server does for many devices at once, and for one beside others that mean no good.

    make bench-serve
    python -m benchmarks.serve --seconds 4

Devices are connections of one process beside the server's, on loopback, so both share the machine:
what a device computes is left out, its one message is made before. Loads are an open loop (200
devices, 2 inferences a second each), closed loops of 16 and 64 devices, three times as much as the
server can do, and a bystander of one inference after the other beside a profile that is measured or
given up, 40 streams that say nothing, 40 that read nothing, 40 that do the same and read, 40 that
write a byte at a time, and 10,000 connections on which nothing happens.
Rounds beside streams begin when these have sent what they send, and take turns with rounds alone.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import subprocess
import sys
import time
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click
import grpc
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.raw_http2 import idle_connections, slow_writers
from fusepath import jsonfile
from fusepath.cost import ComputeRate, parse_link
from fusepath.errors import PeerBusyError
from fusepath.onnx_io import load_model
from fusepath.plan import Origin, PlanRequest, Setting, make_plan
from fusepath.protocol.framing import WIRE_VERSION, Begin, Hello, Result, encode
from fusepath.remote import grpc_channel
from fusepath.remote.client import EdgeClient, Timeout
from fusepath.remote.limits import STREAM_METHOD
from fusepath.remote.tensors import to_send
from fusepath.runtime.device_share import DeviceShare

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from fusepath.plan import Plan
    from fusepath.protocol.framing import RawTensor

SMALL, USUAL, LARGE = "zoo:squeezenet?size=32", "zoo:squeezenet", "zoo:vgg16"
LEFT_S = 60.0
STREAMS, EACH, CONNECTIONS = 40, 8, 10_000
SETTLES_S = 1.0
"""Between rounds, until the server has seen that streams have ended."""
DEVICES = 64
FAIR_S = 20.0
"""At least, for what each of so many gets: where each has three, one less is a third less."""
MEASURING_S = 8.0
"""After which the network has been made, and layers are measured."""
BESIDE_S, ROUNDS = 6.0, 5


@dataclass
class Load:
    """A plan that is prepared, and its one message."""

    plan: Plan
    tensors: list[RawTensor]

    @classmethod
    def of(cls, source: str) -> Load:
        """All of a network on the edge server."""
        model = load_model(source)
        setting = Setting(
            graph=model.graph,
            device=ComputeRate(1e9),
            edge=ComputeRate(1e12),
            link=parse_link("1000MB/s"),
        )
        request = PlanRequest(algorithm="full-offload")
        plan = make_plan(setting, request, Origin(source=model.source)).best
        image = np.zeros(model.graph.fed_shape, dtype=plan.input.dtype)
        return cls(plan, to_send(DeviceShare(model, plan.recipe).compute(0, image)))


@dataclass
class Seen:
    """What one device has seen."""

    taken_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    errors: int = 0


async def infer(client: EdgeClient, load: Load, seen: Seen) -> float:
    """One inference; how long the server asks to be left alone."""
    begun_s = time.perf_counter()
    request = client.infer(LEFT_S)
    try:
        digest = load.plan.recipe_sha256
        await request.send(Begin(request.number, 1, digest, request.left_us, load.tensors))
        seen.errors += not isinstance(await request.read(), Result)
    except PeerBusyError as error:
        seen.refused_s.append(time.perf_counter() - begun_s)
        return error.retry_after_s
    except Exception:
        seen.errors += 1
        return 0.1
    finally:
        request.give_up()
    seen.taken_s.append(time.perf_counter() - begun_s)
    return 0.0


async def closed(client: EdgeClient, load: Load, seen: Seen, until_s: float) -> None:
    """One after the other."""
    while time.perf_counter() < until_s:
        await asyncio.sleep(await infer(client, load, seen))


def at_rate(per_s: float) -> Callable[..., Awaitable[None]]:
    """So many a second, whatever becomes of them; who is told to wait leaves some out."""

    async def go(client: EdgeClient, load: Load, seen: Seen, until_s: float) -> None:
        rng, under_way, free_s = np.random.default_rng(), set(), 0.0
        next_s = time.perf_counter() + rng.random() / per_s

        async def one() -> None:
            nonlocal free_s
            retry_after_s = await infer(client, load, seen)
            if retry_after_s:
                free_s = time.perf_counter() + retry_after_s

        while next_s < until_s:
            await asyncio.sleep(max(next_s - time.perf_counter(), 0.0))
            if time.perf_counter() >= free_s:
                task = asyncio.create_task(one())
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            next_s += 1 / per_s
        await asyncio.gather(*under_way)

    return go


async def client_of(address: str, stack: AsyncExitStack) -> EdgeClient:
    """A device of its own."""
    channel = await grpc_channel.GrpcChannel.open(address, timeout_s=20)
    stack.push_async_callback(channel.close)
    return EdgeClient(channel, Timeout(connect_s=20, prepare_s=120))


async def play(
    address: str, load: Load, devices: int, how: Callable[..., Awaitable[None]], seconds: float
) -> list[Seen]:
    """Let so many devices go; what each has seen."""
    async with AsyncExitStack() as stack:
        clients = [await client_of(address, stack) for _ in range(devices)]
        await clients[0].prepare(load.plan)
        for client in clients:
            await infer(client, load, Seen())
        every = [Seen() for _ in clients]
        until_s = time.perf_counter() + seconds
        pairs = zip(clients, every, strict=True)
        await asyncio.gather(*(how(client, load, seen, until_s) for client, seen in pairs))
    return every


# ---------------------------------------------------------------------------- who means no good


async def raw_streams(address: str, messages: list[bytes], stack: AsyncExitStack) -> None:
    """Streams that send and never read, each on a connection of its own."""
    for _ in range(STREAMS):
        channel = grpc.aio.insecure_channel(address, options=grpc_channel.CHANNEL_OPTIONS)
        stack.push_async_callback(channel.close)
        call = channel.stream_stream(STREAM_METHOD)()
        for message in messages:
            await call.write(message)


async def silent(address: str, _: Load, stack: AsyncExitStack) -> None:
    """Streams that say nothing."""
    await raw_streams(address, [], stack)


async def deaf(address: str, load: Load, stack: AsyncExitStack) -> None:
    """Streams of eight inferences each whose results nobody reads."""
    digest = load.plan.recipe_sha256
    begins = [
        encode(Begin(number, 1, digest, int(LEFT_S * 1e6), load.tensors))
        for number in range(1, EACH + 1)
    ]
    await raw_streams(address, [encode(Hello(WIRE_VERSION, "of a benchmark")), *begins], stack)


async def slow(address: str, load: Load, stack: AsyncExitStack) -> None:
    """Streams that write a byte at a time."""
    begin = Begin(1, 1, load.plan.recipe_sha256, int(LEFT_S * 1e6), load.tensors)
    await slow_writers(address, STREAMS, encode(begin), stack)


async def idle(address: str, _: Load, stack: AsyncExitStack) -> None:
    """Ten thousand connections on which nothing happens."""
    await idle_connections(address, CONNECTIONS, stack)


async def heard(address: str, load: Load, stack: AsyncExitStack) -> None:
    """Streams of eight inferences each whose results are read."""
    clients = [await client_of(address, stack) for _ in range(STREAMS)]
    jobs = [
        asyncio.create_task(infer(client, load, Seen())) for client in clients for _ in range(EACH)
    ]
    stack.callback(lambda: [job.cancel() for job in jobs])
    await asyncio.sleep(0)


async def profile_asked(address: str, stack: AsyncExitStack) -> asyncio.Task[object]:
    """A device that has a large network measured."""
    client, model = await client_of(address, stack), load_model(LARGE)
    task = asyncio.create_task(client.profile(model))
    stack.callback(task.cancel)
    return task


async def profile(address: str, _: Load, stack: AsyncExitStack) -> None:
    """A profile of a large network that is given up soon."""
    task = await profile_asked(address, stack)
    await asyncio.wait([task], timeout=1.0)
    task.cancel()


async def profiling(address: str, _: Load, stack: AsyncExitStack) -> None:
    """A profile of a large network that is being measured."""
    task = await profile_asked(address, stack)
    await asyncio.wait([task], timeout=MEASURING_S)
    assert not task.done()


async def bystander(
    address: str, load: Load, beside: Callable[..., Awaitable[None]], rounds: int
) -> tuple[Seen, Seen]:
    """One device that infers alone and beside others in turns, from when these have begun."""
    alone, there = Seen(), Seen()
    async with AsyncExitStack() as stack:
        client = await client_of(address, stack)
        await client.prepare(load.plan)
        await infer(client, load, Seen())
        for _ in range(rounds):
            await closed(client, load, alone, time.perf_counter() + BESIDE_S)
            async with AsyncExitStack() as others:
                await beside(address, load, others)
                await closed(client, load, there, time.perf_counter() + BESIDE_S)
            await asyncio.sleep(SETTLES_S)
    return alone, there


# ---------------------------------------------------------------------------- all of it


@contextmanager
def server(*options: str) -> Iterator[str]:
    """An edge server with one worker; its address."""
    with server_process(*options) as (address, _):
        yield address


@contextmanager
def server_process(*options: str) -> Iterator[tuple[str, int]]:
    """An edge server with one worker; its address, and the number of its process."""
    command = [sys.executable, "-m", "fusepath", "serve", "--listen", "127.0.0.1:0", "--log", "off"]
    with subprocess.Popen(
        [*command, "--grace", "1", "--no-cache", *options], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process.stdout.readline().split()[2].rstrip(","), process.pid
        finally:
            process.terminate()


def row(name: str, every: list[Seen], seconds: float) -> dict[str, object]:
    """What is told of a load."""
    taken_s = sorted(second for seen in every for second in seen.taken_s) or [float("nan")]
    refused_s = sorted(second for seen in every for second in seen.refused_s)
    done = [len(seen.taken_s) for seen in every]
    return {
        "load": name,
        "done_per_s": round(sum(done) / seconds, 1),
        "p50_ms": round(statistics.median(taken_s) * 1e3, 2),
        "p99_ms": round(float(np.quantile(taken_s, 0.99)) * 1e3, 2),
        "refused": len(refused_s),
        "refusal_p95_ms": round(float(np.quantile(refused_s, 0.95)) * 1e3, 2) if refused_s else "",
        "slowest_device": round(min(done) / max(statistics.mean(done), 1e-9), 2),
        "errors": sum(seen.errors for seen in every),
    }


async def rows(address: str, seconds: float, only: str) -> AsyncIterator[dict[str, object]]:
    """Every load whose name holds a text, one after the other."""
    small, usual = Load.of(SMALL), Load.of(USUAL)
    many = f"{DEVICES} devices, closed loop"
    done_per_s = None
    for name, load, devices, how in (
        ("one device, small", small, 1, closed),
        ("200 devices, 2 inferences/s each, small", small, 200, at_rate(2.0)),
        ("16 devices, closed loop", usual, 16, closed),
        (many, usual, DEVICES, closed),
    ):
        if only in name:
            lasts_s = max(seconds, FAIR_S) if name == many else seconds
            found = row(name, await play(address, load, devices, how, lasts_s), lasts_s)
            done_per_s = found["done_per_s"] if name == many else done_per_s
            yield found
    if done_per_s is not None:
        offered = 3 * done_per_s / DEVICES
        every = await play(address, usual, DEVICES, at_rate(offered), seconds)
        yield row(f"{many[:10]}, {DEVICES * offered:.0f} inferences/s offered", every, seconds)
    for beside, rounds in (
        *((silent, ROUNDS), (deaf, ROUNDS), (heard, ROUNDS), (slow, ROUNDS), (idle, ROUNDS)),
        *((profile, 1), (profiling, 1)),
    ):
        name = f"one device beside: {beside.__doc__.rstrip('.').lower()}"
        if only in name:
            alone, there = await bystander(address, usual, beside, rounds)
            yield row("one device, in turns with the next row", [alone], rounds * BESIDE_S)
            yield row(name, [there], rounds * BESIDE_S)


@click.command()
@click.option("--seconds", type=float, default=6.0, show_default=True, help="For each load.")
@click.option("--only", default="", help="Loads whose name holds this text.")
@click.option("--wait", default="1", show_default=True, help="The server's, in seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def main(seconds: float, only: str, wait: str, as_json: bool) -> None:
    """Measure an edge server under load."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # of the server as well, its child
    # Devices are machines of their own: none shares a connection with another.
    grpc_channel.CHANNEL_OPTIONS.append(("grpc.use_local_subchannel_pool", 1))

    async def measure() -> list[dict[str, object]]:
        with server("--wait", wait) as address:
            return [found async for found in rows(address, seconds, only)]

    every = asyncio.run(measure())
    if as_json:
        click.echo(jsonfile.encode({"loads": every}).decode())
        return
    table = Table(*every[0])
    for found in every:
        table.add_row(*map(str, found.values()))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
