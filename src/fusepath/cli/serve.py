"""``fusepath serve``."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusepath.cli.numbers import Finite
from fusepath.cli.options import json_option, no_cache_option, print_json, provider_option
from fusepath.errors import InputError
from fusepath.units import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusepath.remote.server_tls import ServerTls

_LAST_THREADS_S = 1.0
"""For threads to see that they are to end."""
PATH = click.Path(path_type=Path)


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
    help="Paths computed at the same time; with --ray on each node.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Threads of one operator.",
)
@provider_option
@click.option(
    "--ray",
    metavar="HOST:PORT|auto",
    help="Compute paths on the nodes of the Ray cluster that this machine is in.",
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
    type=Finite(0.0, 3600.0),
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
@click.option(
    "--tls-cert", type=PATH, metavar="PEM", help="Certificate of this server: connections encrypt."
)
@click.option("--tls-key", type=PATH, metavar="PEM", help="Its key.")
@click.option(
    "--tls-client-ca",
    type=PATH,
    metavar="PEM",
    help="Devices must show a certificate of these authorities.",
)
@click.option(
    "--token-file",
    type=PATH,
    metavar="FILE",
    help="Devices must show this token (FUSEPATH_TOKEN here does the same).",
)
@click.option(
    "--peers", type=PATH, metavar="TOML", help="Devices that may connect, and what they may do."
)
@click.option(
    "--metrics",
    metavar="HOST:PORT",
    help="Serve what is counted at http://HOST:PORT/metrics, as Prometheus reads it.",
)
@click.option(
    "--log",
    type=click.Choice(["text", "json", "off"]),
    default="text",
    show_default=True,
    help="Lines on standard error: what is prepared, and every refusal.",
)
@click.option(
    "--grace",
    "grace_s",
    type=Finite(0.0, 3600.0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="What is under way is given so long when the server is to end.",
)
@click.option("--insecure", is_flag=True, help="Listen beyond loopback without encryption.")
@no_cache_option
@json_option
def command(
    listen: str,
    models: str | None,
    workers: int,
    threads: int,
    providers: tuple[str, ...],
    ray: str | None,
    streams: int,
    requests: int,
    wait_s: float,
    memory: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    token_file: Path | None,
    peers: Path | None,
    metrics: str | None,
    log: str,
    grace_s: float,
    insecure: bool,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Be an edge server until stopped by SIGINT or SIGTERM.

    Devices name models by SHA-256; the server runs those of --models and the zoo, nothing else.
    Beyond loopback it listens with --tls-cert and --tls-key, or, on a network that you trust, with
    --insecure. With --ray, nodes of a cluster compute, and this machine is what devices speak to.
    """
    import asyncio
    import os
    import signal
    import sys

    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until it serves there is nothing to give up

    from fusepath.protocol.admission import Room
    from fusepath.remote.access import Access
    from fusepath.remote.cluster.ray_cluster import PerNode, RayCluster, connect
    from fusepath.remote.edge_service import EdgeService
    from fusepath.remote.grpc_server import EdgeServer, serve
    from fusepath.remote.measuring.apart import MeasuringApart
    from fusepath.remote.memory_budget import MemoryBudget
    from fusepath.remote.metrics_server import MetricsServer
    from fusepath.remote.model_store import ModelStore
    from fusepath.remote.workers import Workers
    from fusepath.runtime.execution import ON_CPU, Execution, provider_text
    from fusepath.runtime.runner import usable

    def ready(address: str, counted: str | None) -> None:
        if as_json:
            print_json(
                {
                    "listen": address,
                    "models": len(store),
                    "metrics": counted,
                    "providers": execution.providers,
                    "nodes": None if pool is None else len(pool.nodes),
                }
            )
        else:
            on = (
                ""
                if execution.providers == ON_CPU.providers
                else f", on {provider_text(execution)}"
            )
            where = "" if pool is None else f", {number_of(len(pool.nodes), 'node')} of Ray"
            click.echo(
                f"listening on {address}, {number_of(len(store), 'model file')} and the zoo"
                f"{on}{where}"
            )
        sys.stdout.flush()

    budget = MemoryBudget.of_this_machine() if memory is None else MemoryBudget.of(memory)
    room = Room(streams=streams, requests=requests, wait_s=wait_s, bytes=budget.requests_bytes)
    tls = _tls(tls_cert, tls_key, tls_client_ca)
    if tls is None and not insecure:
        _check_open(listen)
        if metrics is not None:
            _check_open(metrics)
    access = Access(
        token=os.environ.get("FUSEPATH_TOKEN", "").strip(),
        token_file=token_file,
        peers_file=peers,
    )
    with _logging(log), ExitStack() as stack:
        execution = usable(Execution(providers=providers, threads=threads))
        store = ModelStore(models, budget_bytes=budget.models_bytes)
        pool = None
        if ray is not None:
            connect(ray, trusted=insecure)
            each = PerNode(workers, execution, budget.plans_bytes)
            pool = stack.enter_context(closing(RayCluster(each))).pool
        service = EdgeService(
            store,
            workers=Workers(workers) if pool is None else pool.workers,
            execution=execution,
            profiler=MeasuringApart(
                store,
                execution=execution,
                remembers=not no_cache,
                memory_bytes=budget.measuring_bytes,
            ),
            room=room,
            plans_bytes=budget.plans_bytes,
        )
        asyncio.run(
            serve(
                EdgeServer(listen, service, access=access, tls=tls),
                ready=ready,
                metrics=None if metrics is None else MetricsServer(metrics, service.metrics_text),
                grace_s=grace_s,
            )
        )
    _leave()


@contextmanager
def _logging(how: str) -> Iterator[None]:
    """Have what the server tells written to standard error."""
    import logging

    from fusepath.remote.journal import LineFormatter

    handler = logging.NullHandler() if how == "off" else logging.StreamHandler()
    handler.setFormatter(LineFormatter(as_json=how == "json"))
    logger = logging.getLogger("fusepath")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _leave() -> None:
    """End, whatever a thread is still at: ONNX Runtime cannot be broken off."""
    import os
    import sys
    import threading

    ours = [thread for thread in threading.enumerate() if thread.name.startswith("edge-")]
    for thread in ours:
        thread.join(_LAST_THREADS_S / len(ours))
    if any(thread.is_alive() for thread in ours):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> ServerTls | None:
    from fusepath.remote.server_tls import ServerTls

    if cert is None and key is None and client_ca is None:
        return None
    if cert is None or key is None:
        raise InputError("to encrypt, --tls-cert and --tls-key are needed, both of them")
    return ServerTls(cert, key, client_ca)


def _check_open(listen: str) -> None:
    """Raise where others than this machine would be reached without encryption.

    Raises:
        InputError: they would.
    """
    from fusepath.remote.listening import is_loopback

    if not is_loopback(listen) and ":" in listen:
        raise InputError(
            f"'{listen}' is not loopback, and connections are not encrypted; give --tls-cert and "
            f"--tls-key, or, on a network that you trust, --insecure"
        )
