"""Where the tasks of a study run: ``--workers`` and ``--ray``."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from fusepath.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


def executor_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command gets what is said as ``on``, an `Executor`; None where nothing is."""

    @functools.wraps(command)
    def with_executor(*args: Any, workers: int | None, ray: str | None, **others: Any) -> Any:
        return command(*args, on=_executor(workers, ray), **others)

    wrapped: Callable[..., Any] = with_executor
    for option in reversed(
        [
            click.option(
                "--workers",
                type=click.IntRange(min=1),
                help="Processes on this machine; one per core without.",
            ),
            click.option(
                "--ray",
                metavar="HOST:PORT|auto",
                help="In place of that, the processors of the Ray cluster that this machine is in.",
            ),
        ]
    ):
        wrapped = option(wrapped)
    return wrapped


def _executor(workers: int | None, address: str | None) -> Any:
    if address is None:
        if workers is None:
            return None
        from fusepath.study import Processes

        return Processes(workers)
    if workers is not None:
        raise InputError("--ray takes all processors of the cluster: leave out --workers")
    from fusepath.remote.cluster.ray_cluster import connect
    from fusepath.study import RayTasks

    connect(address, trusted=False)
    return RayTasks()
