"""``fusepath probe``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fusepath.cli.numbers import Finite
from fusepath.cli.options import OUTPUT_FILE, json_option, print_json
from fusepath.cli.progress import counting

if TYPE_CHECKING:
    from fusepath.profiling import LinkReport


@click.command("probe")
@click.argument("edge", metavar="HOST:PORT")
@click.option("-o", "--output", metavar="FILE.json", type=OUTPUT_FILE, help="Write the link here.")
@click.option(
    "--budget",
    type=Finite(1, 600),
    default=20.0,
    show_default=True,
    metavar="SECONDS",
    help="About how long to probe.",
)
@json_option
def command(edge: str, output: str | None, budget: float, as_json: bool) -> None:
    """Measure the link to the edge server at HOST:PORT: what `plan` takes for --link.

    Sends and fetches messages of several sizes, as `run` sends pieces, and draws a line through
    their times. A slow link is spared the large ones. What a message costs whatever its size is
    measured as well.
    """
    import asyncio

    import msgspec

    from fusepath import jsonfile
    from fusepath.report import link_text

    report = asyncio.run(_probe(edge, budget_s=budget))
    if output is not None:
        jsonfile.save(output, report.link)
    if as_json:
        print_json({**msgspec.to_builtins(report), "asymmetry": report.asymmetry})
    else:
        click.echo(link_text(report))


async def _probe(edge: str, *, budget_s: float) -> LinkReport:
    from fusepath.profiling import probe
    from fusepath.remote.client import connect

    async with connect(edge) as client:
        messages = await client.message_costs()
        with counting("probing the link, in hundredths", 100) as count:
            return await probe(
                client.exchange_s,
                budget_s=budget_s,
                messages=messages,
                progress=lambda part: count(round(100 * part)),
            )
