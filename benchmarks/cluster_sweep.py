"""A sweep on two nodes of a Ray cluster, and on one of them, in turn.

    python -m benchmarks.cluster_sweep      # as root, with the extra ray

Two network namespaces on a core each hold a node of one processor; the command is on the first.
Rows are compared: they are the same wherever they are computed.
"""

from __future__ import annotations

import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.cluster import RAY_PORT, first_core, head, kill, second
from benchmarks.system.network import DEVICE_ADDRESS, command_inside, two_hosts
from fusepath import jsonfile

if TYPE_CHECKING:
    from benchmarks.system.network import Network

WIRE_BYTES_PER_S = 1e9
STARTS_S = 8.0
"""A node is part of the cluster by then."""


def asked(points: int, evaluations: int) -> list[str]:
    """A sweep of SqueezeNet over so many links."""
    links = (f"--link={0.5 + 0.1 * number:.1f}MB/s" for number in range(points // 2))
    machines = ("--device=5GFLOPS", "--device=20GFLOPS", "--edge=500GFLOPS")
    return ["sweep", "zoo:squeezenet", *machines, *links, f"--evaluations={evaluations}"]


def swept(network: Network, arguments: list[str], output: Path) -> float:
    """Seconds from the command to its end."""
    program = [sys.executable, "-m", "fusepath", *arguments]
    program += ["--ray", f"{DEVICE_ADDRESS}:{RAY_PORT}", "-o", str(output)]
    begun_s = time.perf_counter()
    subprocess.run(
        command_inside(network.device, first_core(), *program), check=True, capture_output=True
    )
    return time.perf_counter() - begun_s


@click.command()
@click.option("--points", type=int, default=160, show_default=True)
@click.option("--evaluations", type=int, default=150_000, show_default=True, help="Of each point.")
@click.option("--repeats", type=int, default=3, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def main(points: int, evaluations: int, repeats: int, as_json: bool) -> None:
    """Measure a sweep on two nodes of a Ray cluster and on one."""
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    taken_s: dict[str, list[float]] = {"two": [], "one": []}
    tables = set()
    with two_hosts() as network, tempfile.TemporaryDirectory() as folder:
        network.set_rate(WIRE_BYTES_PER_S)
        head(network)
        for number in range(repeats):
            for nodes, seconds in taken_s.items():
                if nodes == "two":
                    second(network)
                    time.sleep(STARTS_S)
                else:
                    kill(network.edge)
                output = Path(folder) / f"{nodes}-{number}.csv"
                seconds.append(swept(network, asked(points, evaluations), output))
                tables.add(output.read_bytes())
    found = {
        "points": points,
        "two_nodes_s": taken_s["two"],
        "one_node_s": taken_s["one"],
        "times_as_fast": statistics.median(taken_s["one"]) / statistics.median(taken_s["two"]),
        "rows_are_equal": len(tables) == 1,
    }
    if as_json:
        click.echo(jsonfile.encode(found).decode())
        return
    for nodes, seconds in taken_s.items():
        click.echo(f"{nodes:3}  {'  '.join(f'{item:.1f} s' for item in seconds)}")
    rows = "the same rows" if found["rows_are_equal"] else "OTHER ROWS"
    click.echo(f"{points} points, {found['times_as_fast']:.2f} times as fast on two, {rows}")


if __name__ == "__main__":
    main()
