"""Real faults: ``python -m tests.faults`` (minutes); what took too long, and counts."""

from __future__ import annotations

import random
import sys
from dataclasses import fields

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


def _cell(outcome: Outcome) -> str:
    if outcome.detected_s is None:
        return f"{'answered':>12}"
    how = "+" if outcome.finished else " "
    return f"{1e3 * outcome.detected_s:6.0f}{1e3 * outcome.latency_s:5.0f}{how}"


def _table(title: str, outcomes: list[Outcome]) -> None:
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
def main(models: tuple[str, ...], plans: tuple[str, ...], frames: int, seed: int) -> None:
    """Kill, stop, garble and stall at every stage of a frame, for every plan and model."""
    total = Counts()
    late: list[str] = []
    for name, kind in ((name, kind) for name in models for kind in plans):
        with rig_for(name, kind, QUICK if frames else STEADY) as rig:
            if frames:
                chance = random.Random(seed)  # noqa: S311 - nothing secret
                stages = [stage for stage in STAGES if stage != IDLE]
                cases = [
                    (chance.choice(stages), chance.choices(FAULTS, (1, 8, 8, 8))[0])
                    for _ in range(frames)
                ]
            else:
                cases = [(stage, fault) for stage in STAGES for fault in FAULTS]
            outcomes = [rig.suffer(*case) for case in cases]
        found: list[str] = []
        if not frames:
            _table(f"{name}, {kind}", outcomes)
            found = [what for outcome in outcomes for what in outcome.complaints]
        late += [f"{name}, {kind}, {what}" for what in found]
        click.echo(f"{name}, {kind}: {_told(rig.counts)}; {len(found)} too slow")
        for item in fields(total):
            setattr(total, item.name, getattr(total, item.name) + getattr(rig.counts, item.name))
    click.echo("\n".join(["", *late, f"in all: {_told(total)}; {len(late)} too slow"]))
    leaks = total.threads > 0 or total.descriptors > 0
    sys.exit(bool(total.wrong or total.hangs or late or leaks))


if __name__ == "__main__":
    main()
