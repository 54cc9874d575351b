"""``fusepath map``."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fusepath.cli.executor_options import executor_options
from fusepath.cli.kept_file import kept_until_done
from fusepath.cli.options import (
    OUTPUT_FILE,
    compress_option,
    evaluations_option,
    input_shape_option,
    json_option,
    open_model,
    planning_request,
    print_json,
    time_limit_option,
)
from fusepath.cli.picture_options import picture_options
from fusepath.cli.samples import sample_option, tried_samples
from fusepath.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusepath.onnx_io import Model
    from fusepath.plan import Preprocessing
    from fusepath.study import Executor, GainMap, MapSpec

DEVICES = "1GFLOPS:100GFLOPS"
LINKS = "0.5MB/s:20MB/s"
POINTS = 13
_DATA = (".json", ".csv")
_PICTURES = (".png", ".svg")


@click.command("map")
@click.argument("model", metavar="MODEL|MAP.json")
@click.option("--edge", metavar="RATE|FILE", help="The edge server: 500GFLOPS, or a profile file.")
@click.option("--devices", metavar="LOW:HIGH", help=f"Range of end devices.  [default: {DEVICES}]")
@click.option("--links", metavar="LOW:HIGH", help=f"Range of link rates.  [default: {LINKS}]")
@click.option("--points", type=int, help=f"Devices and links in the range.  [default: {POINTS}]")
@click.option("--convention", help="Timing convention.  [default: runtime]")
@evaluations_option
@time_limit_option
@compress_option
@sample_option
@picture_options
@input_shape_option
@executor_options
@click.option(
    "-o",
    "--output",
    "outputs",
    metavar="FILE",
    multiple=True,
    type=OUTPUT_FILE,
    help="Write a picture (.png, .svg) or the data (.json, .csv); may be given several times.",
)
@json_option
def command(
    model: str,
    edge: str | None,
    devices: str | None,
    links: str | None,
    points: int | None,
    convention: str | None,
    evaluations: int | None,
    time_limit: float | None,
    compress: str | None,
    samples: tuple[str, ...],
    input_shape: str | None,
    outputs: tuple[str, ...],
    as_json: bool,
    pictures: Preprocessing,
    on: Executor | None,
) -> None:
    """Map what planning MODEL gains over NFL, for a range of devices and links.

    A map that was written as .json before can be drawn and shown again. Interrupted, the command
    goes on where it stopped when it is given the same first FILE.
    """
    files = _output_files(outputs)
    if model.endswith(".json"):
        from fusepath.study import load_gain_map

        given = {
            "--edge": edge,
            "--devices": devices,
            "--links": links,
            "--points": points,
            "--convention": convention,
            "--evaluations": evaluations,
            "--time-limit": time_limit,
            "--compress": compress,
            "--sample": samples or None,
            "--input-shape": input_shape,
            "--workers or --ray": on,
        }
        for option, value in given.items():
            if value is not None:
                raise InputError(f"{model} is computed already: leave out {option}")
        gain_map = load_gain_map(model)
        _write(gain_map, files)
    else:
        from fusepath.plan import InputFormat, PlanRequest

        loaded = open_model(model, input_shape)
        spec = _spec(
            loaded,
            edge=edge,
            devices=devices or DEVICES,
            links=links or LINKS,
            points=POINTS if points is None else points,
            convention=convention or "runtime",
        )
        asked = planning_request(PlanRequest(), evaluations=evaluations, time_limit=time_limit)
        form = InputFormat(dtype=spec.setting(spec.device_ops_per_s[0]).input_dtype)
        tried = tried_samples(loaded, samples, compress=compress, form=form, pictures=pictures)
        spec = replace(spec, budget=asked.budget, samples=tried)
        gain_map = _compute(spec, files, on)
    if as_json:
        print_json(gain_map.document())
    else:
        _show(gain_map)


def _output_files(outputs: tuple[str, ...]) -> list[Path]:
    """What can be refused is refused before hours are spent on it."""
    files = [Path(output) for output in outputs]
    for file in files:
        if file.suffix not in (*_DATA, *_PICTURES):
            raise InputError(
                f"cannot write {file}: a map is written as .png, .svg, .json or .csv, by its name"
            )
    if any(file.suffix in _PICTURES for file in files):
        from fusepath.report.figures import require_matplotlib

        require_matplotlib("write .json or .csv")
    return files


def _spec(
    loaded: Model,
    *,
    edge: str | None,
    devices: str,
    links: str,
    points: int,
    convention: str,
) -> MapSpec:
    from fusepath.cost import MachineProfile, named_convention, parse_machine
    from fusepath.study import MapSpec, parse_devices, parse_links

    if edge is None:
        raise InputError("--edge is missing: the edge server, like 500GFLOPS or a profile file")
    server, rules = parse_machine(edge), named_convention(convention)
    device_rates, link_rates = parse_devices(devices, points), parse_links(links, points)
    if isinstance(server, MachineProfile):
        server.check(loaded.graph)
    return MapSpec(
        graph=loaded.graph,
        source=loaded.source,
        edge=server,
        device_ops_per_s=device_rates,
        link_bytes_per_s=link_rates,
        convention=rules,
    )


def _compute(spec: MapSpec, files: list[Path], on: Executor | None) -> GainMap:
    """The map, computed and written; cells are kept beside the first file until that is done."""
    from fusepath.study import Processes, compute_map, kept_cells

    kept = kept_cells(files[0].with_suffix(".cells.jsonl")) if files else None
    with kept_until_done(kept.path if kept else None):
        with _progress() as progress:
            gain_map = compute_map(spec, kept=kept, on=on or Processes(), progress=progress)
        _write(gain_map, files)
    return gain_map


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _tell_tenths()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("planning", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("planning", total=None)
        yield lambda done, todo: bar.update(task, completed=done, total=todo)


def _tell_tenths() -> Callable[[int, int], None]:
    told = -1

    def tell(done: int, todo: int) -> None:
        nonlocal told
        if done * 10 // todo > told:
            told = done * 10 // todo
            click.echo(f"map: {done} of {todo} cells …", err=True)

    return tell


def _write(gain_map: GainMap, files: list[Path]) -> None:
    from fusepath.study import save_gain_map

    for file in files:
        if file.suffix in _DATA:
            save_gain_map(file, gain_map)
        else:
            from fusepath.report.map_figure import save_map_figure

            save_map_figure(gain_map, file)


def _show(gain_map: GainMap) -> None:
    from rich.console import Console

    from fusepath.report import map_notes, map_table
    from fusepath.report.fitting import window_width, wrapped

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=window_width())
    elif console.color_system == "standard":  # sixteen colours make no scale
        console = Console(highlight=False, color_system=None)
    console.print(map_table(gain_map, width=console.width))
    click.echo(wrapped(map_notes(gain_map).splitlines()))
