"""Plans that follow a link: a stream of frames while it changes, in simulated time.

    make bench-links      or: python -m benchmarks.links [--seconds 60] [--network NAME …]

The machine that decides is that of a session, and so are the plans; link, device and edge server
are played by the times of the plans (`simulated`). Traces: 12, 3, 0.3 MB/s, down for 2 s, 12 MB/s;
up and down alike, then 8 MB/s up and 0.25 down, then 1 up and 8 down; 1 MB/s with a burst of 2 MB.
The device is five times slower than the edge server. Writes benchmarks/results/links.csv and, with
--figure, docs/figures/links.png. With --steady, links stay as they are but for noise of 20 %, and
changes of plan are counted. With --real (root), a session and an edge server between two
namespaces of this machine, whose wire is shaped as the traces say, in real time, and beside every
phase what is planned where its link is known; --trace NAME plays one of them. What is measured is
added to benchmarks/results/links-real.csv trace by trace, so that it may be done in pieces, and is
not measured again unless --fresh.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from benchmarks.links.cells import NETWORKS, cell
from benchmarks.links.real import Measured, measure
from benchmarks.links.room import needed
from benchmarks.links.simulated import Plans, Stream
from benchmarks.links.steady import changes
from benchmarks.links.summary import (
    FIXED_BAR,
    FRAMES_BAR,
    MEAN_BAR,
    best_fixed_s,
    best_switching_s,
    mean_s,
    played,
    rows,
)
from benchmarks.links.trace import TRACES, Link
from benchmarks.rows import append_rows, read_rows

if TYPE_CHECKING:
    from benchmarks.links.summary import PhaseRow

RESULTS = Path(__file__).parents[1] / "results" / "links.csv"
REAL_RESULTS = RESULTS.with_name("links-real.csv")
FIGURE = Path(__file__).parents[2] / "docs" / "figures" / "links.png"
_DRAWN = "falling"
"""Also the trace on which plans that stay are beaten."""


@click.command()
@click.option("--seconds", type=float, default=60.0, help="Of every phase that is not an outage.")
@click.option("--network", "networks", multiple=True, default=NETWORKS, help="Only this one.")
@click.option("--trace", "traces", multiple=True, default=tuple(TRACES), help="Only this one.")
@click.option("--figure", is_flag=True, help="Draw docs/figures/links.png.")
@click.option("--steady", is_flag=True, help="Count changes of plan on links that only have noise.")
@click.option("--room", is_flag=True, help="How many plans must be ready to be right anywhere.")
@click.option("--real", is_flag=True, help="In real time, with a session.")
@click.option("--settle", type=float, default=30.0, help="Seconds before the first phase (--real).")
@click.option("--fresh", is_flag=True, help="Forget what was measured before (--real).")
def main(
    seconds: float,
    networks: tuple[str, ...],
    traces: tuple[str, ...],
    figure: bool,
    steady: bool,
    room: bool,
    real: bool,
    settle: float,
    fresh: bool,
) -> None:
    """Streams of frames over links that change, in simulated time."""
    if real:
        if fresh:
            REAL_RESULTS.unlink(missing_ok=True)
        _measure_each(list(product(networks, traces)), seconds, settle)
        return
    if steady or room:
        for network in networks:
            plans = Plans(cell(network))
            told = _told_changes(plans, seconds) if steady else _told_needed(plans)
            print(f"{network}: {told}")
        return
    found: list[PhaseRow] = []
    streams: dict[str, Stream] = {}
    stay: dict[str, Stream] = {}
    for network in networks:
        plans = Plans(cell(network))
        for trace in traces:
            phases = TRACES[trace](seconds)
            stream = played(plans, phases)
            found += rows(network, trace, stream)
            if trace != _DRAWN:
                continue
            streams[network] = stream
            name, fixed_s = best_fixed_s(plans, phases)
            stay[network] = Stream(plans=plans, link=Link(phases), first=name, fixed=True)
            stay[network].run(sum(phase.seconds for phase in phases))
            taken_s, least_s = mean_s(stream.frames), best_switching_s(plans, phases)
            print(
                f"{network}, {trace}: mean over phases {taken_s * 1e3:.1f} ms, "
                f"{taken_s / fixed_s:.3f} x the best plan that stays ({fixed_s * 1e3:.1f} ms); the "
                f"best plan of every phase would reach {least_s / fixed_s:.3f} (bar "
                f"{FIXED_BAR:.2f}); {len(stream.switches)} changes of plan"
            )
    _write(found)
    _show(found)
    if figure and streams:
        from benchmarks.links.figure import draw  # noqa: PLC0415 - needs matplotlib

        draw(streams, stay, FIGURE)


def _told_changes(plans: Plans, seconds: float) -> str:
    counts = sorted(changes(plans, seconds).items())
    return ", ".join(f"{runs} runs with {n} changes" for n, runs in counts)


def _told_needed(plans: Plans) -> str:
    found = needed(plans)
    return (
        f"of {found.plans} plans that were found for {found.links} links, "
        f"{found.fewest} beside that of the device alone must be ready for one within 3 % of the "
        f"best on each; the best choice of {found.room} has one on {found.most_links}, and what a "
        f"session chooses on {found.chosen_links}; all those that it plans lack one on "
        f"{found.book_off:.1%}"
    )


def _measure_each(pairs: list[tuple[str, str]], seconds: float, settle_s: float) -> None:
    for network, trace in pairs:
        if len(pairs) == 1:
            _measure(network, trace, seconds, settle_s)
        else:  # gRPC's threads stay in the namespace that they began in
            _measure_apart(network, trace, seconds, settle_s)
    _show_measured(read_rows(REAL_RESULTS, Measured))


def _measure_apart(network: str, trace: str, seconds: float, settle_s: float) -> None:
    """`_measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.links", "--real", "--network", network]
    options = ["--trace", trace, "--seconds", str(seconds), "--settle", str(settle_s)]
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)


def _measure(network: str, trace: str, seconds: float, settle_s: float) -> None:
    """Measure a trace that has not been, and keep what was found."""
    asked = (network, trace, seconds)
    known = {(row.network, row.trace, row.seconds) for row in read_rows(REAL_RESULTS, Measured)}
    if asked not in known:
        found = measure(network, trace, seconds, settle_s=settle_s)
        append_rows(REAL_RESULTS, Measured, found)


def _show_measured(found: list[Measured]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("network", "trace", "phase s", "up/down MB/s"):
        table.add_column(column)
    for column in (
        *("frames", "alone", "mean ms", "median ms", "best plan ms", "ratio"),
        *("usual plan after", "plans", "usual plan"),
    ):
        table.add_column(column, justify="right")
    for row in found:
        table.add_row(
            *(row.network, row.trace, f"{row.seconds:g}"),
            f"{row.up_bytes_per_s / 1e6:g} / {row.down_bytes_per_s / 1e6:g}",
            f"{row.frames}",
            f"{row.alone}",
            f"{row.mean_s * 1e3:.1f}",
            f"{row.median_s * 1e3:.1f}",
            *(
                ("", "")
                if row.best_s is None
                else (f"{row.best_s * 1e3:.1f}", f"{row.mean_s / row.best_s:.3f}")
            ),
            f"{row.settled_frames}",
            f"{row.plans}",
            row.usual,
        )
    Console(width=160).print(table)


def _write(found: list[PhaseRow]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            ["network", "trace", "up", "down", "frames", "alone", "mean_s", "best_s", "late_frames"]
        )
        for row in found:
            writer.writerow(
                [
                    *(row.network, row.trace),
                    *(row.phase.up_bytes_per_s, row.phase.down_bytes_per_s),
                    *(row.frames, row.alone, row.mean_s, row.best_s, row.late_frames),
                ]
            )


def _show(found: list[PhaseRow]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("network", "trace", "up/down MB/s"):
        table.add_column(column)
    for column in ("frames", "alone", "mean ms", "best ms", "ratio", "right after", "right"):
        table.add_column(column, justify="right")
    for row in found:
        table.add_row(
            row.network,
            row.trace,
            f"{row.phase.up_bytes_per_s / 1e6:g} / {row.phase.down_bytes_per_s / 1e6:g}",
            f"{row.frames}",
            f"{row.alone}",
            f"{row.mean_s * 1e3:.1f}",
            f"{row.best_s * 1e3:.1f}",
            f"{row.ratio:.3f}",
            "never" if row.late_frames is None else f"{row.late_frames}",
            f"{row.right:.1%}",
        )
    Console(width=110).print(table)
    means = sum(row.ratio <= MEAN_BAR for row in found)
    soon = sum(row.late_frames is not None and row.late_frames <= FRAMES_BAR for row in found)
    print(
        f"{means} of {len(found)} phases within {MEAN_BAR} x the best plan; in {soon} the plan is "
        f"right within {FRAMES_BAR} frames"
    )


if __name__ == "__main__":
    main()
