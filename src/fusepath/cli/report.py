"""``fusepath report``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from fusepath.cli.options import (
    OUTPUT_FILE,
    json_option,
    post_option,
    print_json,
)
from fusepath.cli.picture_options import picture_options
from fusepath.cli.planned import open_planned
from fusepath.cli.progress import telling

if TYPE_CHECKING:
    from fusepath.plan import ComparedPlan, Plan, Preprocessing, Setting
    from fusepath.timeline import Timeline


@click.command("report")
@click.argument("source", metavar="PLAN|RUN")
@click.option(
    "-o",
    "--output",
    metavar="FILE.html",
    type=OUTPUT_FILE,
    required=True,
    help="Write the page here.",
)
@click.option("--model", help="Where the model is, if not where the planner found it.")
@click.option("--sample", metavar="INPUT", help="A picture or array to show the paths on.")
@picture_options
@click.option(
    "--book", "book_file", metavar="FILE", help="Show the plans of this book on other links."
)
@click.option(
    "--evaluations",
    type=click.IntRange(min=0),
    default=20_000,
    show_default=True,
    metavar="N",
    help="What every algorithm of the table may look at; 0 leaves the table out.",
)
@post_option
@json_option
def command(
    source: str,
    output: str,
    model: str | None,
    sample: str | None,
    book_file: str | None,
    evaluations: int,
    post: str | None,
    as_json: bool,
    pictures: Preprocessing,
) -> None:
    """Show PLAN, or what `run --json` printed, as one page for a browser.

    The page is one file that loads nothing: where each path runs, on the picture of --sample; when,
    predicted and measured; what bounds the plan; the network; other links; all algorithms.
    """
    from fusepath.output_file import write_file
    from fusepath.pictures.inputs import load_input
    from fusepath.pictures.preview import preview
    from fusepath.plan import check_plan, load_book
    from fusepath.report.page import Story, curves_of_book, curves_of_plan, report_page
    from fusepath.spelling import spelt

    told = _read(source)
    plan = told.plan
    loaded, setting = open_planned(plan, model, post)
    check_plan(plan, loaded.graph)
    picture = None
    if sample is not None:
        picture = preview(
            load_input(sample, loaded.graph.input, pictures=pictures, batch=loaded.boundary.batch)
        )
    if not plan.is_of_known_machines:
        click.echo(
            "not all of both machines and the link was measured: what they would do with other "
            "plans and on other links is left out …",
            err=True,
        )
        evaluations = 0
    compared = _compared(setting, plan, evaluations) if evaluations else ()
    curves = None
    if book_file is not None:
        curves = curves_of_book(load_book(book_file))
    elif plan.is_of_known_machines:
        curves = curves_of_plan(plan, setting)
    with telling("drawing the page"):
        page = report_page(
            Story(
                plan=plan,
                graph=loaded.graph,
                predicted=told.predicted,
                measured=told.measured,
                compared=compared,
                curves=curves,
                picture=picture,
            )
        ).encode()
    write_file(output, page)
    if as_json:
        print_json({"path": spelt(output), "bytes": len(page)})
    else:
        click.echo(f"{output}: {len(page)} bytes; open it in a browser")


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What a file tells: of a plan file, what is predicted; of a run, what was measured as well."""

    plan: Plan
    predicted: Timeline
    measured: Timeline | None = None


def _read(source: str) -> _Told:
    from fusepath import jsonfile
    from fusepath.plan import Plan
    from fusepath.plan.plan_file import plan_of_document
    from fusepath.plan.run_file import RUN_FORMAT, run_of_document

    document = jsonfile.load_object(source, Plan)
    if document.get("format") != RUN_FORMAT:
        plan = plan_of_document(document, where=source)
        return _Told(plan=plan, predicted=plan.timeline)
    run = run_of_document(document, where=source)
    return _Told(plan=run.plan, predicted=run.predicted, measured=run.measured)


def _compared(setting: Setting, plan: Plan, evaluations: int) -> tuple[ComparedPlan, ...]:
    """What every algorithm finds within a budget; the plan itself stands for its own."""
    from fusepath.errors import AlgorithmError, NoPlanError, UnsupportedOperatorError
    from fusepath.plan import ALGORITHMS, Budget, PlanRequest, compare_plans, make_plan

    found = []
    for name in ALGORITHMS:
        if name == plan.algorithm:
            found.append(plan)
            continue
        try:
            if ALGORITHMS[name].forwards and not setting.source:
                continue
            request = PlanRequest(
                algorithm=name,
                budget=Budget(evaluations=evaluations),
                constraints=plan.request.constraints,
            )
            with telling(f"planning with {name}"):
                found.append(make_plan(setting, request).best)
        except (AlgorithmError, NoPlanError, UnsupportedOperatorError) as error:
            click.echo(f"{name} is left out: {error} …", err=True)
    return compare_plans(setting, found)
