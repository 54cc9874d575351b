"""Simulate sessions: ``python -m tests.simulation --seeds 2000``."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

import click

from fusepath.faults.clock import Violation
from tests.simulation.explorer import explore
from tests.simulation.sessions import simulate

if TYPE_CHECKING:
    from fusepath.faults import Outcome


@click.command()
@click.option("--seeds", type=int, default=2000, help="How many sessions.")
@click.option("--seed", type=int, default=0, help="The first one.")
@click.option("--paths", type=int, default=0, help="Explore one frame of up to so many paths.")
def main(seeds: int, seed: int, paths: int) -> None:
    """Sessions of a device and an edge server through faults; a violation names its seed."""
    with ProcessPoolExecutor(1) as beside:  # the two have nothing to do with each other
        exploring = beside.submit(explore, paths) if paths else None
        fine = _play(seed, seeds)
        if exploring is not None:
            states = exploring.result()
            click.echo(f"one frame of up to {paths} paths: {states} states, none is stuck")
    sys.exit(not fine)


def _play(seed: int, seeds: int) -> bool:
    """Sessions from a seed on; whether nothing was violated."""
    begun_s = time.process_time()
    outcomes: list[Outcome] = []
    violations = []
    for number in range(seed, seed + seeds):
        try:
            outcomes.append(simulate(number))
        except Violation as error:
            violations.append(str(error))
    taken_s = time.process_time() - begun_s
    frames, alone, fell_back, failed, dropped = (
        sum(getattr(outcome, name) for outcome in outcomes)
        for name in ("frames", "alone", "fell_back", "failed", "dropped")
    )
    back_s = max((outcome.back_s for outcome in outcomes), default=0.0)
    for violation in islice(violations, 10):
        click.echo(violation)
    click.echo(
        f"{seeds} sessions, {frames} frames ({alone} alone, {fell_back} fell back, {failed} "
        f"without an answer), {dropped} dropped, {frames / taken_s:.0f} frames/s of one core; "
        f"used again after at most {back_s:.1f} s; "
        f"{len(violations)} violations"
    )
    return not violations


if __name__ == "__main__":
    main()
