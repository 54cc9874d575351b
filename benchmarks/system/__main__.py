"""Every plan and three peers between two hosts; see README.md in this folder.

make bench-system                                   everything; needs root
python -m benchmarks.system --quick                 one cell, three repeats
python -m benchmarks.system --networks alexnet --rates 1.8,3
python -m benchmarks.system --picture photograph.jpg --results results/photograph
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from benchmarks.system.cells import NETWORKS, RATES_MB_PER_S, REPEATS, SLOWDOWNS, Cell
from benchmarks.system.goodput import TOLERANCE, check_wire
from benchmarks.system.network import NetworkUnavailableError, inside, two_hosts
from benchmarks.system.processes import Hosts, ProgramFailedError
from fusepath.errors import FusepathError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from benchmarks.system.network import Network
    from benchmarks.system.results import Results
    from benchmarks.system.timelines import Timelines

QUICK = {"networks": ("squeezenet",), "rates": (3.0,), "slowdowns": (5.0,), "repeats": 3}
RESULTS = Path(__file__).parents[1] / "results"
TIMELINES = "system-timelines.jsonl"
WIRE_TRIES = 3
BUSY = 0.7


def numbers(least: float) -> Callable[..., tuple[float, ...] | None]:
    """Reads numbers above ``least``, or equal to it, separated by commas."""

    def parse(_: click.Context, __: click.Parameter, text: str | None) -> tuple[float, ...] | None:
        if text is None:
            return None
        try:
            values = tuple(float(part) for part in text.split(","))
        except ValueError:
            raise click.BadParameter(f"'{text}' is not a list like 1.1,1.8") from None
        if not all(least <= value < float("inf") for value in values):
            raise click.BadParameter(f"'{text}': every value must be {least:g} or more")
        return values

    return parse


def check_names(_: click.Context, __: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """Names of zoo networks, separated by commas."""
    names = None if text is None else tuple(text.split(","))
    from fusepath.onnx_io import zoo  # noqa: PLC0415 - heavy

    for name in names or ():
        if name not in zoo.NAMES:
            raise click.BadParameter(f"'{name}' is none of {', '.join(zoo.NAMES)}")
    return names


@click.command()
@click.option("--networks", callback=check_names, help=f"Default: {','.join(NETWORKS)}.")
@click.option("--rates", callback=numbers(0.01), help="Goodput of the link in MB/s.")
@click.option("--slowdowns", callback=numbers(1.0), help="How much slower the device is.")
@click.option("--repeats", type=click.IntRange(1, 1000), help=f"Default: {REPEATS}.")
@click.option("--quick", is_flag=True, help="One cell, three repeats.")
@click.option("--fresh", is_flag=True, help="Measure everything again.")
@click.option(
    "--timeline", metavar="PLAN", help="Measure nothing: show what a plan did, e.g. auto."
)
@click.option("--markdown", is_flag=True, help="Measure nothing: the table of docs/benchmarks.md.")
@click.option("--peers/--no-peers", default=True, help="Run the peers as well.")
@click.option(
    "--picture",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What networks are run on, scaled to their size. Default: the drawn picture of the demo.",
)
@click.option(
    "--results",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=RESULTS,
    help="Where system.csv and the figures go.",
)
def main(
    networks: tuple[str, ...] | None,
    rates: tuple[float, ...] | None,
    slowdowns: tuple[float, ...] | None,
    repeats: int | None,
    quick: bool,
    fresh: bool,
    timeline: str | None,
    markdown: bool,
    peers: bool,
    picture: Path | None,
    folder: Path,
) -> None:
    """Measure every plan and three peers between two hosts on this machine."""
    if picture is not None and folder == RESULTS:
        raise click.UsageError("--picture needs --results, or rows of two pictures would mix")
    chosen = {"networks": networks, "rates": rates, "slowdowns": slowdowns, "repeats": repeats}
    default = QUICK if quick else {
        "networks": NETWORKS, "rates": RATES_MB_PER_S, "slowdowns": SLOWDOWNS, "repeats": REPEATS,
    }  # fmt: skip
    options = default | {name: value for name, value in chosen.items() if value is not None}
    cells = [
        Cell(*item)
        for item in itertools.product(options["networks"], options["slowdowns"], options["rates"])
    ]
    if timeline is not None:
        show_timelines(cells, timeline, folder)
        return
    if markdown:
        show_markdown(cells, options["repeats"], folder)
        return
    signal.signal(signal.SIGTERM, _stop)
    with ExitStack() as stack:
        try:
            network = stack.enter_context(two_hosts())
        except NetworkUnavailableError as error:
            click.echo(f"skipped: {error}", err=True)
            return
        try:
            verified = bench(
                cells,
                network,
                repeats=options["repeats"],
                peers=peers,
                fresh=fresh,
                folder=folder,
                picture=picture,
            )
        except (FusepathError, NetworkUnavailableError, ProgramFailedError) as error:
            raise click.ClickException(str(error)) from error
    sys.exit(0 if verified else 1)


def show_timelines(cells: Sequence[Cell], plan: str, folder: Path) -> None:
    """What one plan did in some cells that have been measured."""
    from rich.console import Console  # noqa: PLC0415

    from benchmarks.system.timelines import Timelines, show  # noqa: PLC0415

    timelines = Timelines(folder / TIMELINES, fresh=False)
    records = timelines.of(cells, plan)
    if not records:
        raise click.ClickException(f"{timelines.path} has no '{plan}' in these cells")
    for record in records:
        show(record, Console())


def show_markdown(cells: Sequence[Cell], repeats: int, folder: Path) -> None:
    """The table of what has been measured."""
    from benchmarks.system import table  # noqa: PLC0415
    from benchmarks.system.results import Results  # noqa: PLC0415

    results = Results(folder / "system.csv", fresh=False)
    click.echo(table.markdown([row for cell in cells for row in results.rows(cell, repeats)]))


def bench(
    cells: Sequence[Cell],
    network: Network,
    *,
    repeats: int,
    peers: bool,
    fresh: bool,
    folder: Path,
    picture: Path | None,
) -> bool:
    """Measure what is missing and show it all; whether every output was right."""
    hosts = Hosts.apart(network)

    from rich.console import Console  # noqa: PLC0415

    from benchmarks.system.results import Results  # noqa: PLC0415
    from benchmarks.system.timelines import Timelines  # noqa: PLC0415

    console = Console(width=max(Console().width, 120), highlight=False)
    load = os.getloadavg()[0]
    if load > BUSY:
        console.print(f"this machine is busy (load {load:.1f}): times will mean little")
    if hosts.device_core == hosts.edge_core:
        console.print("device and edge server share this machine's one core: times mean little")
    results = Results(folder / "system.csv", fresh=fresh)
    timelines = Timelines(folder / TIMELINES, fresh=fresh)
    missing = [cell for cell in cells if not results.rows(cell, repeats)]
    if len(missing) < len(cells):
        console.print(
            f"{len(cells) - len(missing)} of {len(cells)} cells are in {results.path} already; "
            f"--fresh measures them again"
        )
    if missing:
        for rate in sorted({cell.rate_mb_per_s for cell in missing}):
            _check_wire(network, rate, console)
        with inside(network.device):
            _measure(
                missing,
                hosts,
                results,
                timelines,
                repeats=repeats,
                peers=peers,
                picture=picture,
                console=console,
            )
    rows = [row for cell in cells for row in results.rows(cell, repeats)]
    _show(rows, folder, console)
    return all(row.verified for row in rows)


def _check_wire(network: Network, rate_mb_per_s: float, console: Console) -> None:
    for _ in range(WIRE_TRIES):
        goodput = check_wire(network, rate_mb_per_s * 1e6)
        if goodput.is_as_asked:
            break
    console.print(
        f"link asked for {rate_mb_per_s:g} MB/s; messages after silence get "
        f"{goodput.up_bytes_per_s / 1e6:.3f} up, {goodput.down_bytes_per_s / 1e6:.3f} down"
    )
    if not goodput.is_as_asked:
        raise SystemExit(
            f"the link is off by {goodput.error:.0%}, more than {TOLERANCE:.0%}: "
            f"is this machine busy?"
        )


def _measure(
    cells: Sequence[Cell],
    hosts: Hosts,
    results: Results,
    timelines: Timelines,
    *,
    repeats: int,
    peers: bool,
    picture: Path | None,
    console: Console,
) -> None:
    from benchmarks.system.campaign import DRAWN, Campaign, Subject, estimated_s  # noqa: PLC0415

    names = dict.fromkeys(cell.network for cell in cells)
    subjects = {name: Subject(name, picture or DRAWN) for name in names}
    total_s = estimated_s(subjects, cells, repeats)
    console.print(f"{len(cells)} cells, {repeats} repeats: about {total_s / 60:.0f} minutes")
    campaign = Campaign(
        hosts=hosts,
        results=results,
        timelines=timelines,
        repeats=repeats,
        peers=peers,
        console=console,
    )
    started_s = time.perf_counter()
    for name, subject in subjects.items():
        own = [cell for cell in cells if cell.network == name]
        asyncio.run(campaign.run(subject, own, total=len(cells)))
    console.print(f"measured in {(time.perf_counter() - started_s) / 60:.1f} minutes")


def _show(rows: Sequence, folder: Path, console: Console) -> None:
    from benchmarks.system.figure import draw  # noqa: PLC0415
    from benchmarks.system.table import cells_table, print_summary  # noqa: PLC0415

    for name in dict.fromkeys(row.network for row in rows):
        own = [row for row in rows if row.network == name]
        for slowdown in dict.fromkeys(row.slowdown for row in own):
            console.print(
                f"\n{name} on a device {slowdown:g}x slower: median ± half the interquartile range "
                f"/ predicted, ms"
            )
            console.print(cells_table([row for row in own if row.slowdown == slowdown]))
        draw(own, folder)
    console.print()
    print_summary(rows, console)
    console.print(f"\n{folder / 'system.csv'} and figures beside it")


def _stop(*_: object) -> NoReturn:
    raise SystemExit(143)


if __name__ == "__main__":
    main()
