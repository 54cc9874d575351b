"""``fusepath ping``."""

from __future__ import annotations

import click

from fusepath.cli.numbers import Finite
from fusepath.cli.options import json_option, print_json


@click.command("ping")
@click.argument("edge", metavar="HOST:PORT")
@click.option(
    "--timeout",
    "timeout_s",
    type=Finite(0.1, 600),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for an answer.",
)
@json_option
def command(edge: str, timeout_s: float, as_json: bool) -> int:
    """Ask the edge server at HOST:PORT whether it serves; exit code 0 if it does, 1 if it ends.

    It is asked as gRPC's health protocol has it, which takes no token: what watches over a server,
    as containers do, may ask so.
    """
    import asyncio

    serves, answered_s = asyncio.run(_serves(edge, timeout_s=timeout_s))
    if as_json:
        print_json({"edge": edge, "serves": serves, "answered_s": answered_s})
    else:
        says = "serves" if serves else "takes no new devices: it is to end"
        click.echo(f"{edge} {says} ({answered_s * 1e3:.0f} ms)")
    return 0 if serves else 1


async def _serves(edge: str, *, timeout_s: float) -> tuple[bool, float]:
    """Whether it does, and seconds from the connection to the answer."""
    import time

    from fusepath.remote.grpc_channel import GrpcChannel

    begun_s = time.perf_counter()
    channel = await GrpcChannel.open(edge, timeout_s=timeout_s)
    try:
        serves = await channel.serves(timeout_s=timeout_s)
        return serves, time.perf_counter() - begun_s
    finally:
        await channel.close()
