"""``fusepath simulate``."""

from __future__ import annotations

from dataclasses import replace

import click

from fusepath.cli.options import json_option, post_option, print_json, slowdown_option
from fusepath.cli.planned import open_planned
from fusepath.cli.trace import trace_option, write_trace
from fusepath.errors import InputError


@click.command("simulate")
@click.argument("plan_file", metavar="PLAN")
@click.option("--model", help="Where the model is, if not where the planner found it.")
@click.option("--device", metavar="RATE|FILE", help="Another device than the plan's.")
@slowdown_option
@click.option("--edge", metavar="RATE|FILE", help="Another edge server.")
@click.option("--link", metavar="RATE|FILE", help="Another link.")
@trace_option
@post_option
@json_option
def command(
    plan_file: str,
    model: str | None,
    device: str | None,
    slowdown: float,
    edge: str | None,
    link: str | None,
    trace_file: str | None,
    post: str | None,
    as_json: bool,
) -> None:
    """Play PLAN event by event and show its timeline, on its own or on other machines."""
    import msgspec

    from fusepath.cost import parse_link, parse_machine
    from fusepath.plan import load_plan, simulate
    from fusepath.report import gantt, plan_text

    plan = load_plan(plan_file)
    _, planned = open_planned(plan, model, post)
    setting = replace(
        planned,
        device=(plan.device if device is None else parse_machine(device)).slowed(slowdown),
        edge=plan.edge if edge is None else parse_machine(edge),
        link=plan.link if link is None else parse_link(link),
    )
    parts = {"--device": setting.device, "--edge": setting.edge, "--link": setting.link}
    needed = ("--device",) if plan.stays_on_device else tuple(parts)
    if unknown := [option for option in needed if parts[option].is_assumed]:
        raise InputError(
            f"{plan_file}: what this plan is to run on was not measured; give {', '.join(unknown)}"
        )
    timeline = simulate(plan, setting)
    write_trace(trace_file, plan, timeline)
    if as_json:
        print_json({"makespan_s": timeline.end_s, "timeline": msgspec.to_builtins(timeline)})
        return
    click.echo(plan_text(plan))
    click.echo(f"simulated    {timeline.end_s * 1e3:.1f} ms\n")
    click.echo(gantt(timeline))
