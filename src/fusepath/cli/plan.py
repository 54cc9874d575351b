"""``fusepath plan``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fusepath.cli.objective import objective_options
from fusepath.cli.options import (
    OUTPUT_FILE,
    algorithm_option,
    check_channels,
    compress_option,
    constraint_options,
    evaluations_option,
    grid_option,
    input_shape_option,
    input_type_option,
    json_option,
    lossy_option,
    machine_options,
    mean_option,
    model_argument,
    open_setting,
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
from fusepath.cli.progress import telling
from fusepath.cli.samples import frames_of, sample_option, tried_samples
from fusepath.cli.trace import trace_option, write_trace
from fusepath.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fusepath.onnx_io import Model
    from fusepath.pictures.frame import Frame
    from fusepath.plan import (
        Constraints,
        Objective,
        Origin,
        Plan,
        PlanRequest,
        PlanResult,
        Preprocessing,
        Rotation,
        Setting,
        StreamObjective,
    )


@click.command("plan")
@model_argument
@machine_options
@algorithm_option
@grid_option
@tau_option
@start_option
@tiles_option
@evaluations_option
@time_limit_option
@constraint_options
@objective_options
@compress_option
@lossy_option
@sample_option
@picture_options
@input_type_option
@mean_option
@std_option
@input_shape_option
@post_option
@click.option(
    "--top",
    type=click.IntRange(1, 1000),
    metavar="K",
    help="List the K best plans that were met; -o writes the best.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=OUTPUT_FILE,
    help="Write the plan here; of a stream's the one that most frames take.",
)
@trace_option
@json_option
def command(
    model: str,
    device: str,
    slowdown: float,
    edge: str,
    link: str,
    workers: int | None,
    convention: str,
    algorithm: str | None,
    grid: str,
    tau: int | None,
    start: int | None,
    tiles: str,
    evaluations: int | None,
    time_limit: float | None,
    compress: str | None,
    lossy: str,
    samples: tuple[str, ...],
    mean: str,
    std: str,
    input_type: str | None,
    input_shape: str | None,
    post: str | None,
    top: int | None,
    output: str | None,
    trace_file: str | None,
    as_json: bool,
    constraints: Constraints,
    objective: Objective | None,
    pictures: Preprocessing,
) -> None:
    """Find a plan for MODEL on a device, an edge server and a link."""
    from dataclasses import replace

    import msgspec

    from fusepath.plan import Energy, InputFormat, Latency, Origin, Throughput, Weighted, make_plan

    if isinstance(objective, Latency | Throughput) and top is not None:
        raise InputError(
            f"--top {top} lists plans for one frame: leave it out, or --objective, --in-flight "
            f"and --min-fps"
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
        top=top or 1,
    )
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
    if isinstance(objective, Energy | Weighted):
        asked = msgspec.structs.replace(asked, objective=objective)
    request = planning_request(asked, evaluations=evaluations, time_limit=time_limit)
    origin = Origin(source=loaded.source, mean=channels[0], std=channels[1], pictures=pictures)
    form = InputFormat(dtype=setting.input_dtype, mean=channels[0], std=channels[1])
    tried = tried_samples(
        loaded, samples, compress=compress, lossy=lossy, form=form, pictures=pictures
    )
    if tried is not None:
        setting = tried.on(setting)

    def measured(plans: Iterable[Plan]) -> tuple[Plan, ...]:
        with telling("measuring what that changes"):
            return _with_changes(loaded, plans, frames_of(loaded, samples, pictures))

    if not isinstance(objective, Latency | Throughput):
        with telling("planning"):
            result = make_plan(setting, request, origin)
        if not all(plan.is_exact for plan in result.plans):
            result = replace(result, plans=measured(result.plans))
        write_trace(trace_file, result.best, result.best.timeline)
        _show_plans(result, output=output, listed=top is not None, as_json=as_json)
    else:
        with telling("planning"):
            rotation = _rotation(setting, request, objective, origin)
        if not all(plan.is_exact for plan in rotation.plans):
            rotation = replace(rotation, plans=measured(rotation.plans))
        write_trace(trace_file, rotation.plans[0], rotation.plans[0].timeline)
        _show_rotation(rotation, output=output, as_json=as_json)


def _with_changes(model: Model, plans: Iterable[Plan], frames: Sequence[Frame]) -> tuple[Plan, ...]:
    from fusepath.offload.lossy import with_changes

    return tuple(with_changes(model, plan, frames) for plan in plans)


def _show_plans(result: PlanResult, *, output: str | None, listed: bool, as_json: bool) -> None:
    from fusepath.plan import plan_document, save_plan
    from fusepath.report import gantt, plan_text, render, top_table

    best, plans = result.best, result.plans
    if output is not None:
        save_plan(output, best)
    if listed:
        if as_json:
            print_json({"plans": [plan_document(plan) for plan in plans]})
        else:
            click.echo(render(top_table(plans)))
    elif as_json:
        print_json(plan_document(best))
    else:
        click.echo(plan_text(best))
        click.echo()
        click.echo(gantt(best.timeline))


def _rotation(
    setting: Setting, request: PlanRequest, objective: StreamObjective, origin: Origin
) -> Rotation:
    import msgspec

    from fusepath.plan import make_rotation

    return make_rotation(setting, msgspec.structs.replace(request, objective=objective), origin)


def _show_rotation(rotation: Rotation, *, output: str | None, as_json: bool) -> None:
    from fusepath.plan import save_plan
    from fusepath.report import render, rotation_table, rotation_text

    if output is not None:
        save_plan(output, rotation.plans[0])
    if as_json:
        print_json(_rotation_document(rotation))
    else:
        click.echo(rotation_text(rotation))
        click.echo()
        click.echo(render(rotation_table(rotation)))


def _rotation_document(rotation: Rotation) -> dict[str, Any]:
    """Turns are places in the list of plans, from 0."""
    from fusepath.plan import plan_document

    return {
        "period_s": rotation.period_s,
        "frames_per_s": rotation.frames_per_s,
        "lower_bound_s": rotation.lower_bound_s,
        "gap": rotation.gap,
        "latency_s": rotation.latency_s,
        "in_flight": rotation.in_flight,
        "turns": list(rotation.turns),
        "plans": [plan_document(plan) for plan in rotation.plans],
    }
