"""``fusepath compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fusepath.cli.options import (
    constraint_options,
    grid_option,
    input_shape_option,
    json_option,
    machine_options,
    model_argument,
    open_setting,
    print_json,
)

if TYPE_CHECKING:
    from fusepath.plan import Constraints


@click.command("compare")
@model_argument
@machine_options
@grid_option
@constraint_options
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
    constraints: Constraints,
) -> None:
    """Plan MODEL with every algorithm and show them side by side."""
    from fusepath.errors import InfeasibleError, UnsupportedOperatorError
    from fusepath.plan import ALGORITHMS, make_plan, plan_document
    from fusepath.report import plans_table, render
    from fusepath.tiling import Grid

    tiles = None if grid == "auto" else Grid.parse(grid)
    loaded, setting = open_setting(
        model, input_shape, device=device, edge=edge, link=link, convention=convention
    )
    tileable = loaded.graph.tileable_layers > 0
    plans = []
    for name, algorithm in ALGORITHMS.items():
        if algorithm.tiles and not tileable:
            continue
        try:
            plan = make_plan(
                setting,
                name,
                grid=tiles if algorithm.tiles else None,
                constraints=constraints,
                source=loaded.source,
            )
        except (InfeasibleError, UnsupportedOperatorError) as error:
            click.echo(f"{name} is left out: {error} …", err=True)
            continue
        plans.append(plan)
    if not plans:
        raise InfeasibleError("no algorithm found a plan that keeps to the constraints")
    if as_json:
        print_json({"plans": [plan_document(plan) for plan in plans]})
    else:
        click.echo(render(plans_table(plans)))
