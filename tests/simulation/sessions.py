"""Sessions through faults, and now and then machines by themselves."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from fusepath.faults.clock import Violation
from fusepath.faults.world import World
from tests.simulation.admitting import admit, shelve, take_turns
from tests.simulation.asking import ask
from tests.simulation.balancing import finish
from tests.simulation.carrying import carry
from tests.simulation.choosing import choose
from tests.simulation.keeping import Play
from tests.simulation.multiplexing import multiplex
from tests.simulation.wandering import wander
from tests.simulation.watching import watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.faults.world import Outcome


def simulate(seed: int) -> Outcome:
    """One session.

    Raises:
        Violation: something happened that must not; says the seed, with which all is told again.
    """
    try:
        return World(seed).run()
    except Exception as error:
        told = f"`fusepath faults --seed {seed} --story` tells it"
        raise Violation(f"seed {seed}: {_said(error)}; {told}") from error


def play_machines(seed: int) -> None:
    """Some machines by themselves, each the more seldom the longer it takes; or none.

    Raises:
        Violation: one did what it must not; says the seed.
    """
    random = Random(seed)  # noqa: S311 - nothing secret
    for play in _drawn(random):
        try:
            play(random)
        except Exception as error:
            raise Violation(f"seed {seed}, {play.__name__} by itself: {_said(error)}") from error


def _drawn(random: Random) -> list[Callable[[Random], None]]:
    if random.random() >= 0.25:
        return []
    plays = [watch, multiplex]
    for chance, more in (
        (0.3, [admit, take_turns, shelve, ask, finish]),
        (0.25, [carry]),
        (0.2, [_keep]),
        (0.08, [choose, wander]),
    ):
        plays += more if random.random() < chance else []
    return plays


def _keep(random: Random) -> None:
    Play(random.getrandbits(32)).run(200)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, Violation) else f"{type(error).__name__}: {error}"
