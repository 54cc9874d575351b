"""``fusepath serve``."""

from __future__ import annotations

import click

from fusepath.cli.options import json_option, no_cache_option, print_json


@click.command("serve")
@click.option(
    "--listen", default="127.0.0.1:7070", show_default=True, metavar="HOST:PORT", help="Address."
)
@click.option("--models", metavar="DIR", help="Folder of ONNX files that devices may use.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Paths computed at the same time.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Threads of one operator.",
)
@click.option(
    "--streams",
    type=click.IntRange(1, 100_000),
    default=1024,
    show_default=True,
    help="Devices connected at a time, nearly: each keeps one stream open.",
)
@click.option(
    "--requests",
    type=click.IntRange(1, 10_000),
    default=256,
    show_default=True,
    help="Inferences under way at a time; a device that has none always gets one.",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0.0, 3600.0),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Work that may wait for a worker; what comes on top of it is refused for now.",
)
@click.option(
    "--memory",
    metavar="BYTES",
    help="Memory for models, plans and inferences, like 3GB  [default: half of this machine's].",
)
@no_cache_option
@json_option
def command(
    listen: str,
    models: str | None,
    workers: int,
    threads: int,
    streams: int,
    requests: int,
    wait_s: float,
    memory: str | None,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Be an edge server until stopped by SIGINT or SIGTERM.

    Devices name models by SHA-256; the server runs those of --models and the zoo, nothing else.
    Connections are neither encrypted nor authenticated: listen on a network you trust.
    """
    import asyncio
    import sys

    from fusepath.profiling import remembered_profile
    from fusepath.profiling.layers import measure_layers
    from fusepath.protocol.admission import Room
    from fusepath.remote.edge_service import EdgeService
    from fusepath.remote.grpc_server import EdgeServer, serve
    from fusepath.remote.memory_budget import MemoryBudget
    from fusepath.remote.model_store import ModelStore
    from fusepath.units import parse_bytes

    def ready(address: str) -> None:
        if as_json:
            print_json({"listen": address, "models": len(store)})
        else:
            click.echo(f"listening on {address}, {len(store)} model files and the zoo")
        sys.stdout.flush()

    budget = MemoryBudget.of_this_machine() if memory is None else MemoryBudget(parse_bytes(memory))
    room = Room(streams=streams, requests=requests, wait_s=wait_s, bytes=budget.requests_bytes)
    store = ModelStore(models, budget_bytes=budget.models_bytes)
    service = EdgeService(
        store,
        workers=workers,
        threads=threads,
        profiler=measure_layers if no_cache else remembered_profile,
        room=room,
        plans_bytes=budget.plans_bytes,
    )
    asyncio.run(serve(EdgeServer(listen, service), ready=ready))
