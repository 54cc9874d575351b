"""``fusepath run``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fusepath.cli.numbers import Finite
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
    lossy_option,
    mean_option,
    model_argument,
    no_cache_option,
    open_model,
    parse_channels,
    planning_request,
    post_option,
    print_json,
    provider_option,
    start_option,
    std_option,
    tau_option,
    tiles_option,
    tiling_request,
    time_limit_option,
)
from fusepath.cli.picture_options import picture_options
from fusepath.cli.progress import saying
from fusepath.cli.trace import trace_option, write_trace
from fusepath.units import number_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.arrays import Array
    from fusepath.offload.rotating import PlansInTurn
    from fusepath.offload.run import Report
    from fusepath.offload.stable import UntilStable
    from fusepath.onnx_io import Model
    from fusepath.plan import Constraints, Objective, Plan, Preprocessing


@click.command("run")
@model_argument
@click.argument("sources", metavar="INPUT…", nargs=-1, required=True)
@click.option(
    "--edge",
    metavar="HOST:PORT,…",
    help="The edge server; of several the first that answers, until it is lost.",
)
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
@lossy_option
@click.option("--device", metavar="RATE|FILE", help="Plan for this device; measured without.")
@click.option(
    "--edge-machine", metavar="RATE|FILE", help="Plan for this edge server; measured without."
)
@click.option("--link", metavar="RATE|FILE", help="Plan for this link; measured without.")
@provider_option
@click.option("--pace", metavar="RATE", help="Play a link of this rate, like 1.8MB/s.")
@click.option(
    "--slowdown",
    type=Finite(1, 10_000),
    default=1.0,
    metavar="FACTOR",
    help="Play a device slower by this factor.",
)
@click.option(
    "--repeat",
    type=click.IntRange(1, 10_000),
    help="Inferences of one input, 1 without; the median is reported.",
)
@click.option(
    "--until-stable",
    type=Finite(0.1, 100),
    metavar="PERCENT",
    help="Repeat until the median is known so well, with a confidence of 95 %; at most --repeat "
    "times, or 1000.",
)
@click.option(
    "--frames",
    type=click.IntRange(1),
    metavar="N",
    help="No more than the first N of several inputs, a video or a camera.",
)
@click.option(
    "--reuse",
    is_flag=True,
    help="Of several inputs, compute and send only what is new since the one before: for cameras "
    "that stand still.",
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
    type=Finite(0.1, 3600),
    metavar="SECONDS",
    help="Deadline of whatever the edge server is asked; without it 5 for a connection, 60 for an "
    "inference, 300 for preparing.",
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
    sources: tuple[str, ...],
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
    lossy: str,
    device: str | None,
    edge_machine: str | None,
    link: str | None,
    providers: tuple[str, ...],
    pace: str | None,
    slowdown: float,
    repeat: int | None,
    until_stable: float | None,
    frames: int | None,
    reuse: bool,
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
    gives the others. Of several, and of folders, patterns like 'photos/*.jpg', videos and cameras
    (/dev/video0), every frame is run in its turn. Without --plan, device, edge server and link are
    measured unless given, and --algorithm plans for them. What was measured of this machine is
    remembered.
    """
    from itertools import islice

    import msgspec

    from fusepath.cli.run_frames import run_and_tell
    from fusepath.cost import parse_link, parse_machine
    from fusepath.errors import InputError
    from fusepath.offload.emulation import Emulation
    from fusepath.offload.frames import FrameFormat
    from fusepath.offload.machines import Machines
    from fusepath.offload.order import FallbackPolicy, SessionOptions
    from fusepath.offload.run import SessionArguments, run
    from fusepath.offload.run_frames import run_frames
    from fusepath.pictures.arrays import is_array_file
    from fusepath.pictures.decoding import PictureFile
    from fusepath.pictures.inputs import load_input
    from fusepath.pictures.sources import check_sources, holds_several, named_frames
    from fusepath.plan import load_plan
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
        lossy=lossy,
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
        _check_alone(
            {
                "--algorithm": algorithm,
                "--grid": grid != "auto",
                "--tau": tau is not None,
                "--start": start is not None,
                "--tiles": tiles != "equal",
                "--evaluations": evaluations is not None,
                "--time-limit": time_limit is not None,
                "--compress": compress,
                "--lossy": lossy != "off",
                "--device": device,
                "--edge-machine": edge_machine,
                "--link": link,
            },
            objective,
        )
        _keep_to(plan, loaded, constraints)
    elif edge is None and request.algorithm != "device-only":
        raise InputError(
            "say where the edge server is: --edge HOST:PORT; without one, --algorithm device-only"
        )
    _say_if_unsplit(loaded)
    feed = dict(map(_fed, feeds))
    many = len(sources) > 1 or holds_several(sources[0])
    with saying() as say:
        session: SessionArguments = {
            "plan": plan or request,
            "machines": machines,
            "frames": FrameFormat(
                layout="chw", mean=channels[0], std=channels[1], pictures=pictures
            ),
            "timeout": Timeout()
            if timeout is None
            else Timeout(
                connect_s=min(timeout, Timeout().connect_s), prepare_s=timeout, infer_s=timeout
            ),
            "options": SessionOptions(
                providers=providers,
                remember=not no_cache,
                emulation=emulation,
                fallback=FallbackPolicy.OFF if no_fallback else FallbackPolicy.WITHIN_MEMORY,
                reuse=reuse,
            ),
            "say": say,
        }
        outputs = wanted.split(",") if wanted else None
        if many:
            _check_for_many(repeat, until_stable, trace_file)
            check_sources(*sources)
            chain = session["frames"].for_plan(plan).pictures
            inputs = named_frames(
                *sources,
                target=loaded.graph.input,
                pictures=chain,
                batch=loaded.boundary.batch,
            )
            answers = run_frames(
                loaded,
                islice(inputs, frames),
                edge,
                companions=feed,
                in_flight=in_flight,
                verify=verify,
                outputs=outputs,
                **session,
            )
            return run_and_tell(answers, output=output, as_json=as_json)
        if frames is not None or reuse:
            name = "--reuse" if frames is None else "--frames"
            raise InputError(f"{name} is for several inputs, a video or a camera; see --repeat")
        (source,) = sources
        repeats = _repeats(repeat, until_stable)
        report = run(
            loaded,
            {
                loaded.boundary.input.name: load_input(
                    source, loaded.graph.input, batch=loaded.boundary.batch
                )
                if is_array_file(source)
                else PictureFile.read(source),
                **feed,
            },
            edge,
            repeats=repeats,
            in_flight=in_flight,
            verify=verify,
            outputs=outputs,
            **session,
        )
    return _tell(report, repeats, output=output, trace_file=trace_file, as_json=as_json)


def _tell(
    report: Report,
    repeats: int | UntilStable,
    *,
    output: str | None,
    trace_file: str | None,
    as_json: bool,
) -> int:
    """Write and say what has come of one input; the exit code."""
    from fusepath.cli.run_json import run_json

    if output is not None:
        _save_outputs(report, output)
    write_trace(trace_file, report.plan, report.predicted, report.median.timeline)
    _warn(report, repeats)
    if as_json:
        print_json(run_json(report))
    else:
        _print(report)
    failed = report.comparison is not None and not report.comparison.passed
    if failed:
        click.echo("fusepath: the split result differs from the unsplit one", err=True)
    return 1 if failed else 0


def _check_alone(planning: Mapping[str, object], objective: Objective) -> None:
    """Refuse to plan where there is a plan."""
    from fusepath.errors import InputError
    from fusepath.plan import LATENCY

    if said := [name for name, given in planning.items() if given]:
        raise InputError(f"--plan is a plan made before: leave out {', '.join(said)}")
    if objective != LATENCY:
        raise InputError("--plan is one plan for all: leave out --objective and --min-fps")


def _say_if_unsplit(model: Model) -> None:
    graph, first = model.graph, model.graph.barrier
    if not graph.sections and first is not None:
        click.echo(
            f"{graph.name} runs unsplit: '{first.name}' ({first.op_type}) {first.barrier_reason} …",
            err=True,
        )


def _check_for_many(repeat: int | None, until_stable: float | None, trace_file: str | None) -> None:
    """Refuse what is of one input alone."""
    from fusepath.errors import InputError

    for name, given in (
        ("--repeat", repeat),
        ("--until-stable", until_stable),
        ("--trace", trace_file),
    ):
        if given is not None:
            raise InputError(f"{name} is for one input: leave it out, or name a single picture")


def _repeats(repeat: int | None, until_stable: float | None) -> int | UntilStable:
    from fusepath.offload.stable import UntilStable

    if until_stable is None:
        return repeat or 1
    within = until_stable / 100
    return UntilStable(within=within) if repeat is None else UntilStable(within=within, most=repeat)


def _warn(report: Report, repeats: int | UntilStable) -> None:
    """Say what has come otherwise than was asked."""
    from fusepath.cli.run_frames import say_alone
    from fusepath.offload.stable import UntilStable, median_error

    alone = [run.fallback.reason for run in report.runs if run.fallback is not None]
    say_alone(alone, of=len(report.runs))
    latencies_s = [run.latency_s for run in report.runs]
    if isinstance(repeats, UntilStable) and not repeats.met_by(latencies_s):
        known = median_error(latencies_s)
        click.echo(
            f"fusepath: after {number_of(len(latencies_s), 'inference')} the median is known to "
            f"{'nothing' if known is None else format(known, '.1%')}, and not to "
            f"{repeats.within:.1%}",
            err=True,
        )


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


def _in_turn_text(shown: PlansInTurn) -> str:
    """Which plan every frame takes, from 1."""
    from fusepath.report import cuts_text

    turns = ", ".join(str(place + 1) for place in shown.turns)
    cuts = " and ".join(map(cuts_text, shown.plans))
    return f"{shown.frames_per_s:.1f} predicted, of plans {turns} in turn, with cuts {cuts}"


def _print(report: Report) -> None:
    from fusepath.report import (
        changes_text,
        gantt,
        lanes_table,
        milliseconds,
        parting_text,
        paths_table,
        plan_text,
        render,
    )

    plan, median = report.plan, report.median
    click.echo(plan_text(report.plan_as_run))
    if len(report.runs) == 1:
        click.echo(f"latency      {milliseconds(median.latency_s)}")
    else:
        _print_latencies(report)
        promised = "" if report.in_turn is None else f"; {_in_turn_text(report.in_turn)}"
        click.echo(f"throughput   {report.frames_per_s:.1f} frames/s{promised}")
    if report.changes is not None and plan.changes:  # in others than those that it says
        click.echo(changes_text(report.changes, "in these runs"))
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
    if report.in_flight > 1:
        others = report.in_flight - 1
        click.echo(f"\npredicted is a frame by itself; measured had up to {others} beside it")
    click.echo("\npath by path, predicted / measured in ms")
    click.echo(render(paths_table(predicted, median.timeline)))
    click.echo(f"\n{parting_text(predicted, median.timeline)}")
    until_s = max(predicted.end_s, median.timeline.end_s)
    click.echo(f"\npredicted\n{gantt(predicted, until_s=until_s)}")
    click.echo(f"\nmeasured\n{gantt(median.timeline, until_s=until_s)}")


def _print_latencies(report: Report) -> None:
    from fusepath.offload.stable import median_error
    from fusepath.offload.statistics import percentiles
    from fusepath.report import milliseconds

    latencies_s = [run.latency_s for run in report.runs]
    error = median_error(latencies_s)
    click.echo(
        f"latency      {milliseconds(report.median.latency_s)}"
        f"{'' if error is None else f' ± {error:.1%}'} (median of {len(latencies_s)}, "
        f"{milliseconds(min(latencies_s))} to {milliseconds(max(latencies_s))})"
    )
    _, p90_s, p99_s = percentiles(latencies_s)
    click.echo(f"percentiles  p90 {milliseconds(p90_s)}, p99 {milliseconds(p99_s)}")


def _save_outputs(report: Report, path: str) -> None:
    import io

    import numpy as np

    from fusepath.output_file import write_file

    data = io.BytesIO()
    np.savez(data, **report.median.outputs)  # type: ignore[arg-type]
    write_file(path, data.getvalue())
