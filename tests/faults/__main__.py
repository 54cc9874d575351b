"""Real faults: ``python -m tests.faults`` (minutes); what took too long, and counts.

What is done is kept in a file, so that it may be done bit by bit: ``--within 100`` begins with no
fault after so many seconds, and the next call goes on from there. ``--fresh`` forgets it all.
"""

from __future__ import annotations

import random
import sys
import time
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tests.faults.matrix import (
    FAULTS,
    IDLE,
    MODELS,
    PLANS,
    QUICK,
    STAGES,
    STEADY,
    Counts,
    Outcome,
    rig_for,
)
from tests.faults.record import Record, Records, counted, outcomes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT = Path(__file__).parents[2] / "benchmarks" / "results" / "faults.jsonl"


def _cases(frames: int, seed: int) -> list[tuple[str, str]]:
    """Stages and faults: all of them, or so many by chance."""
    if not frames:
        return [(stage, fault) for stage in STAGES for fault in FAULTS]
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    stages = [stage for stage in STAGES if stage != IDLE]
    return [(chance.choice(stages), chance.choices(FAULTS, (1, 8, 8, 8))[0]) for _ in range(frames)]


def _suffer(
    name: str, kind: str, seed: int | None, cases: Sequence[tuple[str, str]], until_s: float
) -> Record:
    """Faults done to one session, as many as there is time for."""
    outcomes: list[Outcome] = []
    failure = None
    with ExitStack() as stack:
        rig = stack.enter_context(rig_for(name, kind, STEADY if seed is None else QUICK))
        try:
            for case in cases:
                if time.monotonic() > until_s:
                    break
                outcomes.append(rig.suffer(*case))
        except RuntimeError as error:
            failure = f"{case}: {error}"
    return Record(
        model=name, plan=kind, seed=seed, outcomes=outcomes, counts=rig.counts, failure=failure
    )


def _cell(outcome: Outcome) -> str:
    if outcome.detected_s is None:
        return f"{'answered':>12}"
    how = "+" if outcome.finished else " "
    return f"{1e3 * outcome.detected_s:6.0f}{1e3 * outcome.latency_s:5.0f}{how}"


def _table(title: str, outcomes: Sequence[Outcome]) -> None:
    click.echo(f"\n{title}: noticed after, and the frame in all, ms (+ finished from pieces)")
    click.echo(f"{'':16}" + "".join(f"{fault:>12}" for fault in FAULTS))
    for stage in STAGES:
        cells = [item for item in outcomes if item.stage == stage]
        click.echo(f"{stage:16}" + "".join(_cell(item) for item in cells))
    worst = max((item.detected_s or 0) / item.allowed_s for item in outcomes)
    back_s = max(item.back_s for item in outcomes)
    click.echo(f"noticed within {worst:.2f} of what is allowed; used again after {back_s:.1f} s")


def _told(counts: Counts) -> str:
    return ", ".join(f"{getattr(counts, item.name)} {item.name}" for item in fields(counts))


@click.command()
@click.option("--model", "models", multiple=True, default=tuple(MODELS), help="Only this one.")
@click.option("--plan", "plans", multiple=True, default=PLANS, help="Only this kind.")
@click.option("--frames", type=int, default=0, help="So many faults by chance, and no table.")
@click.option("--seed", type=int, default=0, help="Of chance.")
@click.option("--within", type=float, default=float("inf"), help="Seconds; what is left is kept.")
@click.option("--fresh", is_flag=True, help="Do everything again.")
@click.option("--kept", type=click.Path(path_type=Path), default=KEPT, help="What has been done.")
def main(
    models: tuple[str, ...],
    plans: tuple[str, ...],
    frames: int,
    seed: int,
    within: float,
    fresh: bool,
    kept: Path,
) -> None:
    """Kill, stop, garble and stall at every stage of a frame, for every plan and model."""
    until_s = time.monotonic() + within
    records = Records(kept, fresh=fresh)
    chance = seed if frames else None
    cases = _cases(frames, seed)
    done: list[Record] = []
    late: list[str] = []
    missing = 0
    for name, kind in ((name, kind) for name in models for kind in plans):
        begun = len(outcomes_of(records.of(name, kind, chance)))
        if begun < len(cases) and time.monotonic() < until_s:
            records.add(_suffer(name, kind, chance, cases[begun:], until_s))
        own = records.of(name, kind, chance)
        outcomes = outcomes_of(own)
        if not outcomes:
            missing += len(cases)
            continue
        found: list[str] = []
        if not frames:
            _table(f"{name}, {kind}", outcomes)
            found = [what for outcome in outcomes for what in outcome.complaints]
        late += [f"{name}, {kind}, {what}" for what in found]
        late += [f"{name}, {kind}, {item.failure}" for item in own if item.failure]
        missing += max(len(cases) - len(outcomes), 0)
        click.echo(f"{name}, {kind}: {_told(counted(own))}; {len(found)} too slow")
        done += own
    total = counted(done) if done else Counts()
    left = f"; {missing} are left to do" if missing else ""
    click.echo("\n".join(["", *late, f"in all: {_told(total)}; {len(late)} too slow{left}"]))
    leaks = any(item.counts.threads > 0 or item.counts.descriptors > 0 for item in done)
    sys.exit(bool(total.wrong or total.hangs or late or leaks or missing))


if __name__ == "__main__":
    main()
