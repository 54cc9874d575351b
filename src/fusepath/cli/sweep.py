"""``fusepath sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusepath.cli.executor_options import executor_options
from fusepath.cli.kept_file import kept_until_done
from fusepath.cli.options import (
    OUTPUT_FILE,
    evaluations_option,
    input_shape_option,
    json_option,
    open_model,
    planning_request,
    print_json,
    time_limit_option,
)

if TYPE_CHECKING:
    from fusepath.study import Executor
    from fusepath.study.sweep import SweepRow, SweepSpec


@click.command("sweep")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option(
    "--device",
    "devices",
    metavar="RATE|FILE",
    multiple=True,
    required=True,
    help="An end device; may be given several times, as may what follows.",
)
@click.option(
    "--edge", "edges", metavar="RATE|FILE", multiple=True, required=True, help="An edge server."
)
@click.option(
    "--link", "links", metavar="RATE|FILE", multiple=True, required=True, help="A link, like 2MB/s."
)
@input_shape_option
@click.option("--algorithm", "algorithms", multiple=True, help="What plans.  [default: auto]")
@click.option("--convention", default="runtime", show_default=True, help="Timing convention.")
@evaluations_option
@time_limit_option
@executor_options
@click.option(
    "-o",
    "--output",
    "outputs",
    metavar="FILE",
    multiple=True,
    type=OUTPUT_FILE,
    help="Write a table (.csv, .parquet); may be given several times.",
)
@json_option
def command(
    models: tuple[str, ...],
    devices: tuple[str, ...],
    edges: tuple[str, ...],
    links: tuple[str, ...],
    input_shape: str | None,
    algorithms: tuple[str, ...],
    convention: str,
    evaluations: int | None,
    time_limit: float | None,
    outputs: tuple[str, ...],
    as_json: bool,
    on: Executor | None,
) -> None:
    """Plan every MODEL on every device, edge server and link, by every algorithm.

    Interrupted, the command goes on where it stopped when it is given the same first FILE.
    """
    import msgspec

    from fusepath.cost import named_convention, parse_link, parse_machine
    from fusepath.plan import PlanRequest
    from fusepath.plan.planner import check_request
    from fusepath.report import render
    from fusepath.report.sweep import check_sweep_file, sweep_table
    from fusepath.spelling import spelt
    from fusepath.study.sweep import NamedLink, NamedMachine, SweepSpec, Swept

    files = [Path(output) for output in outputs]
    for file in files:
        check_sweep_file(file)
    algorithms = tuple(dict.fromkeys(algorithms)) or ("auto",)
    for name in algorithms:
        check_request(PlanRequest(algorithm=name))
    machines = [
        tuple(NamedMachine(spelt(text), parse_machine(text)) for text in dict.fromkeys(texts))
        for texts in (devices, edges)
    ]
    joined = tuple(NamedLink(spelt(text), parse_link(text)) for text in dict.fromkeys(links))
    asked = planning_request(PlanRequest(), evaluations=evaluations, time_limit=time_limit)
    rules = named_convention(convention)
    loaded = [open_model(model, input_shape) for model in dict.fromkeys(models)]
    spec = SweepSpec(
        models=tuple(Swept(model.source, model.graph) for model in loaded),
        devices=machines[0],
        edges=machines[1],
        links=joined,
        algorithms=algorithms,
        convention=rules,
        budget=asked.budget,
    )
    rows = _compute(spec, files, on)
    if as_json:
        print_json({"rows": [msgspec.to_builtins(row) for row in rows]})
    else:
        click.echo(render(sweep_table(rows)))


def _compute(spec: SweepSpec, files: list[Path], on: Executor | None) -> list[SweepRow]:
    """The rows, computed and written; they are kept beside the first file until that is done."""
    from fusepath.cli.progress import counting
    from fusepath.report.sweep import save_sweep
    from fusepath.study import Processes
    from fusepath.study.sweep import compute_sweep, kept_rows

    kept = kept_rows(files[0].with_suffix(".rows.jsonl")) if files else None
    points = sum(1 for _ in spec.points())
    with kept_until_done(kept.path if kept else None):
        with counting("planning", points) as progress:
            rows = compute_sweep(spec, kept=kept, on=on or Processes(), progress=progress)
        for file in files:
            save_sweep(file, rows)
    return rows
