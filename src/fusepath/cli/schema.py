"""``fusepath schema``."""

from __future__ import annotations

import importlib

import click

from fusepath.cli.options import OUTPUT_FILE, json_option, print_json

FORMATS = {
    "plan": ("fusepath.plan.plan", "Plan"),
    "run": ("fusepath.plan.run_file", "RunDocument"),
    "book": ("fusepath.plan.book.book", "PlanBook"),
    "profile": ("fusepath.cost", "MachineProfile"),
    "link": ("fusepath.cost", "Link"),
    "map": ("fusepath.study.gain_map", "GainMap"),
    "layers": ("fusepath.cost.layer_table", "LayerTable"),
}
"""Where the type of each format is."""


@click.command("schema")
@click.argument("name", metavar="FORMAT", type=click.Choice(list(FORMATS)))
@click.option("-o", "--output", metavar="FILE", type=OUTPUT_FILE, help="Write the schema here.")
@json_option
def command(name: str, output: str | None, as_json: bool) -> None:
    """Print the JSON schema of a file format: plan, run, book, profile, link, map or layers.

    The schema says which keys and types a file has; what must hold beyond that, as that a plan fits
    its model, is checked when it is read.
    """
    from fusepath import jsonfile
    from fusepath.plan.plan_file import Derived

    module, kind = FORMATS[name]
    schema = jsonfile.schema(
        getattr(importlib.import_module(module), kind), derived=Derived if name == "plan" else None
    )
    if output is not None:
        jsonfile.save(output, schema)
    if output is None or as_json:
        print_json(schema)
    else:
        click.echo(f"{output}: the schema of a {name} file")
