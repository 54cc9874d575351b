"""``fusepath run``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fusepath.cli.objective import stream_options
from fusepath.cli.options import (
    OUTPUT_FILE,
    algorithm_option,
    check_channels,
    compress_option,
    constraint_options,
    evaluations_option,
    grid_option,
    input_shape_option,
    json_option,
    mean_option,
    model_argument,
    no_cache_option,
    open_model,
    parse_channels,
    planning_request,
    post_option,
    print_json,
    start_option,
    std_option,
    tau_option,
    tiles_option,
    tiling_request,
    time_limit_option,
)
from fusepath.cli.picture_options import picture_options
from fusepath.cli.trace import trace_option, write_trace

if TYPE_CHECKING:
    from fusepath.arrays import Array
    from fusepath.offload.inference import Inference
    from fusepath.offload.rotating import PlansInTurn
    from fusepath.offload.run import Report
    from fusepath.onnx_io import Model
    from fusepath.plan import Constraints, Objective, Plan, Preprocessing


@click.command("run")
@model_argument
@click.argument("input_file", metavar="INPUT")
@click.option("--edge", metavar="HOST:PORT", help="The edge server.")
@click.option("--plan", "plan_file", metavar="FILE", help="Carry out this plan.")
@algorithm_option
@grid_option
@tau_option
@start_option
@tiles_option
@evaluations_option
@time_limit_option
@constraint_options
@compress_option
@click.option("--device", metavar="RATE|FILE", help="Plan for this device; measured without.")
@click.option(
    "--edge-machine", metavar="RATE|FILE", help="Plan for this edge server; measured without."
)
@click.option("--link", metavar="RATE|FILE", help="Plan for this link; measured without.")
@click.option("--pace", metavar="RATE", help="Play a link of this rate, like 1.8MB/s.")
@click.option(
    "--slowdown",
    type=click.FloatRange(1, 10_000),
    default=1.0,
    metavar="FACTOR",
    help="Play a device slower by this factor.",
)
@click.option(
    "--repeat",
    type=click.IntRange(1, 10_000),
    default=1,
    show_default=True,
    help="Inferences; the median is reported.",
)
@stream_options
@click.option(
    "--verify", is_flag=True, help="Compare with the unsplit model; exit 1 if it differs."
)
@picture_options
@click.option(
    "--feed",
    "feeds",
    multiple=True,
    metavar="NAME=FILE.npy",
    help="Another input of a model that has several; once for each.",
)
@mean_option
@std_option
@input_shape_option
@post_option
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 3600),
    metavar="SECONDS",
    help="Deadline of whatever the edge server is asked; without it 60 for an inference, 300 for "
    "preparing.",
)
@click.option(
    "--no-fallback",
    is_flag=True,
    help="Fail where the edge server does, instead of answering alone.",
)
@click.option(
    "-o", "--output", metavar="FILE.npz", type=OUTPUT_FILE, help="Write the outputs here."
)
@click.option(
    "--outputs",
    "wanted",
    metavar="NAME,NAME",
    help="Outputs that are wanted, all without; others stay where they are made.",
)
@trace_option
@no_cache_option
@json_option
def command(
    model: str,
    input_file: str,
    edge: str | None,
    plan_file: str | None,
    algorithm: str | None,
    grid: str,
    tau: int | None,
    start: int | None,
    tiles: str,
    evaluations: int | None,
    time_limit: float | None,
    compress: str | None,
    device: str | None,
    edge_machine: str | None,
    link: str | None,
    pace: str | None,
    slowdown: float,
    repeat: int,
    in_flight: int,
    verify: bool,
    feeds: tuple[str, ...],
    mean: str,
    std: str,
    input_shape: str | None,
    post: str | None,
    wanted: str | None,
    timeout: float | None,
    no_fallback: bool,
    output: str | None,
    trace_file: str | None,
    no_cache: bool,
    as_json: bool,
    constraints: Constraints,
    pictures: Preprocessing,
    objective: Objective,
) -> int:
    """Run MODEL on INPUT, split between this machine and an edge server.

    INPUT is a picture or a .npy array; of a model of several inputs it is the image, and --feed
    gives the others. Without --plan, device, edge server and link are measured unless given, and
    --algorithm plans for them. What was measured of this machine is remembered.
    """
    import msgspec

    from fusepath.cost import parse_link, parse_machine
    from fusepath.errors import InputError
    from fusepath.offload.emulation import Emulation
    from fusepath.offload.frames import FrameFormat
    from fusepath.offload.machines import Machines
    from fusepath.offload.order import FallbackPolicy, SessionOptions
    from fusepath.offload.run import run
    from fusepath.pictures.arrays import is_array_file
    from fusepath.pictures.decoding import PictureFile
    from fusepath.pictures.inputs import load_input
    from fusepath.plan import LATENCY, load_plan
    from fusepath.remote.client import Timeout
    from fusepath.units import parse_bytes_per_s

    machines = Machines(
        device=parse_machine(device) if device else None,
        edge=parse_machine(edge_machine) if edge_machine else None,
        link=parse_link(link) if link else None,
    )
    emulation = Emulation(
        pace_bytes_per_s=parse_bytes_per_s(pace) if pace else None, slowdown=slowdown
    )
    asked = tiling_request(
        algorithm,
        grid=grid,
        tau=tau,
        start=start,
        tiles=tiles,
        constraints=constraints,
        codecs=compress,
    )
    channels = parse_channels(mean, "--mean"), parse_channels(std, "--std", nonzero=True)
    plan = load_plan(plan_file) if plan_file else None
    loaded = open_model(model, input_shape, post)
    check_channels(loaded, mean=channels[0], std=channels[1])
    request = planning_request(
        msgspec.structs.replace(asked, objective=objective),
        evaluations=evaluations,
        time_limit=time_limit,
    )
    if plan is not None:
        if algorithm or grid != "auto" or tau is not None or start is not None or compress:
            raise InputError(
                "--plan is a plan made before: leave out --algorithm, --grid, --tau, --start and "
                "--compress"
            )
        if objective != LATENCY:
            raise InputError("--plan is one plan for all: leave out --objective and --min-fps")
        _keep_to(plan, loaded, constraints)
    elif edge is None and request.algorithm != "device-only":
        raise InputError(
            "say where the edge server is: --edge HOST:PORT; without one, --algorithm device-only"
        )
    if loaded.graph.tileable_layers == 0 and loaded.graph.barrier is not None:
        first = loaded.graph.barrier
        click.echo(
            f"{loaded.graph.name} runs unsplit: '{first.name}' ({first.op_type}) "
            f"{first.barrier_reason} …",
            err=True,
        )
    report = run(
        loaded,
        {
            loaded.boundary.input.name: load_input(
                input_file, loaded.graph.input, batch=loaded.boundary.batch
            )
            if is_array_file(input_file)
            else PictureFile.read(input_file),
            **dict(map(_fed, feeds)),
        },
        edge,
        repeats=repeat,
        in_flight=in_flight,
        verify=verify,
        outputs=wanted.split(",") if wanted else None,
        plan=plan or request,
        machines=machines,
        frames=FrameFormat(layout="chw", mean=channels[0], std=channels[1], pictures=pictures),
        timeout=Timeout() if timeout is None else Timeout(prepare_s=timeout, infer_s=timeout),
        options=SessionOptions(
            remember=not no_cache,
            emulation=emulation,
            fallback=FallbackPolicy.OFF if no_fallback else FallbackPolicy.WITHIN_MEMORY,
        ),
        say=lambda text: click.echo(f"{text} …", err=True),
    )
    if output is not None:
        _save_outputs(report, output)
    write_trace(trace_file, report.plan, report.predicted, report.median.timeline)
    alone = [run.fallback for run in report.runs if run.fallback is not None]
    if alone:
        click.echo(
            f"fusepath: this machine answered {len(alone)} of {len(report.runs)} alone: "
            f"{alone[-1].reason}",
            err=True,
        )
    if as_json:
        print_json(_document(report))
    else:
        _print(report)
    failed = report.comparison is not None and not report.comparison.passed
    if failed:
        click.echo("fusepath: the split result differs from the unsplit one", err=True)
    return 1 if failed else 0


def _fed(text: str) -> tuple[str, Array]:
    """Name and value of an input, as ``NAME=FILE.npy``."""
    from fusepath.errors import InputError
    from fusepath.pictures.arrays import load_array

    name, separator, path = text.rpartition("=")
    if not separator or not name:
        raise InputError(f"--feed '{text}' is not NAME=FILE.npy")
    return name, load_array(path)


def _keep_to(plan: Plan, model: Model, constraints: Constraints) -> None:
    """Refuse a plan made before that breaks constraints."""
    from fusepath.errors import InfeasibleError
    from fusepath.plan import check_plan, limit_violations

    check_plan(plan, model.graph)
    if wrong := limit_violations(plan, model.graph, constraints):
        raise InfeasibleError(f"the plan breaks the constraints: {'; '.join(wrong)}")


def _document(report: Report) -> dict[str, Any]:
    import math

    from fusepath.offload.statistics import percentiles
    from fusepath.plan.run_file import Run, run_document
    from fusepath.timeline import steps

    plan, median, comparison = report.plan, report.median, report.comparison
    latencies = sorted(run.latency_s for run in report.runs)
    p50_s, p90_s, p99_s = percentiles(latencies)
    document: dict[str, Any] = {
        **run_document(Run(plan=plan, predicted=report.predicted, measured=median.timeline)),
        "model": plan.model.name,
        "algorithm": plan.algorithm,
        "start": plan.start,
        "tau": plan.tau,
        "grid": str(plan.grid),
        "order": plan.order,
        "cuts": plan.cuts,
        "tail": plan.tail,
        "family": plan.family,
        "codecs": plan.codecs,
        "back_codecs": plan.back_codecs,
        "makespan_s": plan.makespan_s,
        "predicted_s": report.predicted.end_s,
        "lower_bound_s": plan.lower_bound_s,
        "latency_s": median.latency_s,
        "latency_min_s": latencies[0],
        "latency_max_s": latencies[-1],
        "latency_p50_s": p50_s,
        "latency_p90_s": p90_s,
        "latency_p99_s": p99_s,
        "latencies_s": [run.latency_s for run in report.runs],
        "frames_per_s": report.frames_per_s,
        "in_turn": _in_turn(report),
        "runs": len(latencies),
        "fallbacks": sum(run.fallback is not None for run in report.runs),
        "fallback": _fallback(median),
        "up_bytes": median.up_bytes,
        "device_macs": median.device_macs,
        "edge_macs": median.edge_macs,
        "planned_up_bytes": plan.up_bytes,
        "planned_device_macs": plan.device_macs,
        "planned_edge_macs": plan.edge_macs,
        "max_abs_error": None,
        "max_rel_error": None,
        "error": None,
        "tolerance": None,
        "bit_equal": None,
        "verified": None,
        "outputs": {name: list(value.shape) for name, value in median.outputs.items()},
        "steps": [
            {
                "lane": step.lane,
                "path": step.path,
                "predicted_s": step.predicted.duration_s,
                "measured_s": step.measured.duration_s,
                "late_s": step.late_s,
            }
            for step in steps(report.predicted, median.timeline)
        ],
    }
    if comparison is not None:
        finite = math.isfinite(comparison.max_abs_error)
        document |= {
            "max_abs_error": comparison.max_abs_error if finite else None,
            "max_rel_error": comparison.max_rel_error if finite else None,
            "error": comparison.error if finite else None,
            "tolerance": comparison.tolerance,
            "bit_equal": comparison.bit_equal,
            "verified": comparison.passed,
        }
    return document


def _in_turn(report: Report) -> dict[str, Any] | None:
    """Turns are places in the list of plans, from 0."""
    shown = report.in_turn
    if shown is None:
        return None
    return {
        "turns": list(shown.turns),
        "in_flight": shown.in_flight,
        "predicted_frames_per_s": shown.frames_per_s,
        "plans": [
            {"algorithm": plan.algorithm, "order": plan.order, "cuts": plan.cuts, "tau": plan.tau}
            for plan in shown.plans
        ],
    }


def _fallback(inference: Inference) -> dict[str, str] | None:
    if inference.fallback is None:
        return None
    return {"reason": inference.fallback.reason, "stage": inference.fallback.stage.value}


def _in_turn_text(shown: PlansInTurn) -> str:
    """Which plan every frame takes, from 1."""
    from fusepath.report import cuts_text

    turns = ", ".join(str(place + 1) for place in shown.turns)
    cuts = " and ".join(map(cuts_text, shown.plans))
    return f"{shown.frames_per_s:.1f} predicted, of plans {turns} in turn, with cuts {cuts}"


def _print(report: Report) -> None:
    from fusepath.report import (
        gantt,
        lanes_table,
        milliseconds,
        parting_text,
        paths_table,
        plan_text,
        render,
    )

    plan, median = report.plan, report.median
    click.echo(plan_text(plan))
    spread = ""
    if len(report.runs) > 1:
        latencies = sorted(run.latency_s for run in report.runs)
        spread = (
            f" (median of {len(latencies)}, {milliseconds(latencies[0])} to "
            f"{milliseconds(latencies[-1])})"
        )
    click.echo(f"latency      {milliseconds(median.latency_s)}{spread}")
    if len(report.runs) > 1:
        promised = "" if report.in_turn is None else f"; {_in_turn_text(report.in_turn)}"
        click.echo(f"throughput   {report.frames_per_s:.1f} frames/s{promised}")
    if report.comparison is not None:
        comparison = report.comparison
        verdict = (
            "bit-equal to"
            if comparison.bit_equal
            else f"{'matches' if comparison.passed else 'DIFFERS from'}"
        )
        allowed = "" if comparison.bit_equal else f", tolerance {comparison.tolerance:.3g}"
        click.echo(
            f"result       {verdict} the unsplit model "
            f"(largest error {comparison.max_abs_error:.3g}{allowed})"
        )
    click.echo()
    predicted = report.predicted
    click.echo(render(lanes_table(predicted, median.timeline)))
    click.echo("\npath by path, predicted / measured in ms")
    click.echo(render(paths_table(predicted, median.timeline)))
    click.echo(f"\n{parting_text(predicted, median.timeline)}")
    until_s = max(predicted.end_s, median.timeline.end_s)
    click.echo(f"\npredicted\n{gantt(predicted, until_s=until_s)}")
    click.echo(f"\nmeasured\n{gantt(median.timeline, until_s=until_s)}")


def _save_outputs(report: Report, path: str) -> None:
    import io

    import numpy as np

    from fusepath.output_file import write_file

    data = io.BytesIO()
    np.savez(data, **report.median.outputs)  # type: ignore[arg-type]
    write_file(path, data.getvalue())
