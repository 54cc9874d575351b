"""The rows as tables, and the summary, for people."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks.system import summary
from benchmarks.system.cells import (
    AUTO,
    CODED_NFL,
    DEVICE_ONLY,
    NFL,
    ORDER,
    PEER_LABELS,
    PLAIN_AUTO,
    RAW,
    SERIAL,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from benchmarks.system.results import Row


def cells_table(rows: Sequence[Row]) -> Table:
    """Plans down, cells across."""
    cells = summary.by_cell(rows)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("plan", no_wrap=True)
    for cell in cells:
        table.add_column(f"{cell.rate_mb_per_s:g} MB/s", justify="right", no_wrap=True)
    for name in ORDER:
        if any(name in plans for plans in cells.values()):
            table.add_row(name, *(_times(plans.get(name)) for plans in cells.values()))
    bounds = (next(iter(plans.values())).lower_bound_s for plans in cells.values())
    table.add_row(
        "lower bound, no codecs", *(f"{bound_s * 1e3:.1f}" for bound_s in bounds), style="dim"
    )
    gains = (other / auto if auto else 0.0 for other, auto in summary.over_baselines(cells))
    table.add_row("gain of auto", *(f"{value:.2f}x" for value in gains), style="bold")
    return table


MARKDOWN = (
    *(
        DEVICE_ONLY,
        RAW,
        NFL,
        "MW k x k",
        "exact 2x2",
        "streamed cut",
        "stream",
        SERIAL,
        PLAIN_AUTO,
        AUTO,
    ),
    *(CODED_NFL, PEER_LABELS["neurosurgeon"], PEER_LABELS["deepthings"]),
)
"""Plans that the page of results shows."""


def markdown(rows: Sequence[Row]) -> str:
    """Cells down, some plans across, measured in milliseconds; as in docs/benchmarks.md."""
    names = [name.removeprefix("peer: ") for name in MARKDOWN]
    lines = [
        f"| network | device | MB/s | {' | '.join(names)} | bound | gain |",
        "|---" + "|---:" * (len(names) + 4) + "|",
    ]
    for cell, plans in summary.by_cell(rows).items():
        times = [
            f"{plans[name].measured_s * 1e3:.1f}" if name in plans else "" for name in MARKDOWN
        ]
        bound_ms = next(iter(plans.values())).lower_bound_s * 1e3
        pairs = summary.over_baselines({cell: plans})
        gain = "".join(f"{other / auto:.2f}" for other, auto in pairs)
        lines.append(
            f"| {cell.network} | {cell.slowdown:g}× | {cell.rate_mb_per_s:g} | "
            f"{' | '.join(times)} | {bound_ms:.1f} | {gain} |"
        )
    return "\n".join(lines)


def _times(row: Row | None) -> str:
    if row is None:
        return "–"
    if row.same_as:
        return f"[dim]= {row.same_as}[/dim]"
    predicted = "" if row.predicted_s is None else f" / {row.predicted_s * 1e3:.1f}"
    wrong = "" if row.verified else " [red]WRONG[/red]"
    half_ms = (row.q3_s - row.q1_s) / 2 * 1e3
    return f"{row.measured_s * 1e3:.1f} ±{half_ms:.1f}{predicted}{wrong}"


def print_summary(rows: Sequence[Row], console: Console) -> None:
    """Predictions, gains, peers, overhead, correctness."""
    cells = summary.by_cell(rows)
    ran = [row for row in rows if not row.same_as]
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()

    def line(name: str, text: str) -> None:
        table.add_row(name, text)

    right = sum(row.verified for row in ran)
    worst = max(row.max_rel_error for row in ran)
    line(
        "verified",
        f"{right} of {len(ran)} rows equal the unsplit model; largest error {worst:.1e} "
        f"of the largest value",
    )
    for name, signed in (
        ("prediction, when prepared", summary.prediction_errors(rows)),
        ("prediction, by the planner", summary.planning_errors(rows)),
    ):
        errors = [abs(error) for error in signed]
        close = sum(error <= summary.CLOSE for error in errors)
        line(
            name,
            f"{close} of {len(errors)} plans within {summary.CLOSE:.0%} of what was measured "
            f"({close / len(errors):.0%}); median error {statistics.median(errors):.1%}",
        )
    line(
        "auto over the best of device only, full uint8 and NFL",
        _gain(summary.gain(summary.over_baselines(cells))),
    )
    line(
        f"the same where NFL is {summary.ROOM}x its bound or more",
        _gain(summary.gain(summary.over_baselines(summary.with_room(cells)))),
    )
    roomy = summary.with_room(cells)
    for label, pairs in (
        ("auto without codecs over the same baselines", summary.over_baselines(cells, PLAIN_AUTO)),
        (
            f"the same where NFL is {summary.ROOM}x its bound or more",
            summary.over_baselines(roomy, PLAIN_AUTO),
        ),
        (
            "auto over the best single cut with codecs",
            summary.over_baselines(cells, AUTO, (DEVICE_ONLY, CODED_NFL)),
        ),
    ):
        line(label, _gain(summary.gain(pairs)))
    line("overlap, best tiled plan", _gain(summary.gain(summary.over_serial(cells))))
    for label, pairs in summary.over_peers(cells).items():
        if pairs:
            line(f"auto over {label}", _gain(summary.gain(pairs)))
    for network, values in summary.runtime_overhead_s(cells).items():
        line(
            f"runtime overhead, {network}",
            f"{statistics.median(values) * 1e3:+.1f} ms for one path without device work over "
            f"plain gRPC (median of {len(values)} cells, {min(values) * 1e3:+.1f} to "
            f"{max(values) * 1e3:+.1f})",
        )
    if within := summary.within_overhead(cells):
        line(
            "overhead within 3 % + 2 ms",
            f"in {sum(within)} of {len(within)} cells",
        )
    for name in ("MW 8x8", AUTO):
        times = summary.preparation_s(rows, name)
        if times:
            shown = ", ".join(f"{network} {value:.2f} s" for network, value in times.items())
            line(f"preparing {name}", f"{shown} (both sides, sessions warm)")
    console.print(table)


def _gain(gain: summary.Gain | None) -> str:
    if gain is None:
        return "no such cell"
    return (
        f"{gain.mean:.2f}x (geometric mean of {gain.cells} cells), least {gain.least:.2f}x, "
        f"{gain.good} of {gain.cells} at {summary.GOOD_GAIN}x or more"
    )
