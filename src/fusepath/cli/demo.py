"""``fusepath demo``: every plan side by side, with a real edge server in another process."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusepath.cli.numbers import Finite
from fusepath.cli.options import (
    OUTPUT_FILE,
    input_shape_option,
    json_option,
    open_model,
    print_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from fusepath.cost import MachineProfile
    from fusepath.offload.emulation import Emulation
    from fusepath.offload.inference import Inference
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan, Setting
    from fusepath.runtime.compare import Comparison
    from fusepath.timeline import Timeline

_CALIBRATIONS, _CALIBRATION_RUNS, _CALIBRATION_PAUSE_S = 6, 10, 0.3
"""Some machines are slower by half for part of a second, now and then: looked at for long enough,
one of the runs is undisturbed."""
_PHOTOGRAPH = "data/astronaut.png"
"""In scikit-image; by NASA, in the public domain."""
_WELL_PLAYED = 0.15
"""Part by which a device may take longer than it is told to before that is worth a word."""


@click.command("demo")
@click.option("--model", default="zoo:squeezenet", show_default=True, help="What to run.")
@click.option(
    "--image",
    metavar="FILE",
    help="A picture of your own; the middle of it is scaled to fit. Without, a photograph that "
    "scikit-image ships, or a drawn picture where that is not installed.",
)
@click.option(
    "--pace", default="1.8MB/s", show_default=True, help="Rate of the link that is played."
)
@click.option(
    "--device-time",
    "device_ms",
    type=Finite(0.001, 1e6),
    default=130.0,
    show_default=True,
    metavar="MS",
    help="What the device takes for the whole network; what this machine takes, at least.",
)
@click.option(
    "--slowdown",
    type=Finite(1, 10_000),
    help="How much slower than this machine the device is, instead.",
)
@click.option(
    "--repeat", type=click.IntRange(1, 1000), default=7, show_default=True, help="Runs per plan."
)
@click.option(
    "--report",
    "report_file",
    metavar="FILE.html",
    type=OUTPUT_FILE,
    help="Write a page about the quickest plan here.",
)
@input_shape_option
@json_option
def command(
    model: str,
    input_shape: str | None,
    image: str | None,
    pace: str,
    device_ms: float,
    slowdown: float | None,
    repeat: int,
    report_file: str | None,
    as_json: bool,
) -> int:
    """Run a network with every kind of plan over a slow link, and compare.

    Starts an edge server as a process of its own, plays a weak device and a slow link in user
    space, measures what planning needs, and runs all plans in turn on the same picture. Every
    result is checked against the unsplit model.
    """
    from fusepath.cli.edge_process import EdgeProcess
    from fusepath.offload.emulation import Emulation
    from fusepath.pictures.inputs import load_input
    from fusepath.plan import Fit, Preprocessing
    from fusepath.profiling.layers import measure_layers
    from fusepath.spelling import spelt
    from fusepath.units import parse_bytes_per_s

    def say(text: str) -> None:
        click.echo(f"{text} …", err=True)

    pace_bytes_per_s = parse_bytes_per_s(pace)
    loaded = open_model(model, input_shape)
    picture = image or _picture()
    pixels = load_input(picture, loaded.graph.input, pictures=Preprocessing(fit=Fit.CROP))
    say("measuring every layer on this machine")
    device = measure_layers(loaded)
    say("starting an edge server")
    with EdgeProcess(model) as edge:
        if slowdown is None:
            alone_s = _alone_s(loaded, pixels, device)
            slowdown = max(device_ms * 1e-3 / alone_s, 1.0)
            device = device.slowed(device_ms * 1e-3 / (device.total_s + device.call_overhead_s))
        else:
            device = device.slowed(slowdown)
        emulation = Emulation(pace_bytes_per_s=pace_bytes_per_s, slowdown=slowdown)
        rows = asyncio.run(
            _all_plans(
                loaded,
                pixels,
                edge.address,
                device=device,
                emulation=emulation,
                repeats=repeat,
                say=say,
            )
        )
    if report_file is not None:
        _write_report(report_file, rows, pixels)
    if as_json:
        baseline = _baseline(rows)
        print_json({"picture": spelt(picture), "rows": [row.document(baseline) for row in rows]})
    else:
        click.echo(
            f"\n{loaded.graph.name} on {Path(picture).name}, {slowdown:.3g} times slower than this "
            f"machine, link {pace}"
        )
        _print(rows, repeats=repeat)
        if report_file is not None:
            click.echo(f"\nopen {Path(report_file).absolute().as_uri()} to see it")
    return 0 if all(row.comparison.passed for row in rows) else 1


def _picture() -> str:
    """A photograph if there is one."""
    shipped = find_spec("skimage")
    if shipped is not None and shipped.origin is not None:
        photograph = Path(shipped.origin).parent / _PHOTOGRAPH
        if photograph.is_file():
            return str(photograph)
    return str(resources.files("fusepath") / "assets" / "demo.png")


def _alone_s(model: Model, image: NDArray[Any], device: MachineProfile) -> float:
    """Seconds that this machine takes alone: of what the device will do, at the time it is done.

    It is one call of the whole network, and not as many as it has layers; pixels become values
    before. Beside the edge server's process, that also takes longer than without.
    """
    from fusepath.cost import Link
    from fusepath.plan import PlanRequest, Setting, make_plan
    from fusepath.runtime.device_share import DeviceShare

    link = Link(up_bytes_per_s=1e6, down_bytes_per_s=1e6)
    setting = Setting(graph=model.graph, device=device, edge=device, link=link)
    plan = make_plan(setting, PlanRequest(algorithm="device-only")).best
    share, times_s = DeviceShare(model, plan.recipe), []
    for _ in range(_CALIBRATIONS):
        times_s += share.rehearse(image, repeats=_CALIBRATION_RUNS).paths_s[0]
        time.sleep(_CALIBRATION_PAUSE_S)
    return min(times_s)


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One plan and what it did."""

    name: str
    plan: Plan
    predicted: Timeline
    runs: list[Inference]
    comparison: Comparison

    @property
    def latency_s(self) -> float:
        return statistics.median(run.latency_s for run in self.runs)

    @property
    def codecs(self) -> list[str]:
        return sorted(set(self.plan.codecs.values()))

    def document(self, baseline: _Row) -> dict[str, Any]:
        latencies = sorted(run.latency_s for run in self.runs)
        return {
            "name": self.name,
            "start": self.plan.start,
            "tau": self.plan.tau,
            "grid": str(self.plan.grid),
            "order": self.plan.order,
            "cuts": self.plan.cuts,
            "codecs": self.plan.codecs,
            "makespan_s": self.plan.makespan_s,
            "predicted_s": self.predicted.end_s,
            "lower_bound_s": self.plan.lower_bound_s,
            "latency_s": self.latency_s,
            "latency_min_s": latencies[0],
            "latency_max_s": latencies[-1],
            "speedup_over_nfl": baseline.latency_s / self.latency_s,
            "max_abs_error": self.comparison.max_abs_error
            if math.isfinite(self.comparison.max_abs_error)
            else None,
            "bit_equal": self.comparison.bit_equal,
        }


def _baseline(rows: list[_Row]) -> _Row:
    """What all others are compared with: the best single cut."""
    return next(row for row in rows if row.name == "NFL")


async def _all_plans(
    model: Model,
    image: NDArray[Any],
    address: str,
    *,
    device: MachineProfile,
    emulation: Emulation,
    repeats: int,
    say: Callable[[str], None],
) -> list[_Row]:
    from fusepath.offload.machines import Machines, measured_setting
    from fusepath.offload.pairing import Pairing
    from fusepath.offload.trials import Trials
    from fusepath.offload.verify import run_unsplit
    from fusepath.plan import InputFormat, Origin, PlanRequest, make_plan, shortlist
    from fusepath.profiling.codecs import named_codecs, offering_codecs
    from fusepath.profiling.layers import measure_layers
    from fusepath.remote.client import connect
    from fusepath.runtime.compare import compare
    from fusepath.tiling import Grid

    async with connect(address) as client:
        pairing = Pairing(model=model, client=client, emulation=emulation)
        setting = await measured_setting(
            pairing, Machines(device=device), "uint8", measure_layers, say
        )
        origin = Origin(source=model.source)
        plans = {
            name: make_plan(setting, PlanRequest(algorithm=algorithm, grid=grid), origin).best
            for name, algorithm, grid in (
                ("device only", "device-only", None),
                ("full offload", "full-offload", None),
                ("NFL", "nfl", None),
                ("MW 2x2", "mw", Grid(2, 2)),
                ("MW k x k", "mw", None),
                ("streamed cut", "streamed-cut", None),
                ("stream", "stream", None),
            )
        }
        offering = offering_codecs(
            setting, model, image, InputFormat(), codecs=named_codecs("auto")
        )

        def listed(setting: Setting) -> list[Plan]:
            return shortlist(setting, origin=origin)

        trials = Trials(pairing=pairing, sample=image, say=say)
        best = await trials.choose(offering, listed)
        plans["auto"] = best.plan
        say("preparing the sessions of all plans on both sides")
        prepared = {name: await pairing.prepare(plan, image) for name, plan in plans.items()}
        alone = prepared["device only"]
        if alone.predicted.end_s > (1 + _WELL_PLAYED) * alone.plan.makespan_s:
            say(
                f"this machine is busy or slow: the device takes {alone.predicted.end_s * 1e3:.0f} "
                f"ms for the network, not {alone.plan.makespan_s * 1e3:.0f} ms"
            )
        await pairing.compare_clocks()
        runs: dict[str, list[Inference]] = {name: [] for name in plans}
        for turn in range(repeats):
            say(f"running all plans in turn, {turn + 1} of {repeats}")
            for name, ready in prepared.items():
                runs[name].append(await pairing.infer(ready, image))
        pairing.close()
    reference = run_unsplit(model, image, next(iter(plans.values())).input)
    return [
        _Row(
            name=name,
            plan=plan,
            predicted=prepared[name].predicted,
            runs=runs[name],
            comparison=max(
                (compare(run.outputs, reference) for run in runs[name]),
                key=lambda item: item.max_rel_error,
            ),
        )
        for name, plan in plans.items()
    ]


def _write_report(file: str, rows: list[_Row], pixels: NDArray[Any]) -> None:
    from fusepath.cli.planned import open_planned
    from fusepath.offload.inference import median_of
    from fusepath.output_file import write_file
    from fusepath.pictures.preview import preview
    from fusepath.plan import PlanRequest, compare_plans, make_plan
    from fusepath.report.page import Story, curves_of_plan, report_page

    best = min(rows, key=lambda row: row.latency_s)
    loaded, setting = open_planned(best.plan, None, None)
    cut = make_plan(setting, PlanRequest(algorithm="nfl")).best  # with the codecs of the best
    story = Story(
        plan=best.plan,
        graph=loaded.graph,
        predicted=best.predicted,
        measured=median_of(best.runs).timeline,
        compared=compare_plans(setting, [*(row.plan for row in rows), cut]),
        curves=curves_of_plan(best.plan, setting),
        picture=preview(pixels),
    )
    write_file(file, report_page(story).encode())


def _print(rows: list[_Row], *, repeats: int) -> None:
    from fusepath.offload.inference import median_of
    from fusepath.report import cuts_text, empty_table, gantt, milliseconds, render

    baseline = _baseline(rows)
    alone = next(row for row in rows if row.name == "device only")
    click.echo(
        f"which alone takes {milliseconds(alone.predicted.end_s)}; ms, medians of {repeats} "
        f"runs in turn\n"
    )
    table = empty_table(
        *("plan", "tau", "grid", "cuts", "codecs", "predicted", "measured", "spread"),
        *("vs NFL", "error"),
        flexible=("cuts",),
        optional=("grid", "tau"),
    )
    for row in rows:
        latencies = sorted(run.latency_s for run in row.runs)
        table.add_row(
            row.name,
            str(row.plan.tau) if row.plan.arrangement.label else "–",
            str(row.plan.grid),
            cuts_text(row.plan),
            ", ".join(row.codecs),
            f"{row.predicted.end_s * 1e3:.1f}",
            f"{row.latency_s * 1e3:.1f}",
            f"{latencies[0] * 1e3:.1f}–{latencies[-1] * 1e3:.1f}",
            f"{baseline.latency_s / row.latency_s:.2f}x",
            f"{row.comparison.max_abs_error:.1e}" if not row.comparison.bit_equal else "0",
        )
    click.echo(render(table))
    best = min(rows, key=lambda row: row.latency_s)
    shown = [baseline] if best is baseline else [baseline, best]
    until_s = max(
        timeline.end_s
        for row in shown
        for timeline in (row.predicted, median_of(row.runs).timeline)
    )
    for row in shown:
        click.echo(
            f"\n{row.name}, measured\n{gantt(median_of(row.runs).timeline, until_s=until_s)}"
        )
    click.echo(f"\n{best.name}, predicted\n{gantt(best.predicted, until_s=until_s)}")
    click.echo("\nnumbers are paths, T the layers behind them, R the result on its way back")
