"""What plans are to be good at, as a command line says it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from fusepath.cli.numbers import Finite
from fusepath.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.plan import Objective, StreamObjective

_OPTIONS = [
    click.option(
        "--objective",
        "good_at",
        type=click.Choice(["latency", "throughput", "energy", "weighted"]),
        help="Plan for a stream of frames, which may take two plans in turn: least latency of a "
        "frame, or most frames a second; or for a frame alone: least energy of the device, or "
        "seconds and joules weighed by --seconds-per-joule.",
    ),
    click.option(
        "--seconds-per-joule",
        type=Finite(),
        metavar="F",
        help="Of --objective weighted: how many seconds less are worth a joule more.",
    ),
    click.option(
        "--in-flight",
        type=int,
        metavar="N",
        help="Frames of the stream that are under way at a time; 3 without.",
    ),
    click.option(
        "--min-fps",
        type=Finite(),
        metavar="F",
        help="Frames a second that the stream must have; the least latency with so many.",
    ),
]


def objective_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is planned for; the command gets it as ``objective``, None for one frame's latency."""

    @functools.wraps(command)
    def with_objective(
        *args: Any,
        good_at: str | None,
        in_flight: int | None,
        min_fps: float | None,
        seconds_per_joule: float | None,
        **others: Any,
    ) -> Any:
        objective: Objective | None = None
        if good_at in {"energy", "weighted"} or seconds_per_joule is not None:
            if (in_flight, min_fps) != (None, None):
                raise InputError(
                    "--in-flight and --min-fps are for a stream; energy is that of a frame alone"
                )
            objective = _of_energy(good_at, seconds_per_joule)
        elif (good_at, in_flight, min_fps) != (None, None, None):
            objective = _objective(good_at or "latency", in_flight, min_fps)
        return command(*args, objective=objective, **others)

    wrapped: Callable[..., Any] = with_objective
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


_STREAM_OPTIONS = [
    click.option(
        "--in-flight",
        type=click.IntRange(1, 1000),
        default=1,
        show_default=True,
        help="Inferences that are under way at a time: the device on the next while the link "
        "carries this one.",
    ),
    click.option(
        "--objective",
        "good_at",
        type=click.Choice(["latency", "throughput"]),
        help="What plans for inferences that overlap are to be good at, which may take two in "
        "turn: least latency, or most frames a second. Without it all take the plan of a single "
        "one.",
    ),
    click.option(
        "--min-fps",
        type=Finite(),
        metavar="F",
        help="Frames a second that inferences that overlap must have; the least latency with so "
        "many.",
    ),
]


def stream_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is run for; the command gets ``in_flight`` and ``objective``."""

    @functools.wraps(command)
    def with_objective(
        *args: Any, good_at: str | None, in_flight: int, min_fps: float | None, **others: Any
    ) -> Any:
        from fusepath.plan import LATENCY

        objective: StreamObjective = LATENCY
        if (good_at, min_fps) != (None, None):
            if in_flight == 1:
                raise InputError(
                    "--objective and --min-fps are for inferences that overlap: say how many do, "
                    "like --in-flight 3"
                )
            objective = _objective(good_at or "latency", in_flight, min_fps)
        return command(*args, objective=objective, in_flight=in_flight, **others)

    wrapped: Callable[..., Any] = with_objective
    for option in reversed(_STREAM_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def _of_energy(good_at: str | None, seconds_per_joule: float | None) -> Objective:
    from fusepath.plan import Energy, Weighted

    if good_at == "energy" and seconds_per_joule is None:
        return Energy()
    if good_at != "weighted" or seconds_per_joule is None:
        raise InputError(
            "--objective weighted needs to know how many seconds less are worth a joule more, like "
            "--seconds-per-joule 0.05, and no other objective does"
        )
    return Weighted(seconds_per_joule=seconds_per_joule)


def _objective(good_at: str, in_flight: int | None, min_fps: float | None) -> StreamObjective:
    from fusepath.plan import Latency, Throughput

    flight = {} if in_flight is None else {"in_flight": in_flight}
    try:
        if good_at == "latency":
            return Latency(min_frames_per_s=min_fps or 0.0, **flight)
        if min_fps is not None:
            raise InputError(
                f"--min-fps {min_fps:g} is for --objective latency; throughput has as many "
                f"frames a second as can be"
            )
        return Throughput(**flight)
    except ValueError as error:
        raise InputError(str(error)) from error
