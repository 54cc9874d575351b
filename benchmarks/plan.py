"""How much faster plans are than the best single cut, and how far from what no plan can beat.

    make bench-plan        all networks, devices, servers and links; some minutes
    python benchmarks/plan.py squeezenet alexnet

FLOP costs, raw image as uint8, activations float32, one edge worker, the way back not counted.
Beside fusepath's own: the paper's MW, its authors' later PSO-MW, and JPS of Duan and Wu. Searches
are given as long as they want, ``auto`` 3 s; how long it took is in the table.
Writes benchmarks/results/plan.csv and prints one table.
"""

from __future__ import annotations

import csv
import itertools
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.table import Table

from fusepath.cost import RUNTIME, ComputeRate, parse_link
from fusepath.onnx_io import load_model
from fusepath.plan import Plan, PlanRequest, Prices, Setting, Timing, plan_with
from fusepath.tiling import Strips

if TYPE_CHECKING:
    from fusepath.graph import ModelGraph

NETWORKS = ("alexnet", "squeezenet", "tiny-yolov2", "yolov2", "resnet18", "vgg16")
DEVICES_GFLOP_PER_S = (2, 10, 50)
EDGES_GFLOP_PER_S = (200, 500, 2000)
LINKS_MB_PER_S = (1.1, 3, 12)
ALGORITHMS = (
    "device-only",
    "full-offload",
    "nfl",
    "mw",
    "psomw",
    "jps",
    "streamed-cut",
    "stream",
    "auto",
)
CONVENTION = msgspec.structs.replace(RUNTIME, name="benchmark", counts_result=False)
RESULTS = Path(__file__).parent / "results" / "plan.csv"


def main() -> None:
    networks = sys.argv[1:] or NETWORKS
    rows = []
    for network in networks:
        graph = load_model(f"zoo:{network}").graph
        for device, edge in itertools.product(DEVICES_GFLOP_PER_S, EDGES_GFLOP_PER_S):
            base = setting_of(graph, device, edge, 1)
            prices = Prices(base)
            for link in LINKS_MB_PER_S:
                setting = base.at(parse_link(f"{link}MB/s"))
                rows.append(measure(network, device, edge, link, setting, prices))
                print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    write(rows, RESULTS)
    show(rows)


def setting_of(
    graph: ModelGraph, device_gflop_per_s: float, edge_gflop_per_s: float, link_mb_per_s: float
) -> Setting:
    """Machines and a link by their rates."""
    return Setting(
        graph=graph,
        device=ComputeRate(device_gflop_per_s * 1e9),
        edge=ComputeRate(edge_gflop_per_s * 1e9),
        link=parse_link(f"{link_mb_per_s}MB/s"),
        convention=CONVENTION,
    )


def measure(
    network: str, device: int, edge: int, link: float, setting: Setting, prices: Prices
) -> dict:
    row = {
        "network": network,
        "device_gflop_per_s": device,
        "edge_gflop_per_s": edge,
        "link_mb_per_s": link,
    }
    for algorithm in ALGORITHMS:
        started_s = time.perf_counter()
        plan = plan_with(Timing(setting, prices), PlanRequest(algorithm=algorithm)).best
        row[f"{algorithm}_ms"] = round(plan.makespan_s * 1e3, 3)
        row[f"{algorithm}_search_s"] = round(time.perf_counter() - started_s, 3)
    row["winner"] = winner(plan)
    row["bound_ms"] = round(plan.lower_bound_s * 1e3, 3)
    row["gain"] = row["nfl_ms"] / row["auto_ms"]
    row["over_bound"] = row["auto_ms"] / row["bound_ms"]
    return row


def winner(plan: Plan) -> str:
    if isinstance(plan.arrangement, Strips):
        return "stream" if len(plan.arrangement.segments) > 1 else "streamed cut"
    return "tiles" if plan.arrangement.is_split else "single cut"


def write(rows: list[dict], file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def show(rows: list[dict]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in (
        "network",
        "NFL/MW",
        "NFL/PSO-MW",
        "NFL/JPS",
        "NFL/streamed cut",
        "NFL/auto",
        "least",
        "most",
        "auto/bound",
        "NFL/bound",
    ):
        table.add_column(column, justify="left" if column == "network" else "right")
    table.add_column("auto, longest search", justify="right")
    groups = {row["network"]: [r for r in rows if r["network"] == row["network"]] for row in rows}
    for name, group in [*groups.items(), ("all", rows)]:
        table.add_row(
            name,
            f"{mean(r['nfl_ms'] / r['mw_ms'] for r in group):.3f}",
            f"{mean(r['nfl_ms'] / r['psomw_ms'] for r in group):.3f}",
            f"{mean(r['nfl_ms'] / r['jps_ms'] for r in group):.3f}",
            f"{mean(r['nfl_ms'] / r['streamed-cut_ms'] for r in group):.3f}",
            f"{mean(r['gain'] for r in group):.3f}",
            f"{min(r['gain'] for r in group):.2f}",
            f"{max(r['gain'] for r in group):.2f}",
            f"{mean(r['over_bound'] for r in group):.3f}",
            f"{mean(r['nfl_ms'] / r['bound_ms'] for r in group):.3f}",
            f"{max(r['auto_search_s'] for r in group):.2f} s",
        )
    Console(width=130).print(table)


def mean(values) -> float:
    """Geometric mean."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs))


if __name__ == "__main__":
    main()
