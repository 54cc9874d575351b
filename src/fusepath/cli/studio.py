"""``fusepath studio``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from fusepath.cli.options import (
    input_shape_option,
    json_option,
    model_argument,
    print_json,
    sizes_of,
)
from fusepath.spelling import as_text, path_of

if TYPE_CHECKING:
    from fusepath.faults import Told
    from fusepath.studio import Answer


@click.command("studio")
@model_argument
@click.option(
    "--listen", default="127.0.0.1:7171", show_default=True, metavar="HOST:PORT", help="Address."
)
@click.option(
    "--most",
    default="512MB",
    show_default=True,
    metavar="SIZE",
    help="Largest model file that may be dropped.",
)
@click.option("--insecure", is_flag=True, help="Listen beyond loopback.")
@input_shape_option
@json_option
def command(
    model: str, listen: str, most: str, insecure: bool, input_shape: str | None, as_json: bool
) -> None:
    """Plan MODEL in a browser: drag machines and link, and see at once what runs where and when.

    Until stopped by SIGINT or SIGTERM. Other models can be chosen there, or dropped as files.
    """
    import asyncio
    import signal
    import sys

    from fusepath.cli.edge_process import EdgeProcess
    from fusepath.errors import InputError
    from fusepath.units import parse_bytes

    try:
        from fusepath.studio.app import Commands, Studio
        from fusepath.studio.server import StudioServer
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in {"starlette", "uvicorn"}:
            raise
        raise InputError(f"the studio needs {missing}: pip install 'fusepath[studio]'") from error
    from fusepath.remote.listening import is_loopback
    from fusepath.studio.recent_models import RecentModels

    if not (insecure or is_loopback(listen)):
        raise InputError(
            f"'{listen}' is not loopback: whoever reaches it could have this machine work; on a "
            f"network that you trust, give --insecure"
        )
    models = RecentModels()
    studio = Studio(
        models,
        first=models.load(model, input_shape=sizes_of(input_shape)),
        most_model_bytes=parse_bytes(most),
        commands=Commands(plan_command, faults_command),
        begin_edge=EdgeProcess,
    )
    server = StudioServer(listen, studio)

    def ready(address: str) -> None:
        if as_json:
            print_json({"address": address})
        else:
            click.echo(f"open {address} in a browser")
        sys.stdout.flush()

    async def serve() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)
        await server.serve(ready)

    asyncio.run(serve())


def plan_command(answer: Answer) -> str:
    """The command line that plans what a refined answer to the same question is."""
    from fusepath.onnx_io.source import PREFIX as ZOO
    from fusepath.studio.desk import REFINED

    asked = answer.question
    link = asked.up if asked.up == asked.down else f"{asked.up},{asked.down}"
    model = answer.story.plan.model
    words = []
    if not model.source.startswith(ZOO):
        words += ["--input-shape", ",".join(map(str, model.input_shape))]
    words += ["--device", asked.device, "--edge", asked.edge, "--link", link]
    if asked.workers != 1:
        words += ["--workers", str(asked.workers)]
    if asked.grid is not None:
        words += ["--grid", asked.grid]
    if asked.tau is not None:
        words += ["--tau", str(asked.tau)]
    words += ["--evaluations", str(REFINED.evaluations), "-o", "plan.json"]
    return f"fusepath plan {_quoted(path_of(model.source))} {shlex.join(words)}"


def _quoted(path: str) -> str:
    """A path as a word of a shell; ``$'…'`` where it is no text."""
    text = as_text(path)
    if text == path:
        return shlex.quote(path)
    return "$'" + as_text(path.replace("\\", r"\\").replace("'", r"\'")) + "'"


def faults_command(told: Told) -> str:
    """The command line that plays a session again, and tells of it."""
    words = ["fusepath", "faults", "--seed", str(told.seed)]
    words += [] if told.fault is None else ["--fault", told.fault]
    return shlex.join([*words, "--story"])
