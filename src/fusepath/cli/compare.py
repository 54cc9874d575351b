"""``fusepath compare``."""

from __future__ import annotations

import click

from fusepath.cli.options import (
    grid_option,
    input_shape_option,
    json_option,
    machine_options,
    model_argument,
    open_model,
    plan_json,
    print_json,
)


@click.command("compare")
@model_argument
@machine_options
@grid_option
@input_shape_option
@json_option
def command(
    model: str,
    device: str,
    edge: str,
    link: str,
    convention: str,
    grid: str,
    input_shape: str | None,
    as_json: bool,
) -> None:
    """Plan MODEL with every algorithm and show them side by side."""
    from fusepath.cost import named_convention, parse_link, parse_machine
    from fusepath.errors import InfeasibleError
    from fusepath.plan import ALGORITHMS, Setting, make_plan
    from fusepath.report import plans_table, render
    from fusepath.tiling import Grid

    tiles = None if grid == "auto" else Grid.parse(grid)
    machines = (parse_machine(device), parse_machine(edge), parse_link(link))
    rules = named_convention(convention)
    loaded = open_model(model, input_shape)
    setting = Setting(
        graph=loaded.graph,
        device=machines[0],
        edge=machines[1],
        link=machines[2],
        convention=rules,
    )
    tileable = loaded.graph.tileable_layers > 0
    plans = []
    for name, algorithm in ALGORITHMS.items():
        if algorithm.tiles and not tileable:
            continue
        try:
            plan = make_plan(
                setting, name, grid=tiles if algorithm.tiles else None, source=loaded.source
            )
        except InfeasibleError as error:
            click.echo(f"{name} is left out: {error} …", err=True)
            continue
        plans.append(plan)
    if as_json:
        print_json({"plans": [plan_json(plan) for plan in plans]})
    else:
        click.echo(render(plans_table(plans)))
