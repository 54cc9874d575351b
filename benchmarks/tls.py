"""What encryption costs an inference, over a wire of 12 MB/s between two network namespaces.

    python -m benchmarks.tls      # as root

Two edge servers on one host, one with a certificate and one without, take the same inferences in
turns, each over a connection that is open already: one that sends a picture of SqueezeNet as pixels
(150 kB), and one that sends what the best cut behind the first layer does (190 kB).
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.serve import Load, Seen, infer
from benchmarks.system.network import EDGE_ADDRESS, command_inside, inside, two_hosts
from fusepath import jsonfile
from fusepath.cost import ComputeRate, parse_link
from fusepath.onnx_io import load_model
from fusepath.plan import Constraints, Origin, PlanRequest, Setting, make_plan
from fusepath.remote.client import EdgeClient, Timeout
from fusepath.remote.device_tls import CA, SCHEME
from fusepath.remote.grpc_channel import GrpcChannel
from fusepath.remote.tensors import to_send
from fusepath.runtime.device_share import DeviceShare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.system.network import Network

WIRE_BYTES_PER_S = 12e6
NETWORK = "zoo:squeezenet"


def loads() -> list[tuple[str, Load]]:
    """A plan that sends the picture, and one that sends maps."""
    model = load_model(NETWORK)
    setting = Setting(
        graph=model.graph,
        device=ComputeRate(1e9),
        edge=ComputeRate(1e12),
        link=parse_link("12MB/s"),
    )
    image = np.zeros(model.graph.fed_shape, dtype=np.uint8)
    found = []
    for name, request in (
        ("picture", PlanRequest(algorithm="full-offload")),
        ("maps", PlanRequest(algorithm="nfl", constraints=Constraints(keep_on_device=1))),
    ):
        plan = make_plan(setting, request, Origin(source=model.source)).best
        share = DeviceShare(model, plan.recipe)
        tensors = to_send(share.pack(0, share.compute(0, image)))
        found.append((name, Load(plan, tensors)))
    return found


def certificate(folder: Path) -> tuple[Path, Path]:
    """One that signs itself, for the address of the edge host; with its key."""
    pem, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=edge", "-keyout", str(key), "-out", str(pem)),
            *("-addext", f"subjectAltName=IP:{EDGE_ADDRESS}"),
        ],
        check=True,
        capture_output=True,
    )
    return pem, key


@contextmanager
def server(network: Network, *options: str) -> Iterator[str]:
    """An edge server on the edge host; its address."""
    command = [sys.executable, "-m", "fusepath", "serve", "--listen", f"{EDGE_ADDRESS}:0"]
    command += ["--log", "off", "--grace", "1", "--no-cache", *options]
    inside_it = command_inside(network.edge, max(os.sched_getaffinity(0)), *command)
    with subprocess.Popen(inside_it, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().split()[2].rstrip(",")
        finally:
            process.terminate()


async def measured(addresses: list[str], repeats: int) -> list[dict[str, object]]:
    """Every load over every connection, in turns."""
    async with AsyncExitStack() as stack:
        clients = []
        for address in addresses:
            channel = await GrpcChannel.open(address, timeout_s=20)
            stack.push_async_callback(channel.close)
            clients.append(EdgeClient(channel, Timeout(connect_s=20, prepare_s=120)))
        rows = []
        for name, load in loads():
            every = [Seen() for _ in clients]
            for client in clients:
                await client.prepare(load.plan)
                await infer(client, load, Seen())
            for _ in range(repeats):
                for client, seen in zip(clients, every, strict=True):
                    await infer(client, load, seen)
            assert not any(seen.errors for seen in every)
            plain_s, tls_s = (seen.taken_s for seen in every)
            pairs = [b / a - 1 for a, b in zip(plain_s, tls_s, strict=True)]
            rows.append(
                {
                    "sent": name,
                    "bytes": sum(len(tensor.data) for tensor in load.tensors),
                    "plain_ms": round(statistics.median(plain_s) * 1e3, 2),
                    "tls_ms": round(statistics.median(tls_s) * 1e3, 2),
                    "median_of_pairs": f"{statistics.median(pairs):+.1%}",
                    "quartiles": " to ".join(f"{q:+.1%}" for q in np.quantile(pairs, (0.25, 0.75))),
                }
            )
    return rows


@click.command()
@click.option("--repeats", type=int, default=101, show_default=True, help="Of every inference.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def main(repeats: int, as_json: bool) -> None:
    """Measure what TLS costs."""
    with tempfile.TemporaryDirectory() as scratch, two_hosts() as network:
        pem, key = certificate(Path(scratch))
        os.environ[CA] = str(pem)
        network.set_rate(WIRE_BYTES_PER_S)
        with (
            server(network, "--insecure") as plain,
            server(network, "--tls-cert", str(pem), "--tls-key", str(key)) as encrypted,
            inside(network.device),
        ):
            rows = asyncio.run(measured([plain, SCHEME + encrypted], repeats))
    if as_json:
        click.echo(jsonfile.encode({"rows": rows}).decode())
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
