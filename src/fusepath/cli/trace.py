"""``--trace``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fusepath.cli.options import OUTPUT_FILE

if TYPE_CHECKING:
    from fusepath.plan import Plan
    from fusepath.timeline import Timeline

trace_option = click.option(
    "--trace",
    "trace_file",
    metavar="FILE",
    type=OUTPUT_FILE,
    help="Write what happens when, for ui.perfetto.dev.",
)


def write_trace(path: str | None, plan: Plan, *timelines: Timeline) -> None:
    """Write timelines of a plan where they are asked for."""
    if path is None:
        return
    from fusepath.output_file import write_file
    from fusepath.report.trace import trace

    write_file(path, trace(plan, *timelines))
