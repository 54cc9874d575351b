"""``fusepath compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fusepath.cli.options import (
    as_options,
    check_channels,
    compress_option,
    constraint_options,
    evaluations_option,
    grid_option,
    input_shape_option,
    input_type_option,
    json_option,
    machine_options,
    mean_option,
    model_argument,
    open_setting,
    parse_channels,
    planning_request,
    post_option,
    print_json,
    std_option,
    time_limit_option,
)
from fusepath.cli.picture_options import picture_options
from fusepath.cli.progress import telling
from fusepath.cli.samples import sample_option, tried_samples

if TYPE_CHECKING:
    from typing import Any

    from fusepath.plan import ComparedPlan, Constraints, Preprocessing


@click.command("compare")
@model_argument
@machine_options
@grid_option
@click.option(
    "--bound",
    type=click.Choice(["fluid", "rows"]),
    default="fluid",
    show_default=True,
    help="What plans are held against: rows adds the bound of plans of whole rows, some seconds.",
)
@evaluations_option
@time_limit_option
@constraint_options
@compress_option
@sample_option
@picture_options
@input_type_option
@mean_option
@std_option
@input_shape_option
@post_option
@json_option
def command(
    model: str,
    device: str,
    slowdown: float,
    edge: str,
    link: str,
    workers: int | None,
    convention: str,
    grid: str,
    bound: str,
    evaluations: int | None,
    time_limit: float | None,
    compress: str | None,
    samples: tuple[str, ...],
    input_type: str | None,
    mean: str,
    std: str,
    input_shape: str | None,
    post: str | None,
    as_json: bool,
    constraints: Constraints,
    pictures: Preprocessing,
) -> None:
    """Plan MODEL with every algorithm and show them side by side."""
    from fusepath.errors import (
        AlgorithmError,
        InfeasibleError,
        NoPlanError,
        UnsupportedOperatorError,
    )
    from fusepath.plan import (
        ALGORITHMS,
        InputFormat,
        Origin,
        PlanRequest,
        compare_plans,
        make_plan,
    )
    from fusepath.report import milliseconds, plans_table, render, wrapped
    from fusepath.tiling import Grid

    tiles = None if grid == "auto" else Grid.parse(grid)
    channels = parse_channels(mean, "--mean"), parse_channels(std, "--std", nonzero=True)
    loaded, setting = open_setting(
        model,
        input_shape,
        device=device,
        edge=edge,
        link=link,
        convention=convention,
        workers=workers,
        slowdown=slowdown,
        input_type=input_type,
        post=post,
    )
    check_channels(loaded, mean=channels[0], std=channels[1])
    form = InputFormat(dtype=setting.input_dtype, mean=channels[0], std=channels[1])
    tried = tried_samples(loaded, samples, compress=compress, form=form, pictures=pictures)
    if tried is not None:
        setting = tried.on(setting)
    tileable = bool(loaded.graph.sections)
    origin = Origin(source=loaded.source, mean=channels[0], std=channels[1], pictures=pictures)
    plans = []
    for name in ALGORITHMS:
        try:
            algorithm = ALGORITHMS[name]
            if (algorithm.tiles and not tileable) or (algorithm.forwards and not setting.source):
                continue
            request = planning_request(
                PlanRequest(
                    algorithm=name,
                    grid=tiles if algorithm.tiles else None,
                    constraints=constraints,
                    codecs=compress or "auto",
                ),
                evaluations=evaluations,
                time_limit=time_limit,
            )
            with telling(f"planning with {name}"):
                plans.append(make_plan(setting, request, origin).best)
        except (AlgorithmError, NoPlanError, UnsupportedOperatorError) as error:
            click.echo(f"{name} is left out: {as_options(str(error))} …", err=True)
    if not plans:
        raise InfeasibleError("no algorithm found a plan that keeps to the constraints")
    with telling("looking for the row bound"):
        compared = compare_plans(setting, plans, rows=bound == "rows")
    if as_json:
        print_json({"plans": [_row_json(row) for row in compared]})
    else:
        click.echo(render(plans_table(compared)))
        least = milliseconds(compared[0].lower_bound_s)
        told = [f"no plan takes less than {least}; device and edge are multiply-accumulates"]
        if bound == "rows":
            told.append("out of reach is what of the gap no plan of whole rows can close")
        click.echo(wrapped(["", *told]))


def _row_json(row: ComparedPlan) -> dict[str, Any]:
    """A plan against the problem's bound; what its family is known for has names of its own."""
    from fusepath.plan import plan_document

    document: dict[str, Any] = plan_document(row.plan)
    return document | {
        "lower_bound_s": row.lower_bound_s,
        "row_bound_s": row.row_bound_s,
        "out_of_reach": row.out_of_reach,
        "gap": row.gap,
        "status": row.status,
        "family_lower_bound_s": row.plan.lower_bound_s,
        "family_gap": row.plan.gap,
        "family_status": row.plan.status,
    }
