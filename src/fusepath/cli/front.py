"""``fusepath front``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fusepath.cli.figure_file import check_figure, draw_figure
from fusepath.cli.options import (
    OUTPUT_FILE,
    algorithm_option,
    compress_option,
    constraint_options,
    evaluations_option,
    input_shape_option,
    input_type_option,
    json_option,
    machine_options,
    model_argument,
    open_setting,
    planning_request,
    post_option,
    print_json,
    tiling_request,
    time_limit_option,
)
from fusepath.cli.picture_options import picture_options
from fusepath.cli.progress import telling
from fusepath.cli.samples import sample_option, tried_samples

if TYPE_CHECKING:
    from fusepath.plan import Constraints, Preprocessing


@click.command("front")
@model_argument
@machine_options
@algorithm_option
@evaluations_option
@time_limit_option
@constraint_options
@compress_option
@sample_option
@picture_options
@input_type_option
@input_shape_option
@post_option
@click.option(
    "-o", "--output", metavar="FILE", type=OUTPUT_FILE, help="Draw the front (.png, .svg or .pdf)."
)
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
    evaluations: int | None,
    time_limit: float | None,
    compress: str | None,
    samples: tuple[str, ...],
    input_type: str | None,
    input_shape: str | None,
    post: str | None,
    output: str | None,
    as_json: bool,
    constraints: Constraints,
    pictures: Preprocessing,
) -> None:
    """What latency, the device's energy and bytes sent cost each other for MODEL.

    Lists the plans of which none is better in all three at once, among all single cuts and what
    searches with less and less to compute, or to send, find. --device says what the device draws:
    10GFLOPS:wait=2.7,compute=6.4,send=3.4,receive=3.2
    """
    from fusepath.plan import InputFormat, Origin, make_front, plan_document
    from fusepath.report import front_table, front_text, render

    if output is not None:
        check_figure(output)
    asked = tiling_request(
        algorithm,
        grid="auto",
        tau=None,
        start=None,
        tiles="equal",
        constraints=constraints,
        codecs=compress,
    )
    loaded, setting = open_setting(
        model,
        input_shape,
        device=device,
        edge=edge,
        link=link,
        convention=convention,
        slowdown=slowdown,
        workers=workers,
        input_type=input_type,
        post=post,
    )
    request = planning_request(asked, evaluations=evaluations, time_limit=time_limit)
    form = InputFormat(dtype=setting.input_dtype)
    tried = tried_samples(loaded, samples, compress=compress, form=form, pictures=pictures)
    if tried is not None:
        setting = tried.on(setting)
    with telling("planning"):
        front = make_front(setting, request, Origin(source=loaded.source, pictures=pictures))
    if output is not None:
        from fusepath.report.front_figure import front_figure

        draw_figure(front_figure(front), output)
    if as_json:
        print_json(
            {
                "latency_bound_s": front.latency_bound_s,
                "energy_bound_j": front.energy_bound_j,
                "considered": front.considered,
                "plans": [plan_document(plan) for plan in front.plans],
            }
        )
    else:
        click.echo(front_text(front))
        click.echo()
        click.echo(render(front_table(front)))
