"""Simulate sessions: ``python -m tests.simulation --seeds 2000``."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import click

from fusepath.faults.clock import Violation
from tests.simulation.explorer import explore
from tests.simulation.sessions import play_machines, simulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.faults import Outcome

_PROCESSES, _SEEDS_AT_A_TIME = 2, 250


@dataclass
class Played:
    """What came of some seeds."""

    outcomes: list[Outcome] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    taken_s: float = 0.0
    """Of a processor."""


@click.command()
@click.option("--seeds", type=int, default=2000, help="How many sessions.")
@click.option("--seed", type=int, default=0, help="The first one.")
@click.option("--paths", type=int, default=0, help="Explore one frame of up to so many paths.")
def main(seeds: int, seed: int, paths: int) -> None:
    """Sessions of a device and an edge server through faults; a violation names its seed."""
    end = seed + seeds
    parts = [
        range(first, min(first + _SEEDS_AT_A_TIME, end))
        for first in range(seed, end, _SEEDS_AT_A_TIME)
    ]
    with ProcessPoolExecutor(_PROCESSES) as processes:  # the parts have nothing to do with another
        exploring = processes.submit(explore, paths) if paths else None
        sessions = [processes.submit(_play, simulate, part) for part in parts]
        machines = [processes.submit(_play, play_machines, part) for part in parts]
        fine = _show(
            seeds,
            _together([part.result() for part in sessions]),
            _together([part.result() for part in machines]),
        )
        if exploring is not None:
            states = exploring.result()
            click.echo(f"one frame of up to {paths} paths: {states} states, none is stuck")
    sys.exit(not fine)


def _play(play: Callable[[int], Outcome | None], seeds: range) -> Played:
    played = Played()
    begun_s = time.process_time()
    for number in seeds:
        try:
            outcome = play(number)
        except Violation as error:
            played.violations.append(str(error))
        else:
            played.outcomes += [outcome] if outcome else []
    played.taken_s = time.process_time() - begun_s
    return played


def _together(parts: list[Played]) -> Played:
    return Played(
        [outcome for part in parts for outcome in part.outcomes],
        [violation for part in parts for violation in part.violations],
        sum(part.taken_s for part in parts),
    )


def _show(seeds: int, sessions: Played, machines: Played) -> bool:
    """Whether nothing was violated."""
    frames, alone, fell_back, failed, dropped = (
        sum(getattr(outcome, name) for outcome in sessions.outcomes)
        for name in ("frames", "alone", "fell_back", "failed", "dropped")
    )
    back_s = max((outcome.back_s for outcome in sessions.outcomes), default=0.0)
    violations = sessions.violations + machines.violations
    for violation in islice(violations, 10):
        click.echo(violation)
    click.echo(
        f"{seeds} sessions, {frames} frames ({alone} alone, {fell_back} fell back, {failed} "
        f"without an answer), {dropped} dropped, {frames / sessions.taken_s:.0f} frames/s of one "
        f"core; used again after at most {back_s:.1f} s; {machines.taken_s:.1f} s of one core for "
        f"machines by themselves; {len(violations)} violations"
    )
    return not violations


if __name__ == "__main__":
    main()
