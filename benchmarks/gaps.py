"""What lies between plans and their bounds, setting by setting of `make bench-plan`.

    python -m benchmarks.gaps [NETWORK …]      half a minute a setting, kept as they come
    python -m benchmarks.gaps --page           writes docs/gaps.md from what was computed

Of `auto`'s time over the fluid bound, the row bound proves a part to be out of reach of plans of
whole rows. What is left is told by the plan's busiest machine: it waits for its first work, has
nothing to do in between, is done before the end, or has more to do than any plan must give it.
Writes benchmarks/results/gaps.csv and prints a table.
"""

from __future__ import annotations

import itertools
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from benchmarks.plan import (
    DEVICES_GFLOP_PER_S,
    EDGES_GFLOP_PER_S,
    LINKS_MB_PER_S,
    NETWORKS,
    mean,
    setting_of,
)
from benchmarks.rows import append_rows, read_rows
from fusepath.onnx_io import load_model
from fusepath.plan import PlanRequest, make_plan, row_bound_s, simulate
from fusepath.timeline import Lane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.plan import Setting

RESULTS = Path(__file__).parent / "results" / "gaps.csv"
PAGE = Path(__file__).parents[1] / "docs" / "gaps.md"
HEAD = """# Gaps, setting by setting

What lies between `auto` and what no plan can beat, in the 162 settings of `make bench-plan`, by
`python -m benchmarks.gaps`. The [row bound](bounds.md) holds for single cuts and strips; *out of
reach* is the part of the gap to the fluid bound that it proves to be so. What is left is told by
the plan's busiest machine: the part of the time in which it waits for its first work (*first*),
has nothing to do in between (*between*) and has done all (*last*); and its work, compared with the
row bound (*work*). Where that is negative, the bound proves that the machine has to wait for at
least as long. Where `auto` is at the bound, nothing is better: no strips and no single cut.

"""
COLUMNS = (
    *("network", "device, edge, GFLOP/s", "MB/s", "auto, ms", "fluid, ms", "rows, ms"),
    *("auto/rows", "out of reach", "busiest", "first", "between", "last", "work"),
)


@dataclass(frozen=True, kw_only=True)
class Gap:
    """One setting: what `auto` takes, what no plan beats, and when its busiest machine idles."""

    network: str
    device_gflop_per_s: int
    edge_gflop_per_s: int
    link_mb_per_s: float
    auto_s: float
    fluid_s: float
    rows_s: float
    busiest: str
    work_s: float
    first_s: float
    between_s: float
    last_s: float

    @property
    def over_fluid(self) -> float:
        return self.auto_s / self.fluid_s

    @property
    def over_rows(self) -> float:
        return self.auto_s / self.rows_s

    @property
    def out_of_reach(self) -> float:
        """The part of the gap to the fluid bound that no plan of whole rows closes."""
        gap_s = self.auto_s - self.fluid_s
        return (self.rows_s - self.fluid_s) / gap_s if gap_s > 0 else 1.0


def measure(network: str, setting: Setting, place: tuple[int, int, float]) -> Gap:
    plan = make_plan(setting, PlanRequest(algorithm="auto")).best
    timeline = simulate(plan, setting)
    busiest = max(Lane, key=timeline.busy_s)
    spans, work_s = timeline.on(busiest), timeline.busy_s(busiest)
    first_s, done_s = spans[0].start_s, max(span.end_s for span in spans)
    device, edge, link = place
    return Gap(
        network=network,
        device_gflop_per_s=device,
        edge_gflop_per_s=edge,
        link_mb_per_s=link,
        auto_s=plan.makespan_s,
        fluid_s=plan.lower_bound_s,
        rows_s=row_bound_s(setting),
        busiest=busiest.value,
        work_s=work_s,
        first_s=first_s,
        between_s=done_s - first_s - work_s,
        last_s=timeline.end_s - done_s,
    )


def show(gaps: Sequence[Gap]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("network", "settings", "auto/fluid", "auto/rows", "least", "most"):
        table.add_column(column, justify="left" if column == "network" else "right")
    for column in ("out of reach", "≤ 1.07", "first", "between", "last", "work/rows"):
        table.add_column(column, justify="right")
    groups = {gap.network: [item for item in gaps if item.network == gap.network] for gap in gaps}
    for name, group in [*groups.items(), ("all", gaps)]:
        table.add_row(
            name,
            str(len(group)),
            f"{mean(gap.over_fluid for gap in group):.3f}",
            f"{mean(gap.over_rows for gap in group):.3f}",
            f"{min(gap.over_rows for gap in group):.2f}",
            f"{max(gap.over_rows for gap in group):.2f}",
            f"{statistics.mean(gap.out_of_reach for gap in group):.0%}",
            str(sum(gap.over_rows <= 1.07 for gap in group)),
            f"{statistics.mean(gap.first_s / gap.auto_s for gap in group):.1%}",
            f"{statistics.mean(gap.between_s / gap.auto_s for gap in group):.1%}",
            f"{statistics.mean(gap.last_s / gap.auto_s for gap in group):.1%}",
            f"{mean(gap.work_s / gap.rows_s for gap in group):.3f}",
        )
    Console(width=120).print(table)


def page(gaps: Sequence[Gap]) -> str:
    """All settings as a page."""
    lines = (
        f"| {gap.network} | {gap.device_gflop_per_s}, {gap.edge_gflop_per_s} | "
        f"{gap.link_mb_per_s:g} | {gap.auto_s * 1e3:.1f} | {gap.fluid_s * 1e3:.1f} | "
        f"{gap.rows_s * 1e3:.1f} | {gap.over_rows:.2f} | {gap.out_of_reach:.0%} | {gap.busiest} | "
        f"{gap.first_s / gap.auto_s:.1%} | {gap.between_s / gap.auto_s:.1%} | "
        f"{gap.last_s / gap.auto_s:.1%} | {gap.work_s / gap.rows_s - 1:+.1%} |\n"
        for gap in sorted(gaps, key=lambda gap: NETWORKS.index(gap.network))
    )
    heads = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"
    return HEAD + heads + "".join(lines)


def main() -> None:
    if sys.argv[1:] == ["--page"]:
        PAGE.write_text(page(read_rows(RESULTS, Gap)), encoding="utf-8")
        return
    done = read_rows(RESULTS, Gap)
    for network in sys.argv[1:] or NETWORKS:
        graph = load_model(f"zoo:{network}").graph
        for place in itertools.product(DEVICES_GFLOP_PER_S, EDGES_GFLOP_PER_S, LINKS_MB_PER_S):
            if any(
                (network, *place)
                == (gap.network, gap.device_gflop_per_s, gap.edge_gflop_per_s, gap.link_mb_per_s)
                for gap in done
            ):
                continue
            append_rows(RESULTS, Gap, [measure(network, setting_of(graph, *place), place)])
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    show(read_rows(RESULTS, Gap))


if __name__ == "__main__":
    main()
