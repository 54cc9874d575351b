"""``fusepath plan``."""

from __future__ import annotations

import click

from fusepath.cli.options import (
    algorithm_option,
    check_channels,
    choose_algorithm,
    grid_option,
    input_shape_option,
    json_option,
    machine_options,
    mean_option,
    model_argument,
    open_setting,
    parse_channels,
    plan_json,
    print_json,
    std_option,
    tau_option,
    tiles_option,
    time_limit_option,
)


@click.command("plan")
@model_argument
@machine_options
@algorithm_option
@grid_option
@tau_option
@tiles_option
@time_limit_option
@mean_option
@std_option
@input_shape_option
@click.option("-o", "--output", metavar="FILE", help="Write the plan here.")
@json_option
def command(
    model: str,
    device: str,
    edge: str,
    link: str,
    convention: str,
    algorithm: str | None,
    grid: str,
    tau: int | None,
    tiles: str,
    time_limit: float | None,
    mean: str,
    std: str,
    input_shape: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Find a plan for MODEL on a device, an edge server and a link."""
    from fusepath.plan import make_plan, save_plan
    from fusepath.report import gantt, plan_text
    from fusepath.tiling import Grid

    fixed = None if grid == "auto" else Grid.parse(grid)
    channels = parse_channels(mean, "--mean"), parse_channels(std, "--std", nonzero=True)
    loaded, setting = open_setting(
        model, input_shape, device=device, edge=edge, link=link, convention=convention
    )
    check_channels(loaded, mean=channels[0], std=channels[1])
    plan = make_plan(
        setting,
        choose_algorithm(algorithm, grid=grid, tau=tau, tiles=tiles),
        grid=fixed,
        tau=tau,
        unequal=tiles == "auto",
        time_limit_s=time_limit,
        source=loaded.source,
        mean=channels[0],
        std=channels[1],
    )
    if output is not None:
        save_plan(output, plan)
    if as_json:
        print_json(plan_json(plan))
    else:
        click.echo(plan_text(plan))
        click.echo()
        click.echo(gantt(plan.timeline))
