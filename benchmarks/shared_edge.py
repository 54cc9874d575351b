"""A session whose edge server others begin to load, and leave again.

    python -m benchmarks.shared_edge

SqueezeNet on a device four times slower than this machine, 12 MB/s each way, over loopback; one
worker. Frames one after the other: alone, beside closed loops of other devices, and alone again,
by a session that follows and by one that keeps the plan it began with.
"""

from __future__ import annotations

import asyncio
import statistics
import threading
from collections import Counter
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

import fusepath
from benchmarks.serve import Load, Seen, client_of, infer, server
from benchmarks.session.child import AS_PLANNED, frame
from fusepath import jsonfile
from fusepath.remote import grpc_channel

if TYPE_CHECKING:
    from collections.abc import Iterator

NETWORK, OTHERS = "zoo:squeezenet", 6
EMULATED = fusepath.Emulation(slowdown=4, pace_bytes_per_s=12e6)
READY_S = 120.0


@contextmanager
def others(address: str, count: int) -> Iterator[None]:
    """So many devices that ask for one inference after the other, on a thread of their own."""
    stop, ready, load = threading.Event(), threading.Event(), Load.of(NETWORK)

    async def ask() -> None:
        async with AsyncExitStack() as stack:
            clients = [await client_of(address, stack) for _ in range(count)]
            await clients[0].prepare(load.plan)

            async def loop(client) -> None:
                while not stop.is_set():
                    await asyncio.sleep(await infer(client, load, Seen()))

            ready.set()
            await asyncio.gather(*map(loop, clients))

    thread = threading.Thread(target=asyncio.run, args=(ask(),))
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def answered(session: fusepath.Session, pixels, frames: int) -> dict[str, object]:
    """What frames took, and with which plans."""
    taken_s, plans = [], Counter()
    for _ in range(frames):
        result = session.infer(pixels)
        taken_s.append(result.latency_s)
        plans[result.plan.family] += 1
    q1, median_s, q3 = statistics.quantiles(taken_s, n=4)
    return {
        "mean_ms": round(statistics.mean(taken_s) * 1e3, 1),
        "median_ms": round(median_s * 1e3, 1),
        "quartiles_ms": f"{q1 * 1e3:.1f}-{q3 * 1e3:.1f}",
        "plans": ", ".join(f"{name} {count}" for name, count in plans.most_common()),
    }


@click.command()
@click.option("--frames", type=int, default=150, show_default=True, help="Of each phase.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def main(frames: int, as_json: bool) -> None:
    """Measure a session on an edge server that others load."""
    grpc_channel.CHANNEL_OPTIONS.append(("grpc.use_local_subchannel_pool", 1))
    model = fusepath.load_model(NETWORK)
    pixels = frame(model, 0)
    options = fusepath.SessionOptions(emulation=EMULATED, fallback=AS_PLANNED.fallback)
    rows = []
    phases = (("alone", 0), (f"beside {OTHERS}", OTHERS), ("alone again", 0))
    with server() as address, fusepath.Session(model, address, options=options) as follows:
        follows.infer(pixels)
        follows.wait_ready(READY_S)
        found = follows.plan
        answered(follows, pixels, frames)  # plans for other conditions are made ready meanwhile
        with fusepath.Session(model, address, plan=found, options=options) as keeps:
            keeps.wait_ready(READY_S)
            for phase, count in phases:
                for name, session in (("follows", follows), ("keeps its plan", keeps)):
                    with others(address, count):
                        row = answered(session, pixels, frames)
                    rows.append({"phase": phase, "session": name, **row})
    if as_json:
        click.echo(jsonfile.encode({"rows": rows}).decode())
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
