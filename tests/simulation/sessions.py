"""Sessions through faults, and machines by themselves beside some of them."""

from __future__ import annotations

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
    from random import Random

    from fusepath.faults.world import Outcome


def _play_beside(random: Random) -> None:
    """Now and then machines by themselves, as long as each takes."""
    if random.random() < 0.25:
        watch(random)
        multiplex(random)
        if random.random() < 0.3:
            for play in (admit, take_turns, shelve, ask, finish):
                play(random)
        if random.random() < 0.4:
            carry(random)
        if random.random() < 0.2:
            Play(random.getrandbits(32)).run(200)
        if random.random() < 0.12:
            choose(random)
            wander(random)


def simulate(seed: int) -> Outcome:
    """One session.

    Raises:
        Violation: something happened that must not; says the seed, with which all is told again.
    """
    try:
        world = World(seed)
        _play_beside(world.beside)
        return world.run()
    except Exception as error:
        kind = "" if isinstance(error, Violation) else f"{type(error).__name__}: "
        raise Violation(
            f"seed {seed}: {kind}{error}; `fusepath faults --seed {seed} --story` tells it"
        ) from error
