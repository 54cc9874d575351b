"""How many frames a second plans have, beside the best single cut with as many under way.

    make bench-throughput        the settings of ``make bench-plan`` with 500 GFLOP/s at the edge
    python -m benchmarks.throughput squeezenet alexnet

Planned, with the costs of ``benchmarks/plan.py``: 54 of its 162 settings, six networks with three
devices and three links; 3 and 8 frames under way. Periods, the times from one result to the next,
are played event by event: of the rotation of least period (``turns``), and with as many frames
under way of the best of all single cuts (``cut``) and of the plan of least latency (``auto``).
``alone`` is that plan, one frame after the other. The bound holds for any plans in any turns.
Writes benchmarks/results/throughput.csv and prints one table of geometric means.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.plan import (
    DEVICES_GFLOP_PER_S,
    LINKS_MB_PER_S,
    NETWORKS,
    mean,
    setting_of,
    write,
)
from fusepath.onnx_io import load_model
from fusepath.plan import (
    Budget,
    PlanRequest,
    Setting,
    Throughput,
    make_plan,
    make_rotation,
    played_period_s,
)

EDGE_GFLOP_PER_S = 500
IN_FLIGHT = (3, 8)
BUDGET = Budget(evaluations=20_000)
RESULTS = Path(__file__).parent / "results" / "throughput.csv"


def main() -> None:
    rows = []
    for network in sys.argv[1:] or NETWORKS:
        graph = load_model(f"zoo:{network}").graph
        for device, link in itertools.product(DEVICES_GFLOP_PER_S, LINKS_MB_PER_S):
            setting = setting_of(graph, device, EDGE_GFLOP_PER_S, link)
            asked = {"network": network, "device_gflop_per_s": device, "link_mb_per_s": link}
            rows += [asked | row for row in measured(setting)]
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    write(rows, RESULTS)
    show(rows)


def measured(setting: Setting) -> list[dict]:
    auto = make_plan(setting, PlanRequest(budget=BUDGET)).best
    cuts = make_plan(setting, PlanRequest(algorithm="nfl", top=sys.maxsize)).plans
    rows = []
    for in_flight in IN_FLIGHT:
        request = PlanRequest(objective=Throughput(in_flight=in_flight), budget=BUDGET)
        rotation = make_rotation(setting, request)
        cut_s = min(played_period_s(setting, [cut], (0,), in_flight=in_flight) for cut in cuts)
        rows.append(
            {
                "in_flight": in_flight,
                "turns_ms": rotation.period_s * 1e3,
                "cut_ms": cut_s * 1e3,
                "auto_ms": played_period_s(setting, [auto], (0,), in_flight=in_flight) * 1e3,
                "alone_ms": auto.makespan_s * 1e3,
                "bound_ms": rotation.lower_bound_s * 1e3,
                "plans": len(rotation.plans),
            }
        )
    return rows


def show(rows: list[dict]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("network")
    for column in (
        "in flight",
        "cut/turns",
        "least",
        "most",
        "auto/turns",
        "alone/turns",
        "turns/bound",
        "cut/bound",
        "two plans",
    ):
        table.add_column(column, justify="right")
    networks = dict.fromkeys(row["network"] for row in rows)
    for network, in_flight in itertools.product([*networks, "all"], IN_FLIGHT):
        group = [
            row
            for row in rows
            if network in {row["network"], "all"} and row["in_flight"] == in_flight
        ]
        gains = [row["cut_ms"] / row["turns_ms"] for row in group]
        table.add_row(
            network,
            str(in_flight),
            f"{mean(gains):.3f}",
            f"{min(gains):.2f}",
            f"{max(gains):.2f}",
            f"{mean(row['auto_ms'] / row['turns_ms'] for row in group):.3f}",
            f"{mean(row['alone_ms'] / row['turns_ms'] for row in group):.3f}",
            f"{mean(row['turns_ms'] / row['bound_ms'] for row in group):.3f}",
            f"{mean(row['cut_ms'] / row['bound_ms'] for row in group):.3f}",
            f"{sum(row['plans'] > 1 for row in group)} of {len(group)}",
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
