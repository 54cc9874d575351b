"""How long a proof takes: `exact` on a k×k grid of every zoo network at every fused layer.

    python benchmarks/exact_grid.py [--grid 4] [--time-limit 5] [--network NAME …]

One row per network and pair of machines: fused layers proven optimal, median and longest solve,
the widest gap left, and what MW and JPS lose against the optimum. Not proven is listed below.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass, field

from fusepath.cost import parse_link, parse_machine
from fusepath.onnx_io import load_model
from fusepath.onnx_io.zoo import NAMES
from fusepath.plan import Setting, Timing
from fusepath.schedule import Budget, minimizing_waiting
from fusepath.schedule.exact import exact
from fusepath.schedule.johnson import johnson_partition
from fusepath.schedule.result import Status
from fusepath.tiling import Grid

MACHINES = (("10GFLOPS", "500GFLOPS", "1.1MB/s"), ("50GFLOPS", "2000GFLOPS", "12MB/s"))


@dataclass
class Row:
    name: str
    seconds: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    mw: list[float] = field(default_factory=list)
    jps: list[float] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        proven = len(self.seconds) - len(self.open)
        return (
            f"{self.name:38s} {proven:3d}/{len(self.seconds):<3d} "
            f"{statistics.median(self.seconds):7.3f} {max(self.seconds):7.3f} "
            f"{max(self.gaps):8.4%} {statistics.median(self.mw):7.3f} "
            f"{statistics.median(self.jps):7.3f}"
        )


def row_of(name: str, rates: tuple[str, str, str], grid: Grid, time_limit_s: float) -> Row:
    graph = load_model(f"zoo:{name}").graph
    setting = Setting(
        graph=graph,
        device=parse_machine(rates[0]),
        edge=parse_machine(rates[1]),
        link=parse_link(rates[2]),
    )
    row = Row(f"{name} {' '.join(rates)}")
    for tau in range(1, graph.tileable_layers + 1):
        if min(graph.fused_size(tau, 0), graph.fused_size(tau, 1)) < grid.rows:
            continue
        problem = Timing(setting).problem(tau, grid)
        result = exact(problem, meter=Budget(seconds=time_limit_s).begin())
        assert result.schedule is not None
        best_ns = result.schedule.makespan_ns
        row.seconds.append(result.seconds)
        row.gaps.append(result.gap)
        row.mw.append(minimizing_waiting(problem).makespan_ns / best_ns)
        row.jps.append(johnson_partition(problem).makespan_ns / best_ns)
        if result.status is not Status.OPTIMAL:
            row.open.append(f"{row.name} tau={tau}: gap {result.gap:.4%}")
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grid", type=int, default=4)
    parser.add_argument("--time-limit", type=float, default=5.0)
    parser.add_argument("--network", nargs="*", default=list(NAMES))
    options = parser.parse_args()
    header = "network, device, edge, link"
    print(f"{header:38s}  proven  median     max      gap  MW/opt JPS/opt")
    left_open = []
    for name in options.network:
        for rates in MACHINES:
            row = row_of(name, rates, Grid(options.grid, options.grid), options.time_limit)
            print(row, flush=True)
            left_open += row.open
    for line in left_open:
        print("open:", line)


if __name__ == "__main__":
    main()
