"""What an edge server holds after many paths: memory and descriptors, as they go by.

    python -m benchmarks.soak --paths 100000

One device sends inferences of sixteen tiles, one after the other, to a server of its own on
loopback. What the server holds is read after every tenth; drift is from the second of these, when
all is warm, to the last.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.serve import LEFT_S, SMALL, client_of, server_process
from fusepath import jsonfile
from fusepath.cost import ComputeRate, parse_link
from fusepath.onnx_io import load_model
from fusepath.plan import Origin, PlanRequest, Setting, make_plan
from fusepath.protocol.framing import Begin, Piece, Result
from fusepath.remote.tensors import to_send
from fusepath.runtime.allocator import resident_bytes
from fusepath.runtime.device_share import DeviceShare
from fusepath.tiling import Grid

SHARES = 10
GRID = Grid(4, 4)


async def soak(address: str, process: int, paths: int) -> list[dict[str, Any]]:
    """Send so many paths; what the server holds after every tenth of them."""
    model = load_model(SMALL)
    setting = Setting(
        graph=model.graph,
        device=ComputeRate(1e9),
        edge=ComputeRate(1e12),
        link=parse_link("1000MB/s"),
    )
    request = PlanRequest(algorithm="mw", grid=GRID, tau=2)
    plan = make_plan(setting, request, Origin(source=model.source)).best
    device = DeviceShare(model, plan.recipe)
    image = np.zeros(model.graph.fed_shape, dtype=plan.input.dtype)
    pieces = [to_send(device.compute(path - 1, image)) for path in plan.order]
    rows: list[dict[str, Any]] = []
    begun_s, done = time.perf_counter(), 0
    async with AsyncExitStack() as stack:
        client = await client_of(address, stack)
        await client.prepare(plan)
        for share in range(1, SHARES + 1):
            while done < paths * share // SHARES:
                asked = client.infer(LEFT_S)
                (first, *others), order = pieces, plan.order
                digest = plan.recipe_sha256
                await asked.send(Begin(asked.number, order[0], digest, asked.left_us, first))
                for path, piece in zip(order[1:], others, strict=True):
                    await asked.send(Piece(asked.number, path, piece))
                assert isinstance(await asked.read(), Result)
                asked.give_up()
                done += len(pieces)
            rows.append(
                {
                    "paths": done,
                    "seconds": round(time.perf_counter() - begun_s, 1),
                    "resident_mb": round(resident_bytes(process) / 1e6, 2),
                    "descriptors": len(list(Path(f"/proc/{process}/fd").iterdir())),
                    "threads": len(list(Path(f"/proc/{process}/task").iterdir())),
                }
            )
    return rows


@click.command()
@click.option("--paths", type=int, default=100_000, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def main(paths: int, as_json: bool) -> None:
    """Measure what an edge server holds after many paths."""
    with server_process() as (address, process):
        rows = asyncio.run(soak(address, process, paths))
    drift = rows[-1]["resident_mb"] / rows[1]["resident_mb"] - 1
    if as_json:
        click.echo(jsonfile.encode({"rows": rows, "memory_drift": drift}).decode())
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=100).print(table)
    click.echo(f"memory from {rows[1]['paths']} paths on: {drift:+.2%}")


if __name__ == "__main__":
    main()
