"""``fusepath profile``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fusepath.cli.options import (
    OUTPUT_FILE,
    input_shape_option,
    json_option,
    model_argument,
    no_cache_option,
    open_model,
    print_json,
    provider_option,
)
from fusepath.cli.progress import counting

if TYPE_CHECKING:
    from fusepath.onnx_io import Model
    from fusepath.profiling import ProfileReport, Settings


@click.command("profile")
@model_argument
@click.option(
    "-o", "--output", metavar="FILE.json", type=OUTPUT_FILE, help="Write the profile here."
)
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Threads of one operator.",
)
@provider_option
@click.option("--fast", is_flag=True, help="Fewer repeats.")
@click.option("--repeats", type=click.IntRange(2, 1000), help="Runs of every layer and tile.")
@click.option("--layers", is_flag=True, help="Show every layer.")
@input_shape_option
@no_cache_option
@json_option
def command(
    model: str,
    output: str | None,
    threads: int,
    providers: tuple[str, ...],
    fast: bool,
    repeats: int | None,
    layers: bool,
    input_shape: str | None,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Measure this machine for MODEL: what `plan` takes for --device or --edge.

    Times every layer on its whole maps, tiles and strips, and says how well that predicts tiles and
    strips that were not used. Nothing else should be running meanwhile.
    """
    import msgspec

    from fusepath import jsonfile
    from fusepath.profiling import ProfileCache, Settings
    from fusepath.report import layer_costs_table, profile_text, render
    from fusepath.runtime.execution import Execution
    from fusepath.runtime.runner import usable

    execution = usable(Execution(providers=providers, threads=threads))
    settings = Settings.quick(execution) if fast else Settings(execution=execution)
    if repeats is not None:
        settings = msgspec.structs.replace(settings, repeats=repeats)
    loaded = open_model(model, input_shape)
    cache = ProfileCache.of_user()
    report = None if no_cache else cache.load(loaded, settings)
    cached = report is not None
    if report is None:
        report = _measure(loaded, settings)
        if not no_cache:
            cache.keep(loaded, report)
    if output is not None:
        jsonfile.save(output, report.profile)
    if as_json:
        print_json({**msgspec.to_builtins(report), "cached": cached})
        return
    click.echo(f"model        {loaded.graph.name} ({loaded.graph.sha256[:12]})")
    click.echo(profile_text(report))
    if layers:
        click.echo(f"\n{render(layer_costs_table(report))}")
    if cached:
        click.echo("\nmeasured before; --no-cache measures anew")


def _measure(model: Model, settings: Settings) -> ProfileReport:
    from fusepath.profiling import profile_machine

    with counting("measuring the layers on this machine", 2 * model.graph.depth) as count:
        return profile_machine(model, settings, progress=lambda done, _: count(done))
