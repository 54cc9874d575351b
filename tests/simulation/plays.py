"""What machines go through for each seed, by themselves and in sessions."""

from __future__ import annotations

from itertools import product
from random import Random

from fusepath.protocol.in_flight import InFlight, WhenFull
from tests.simulation.admitting import admit, admit_as_usual, shelve, take_turns
from tests.simulation.asking import ask
from tests.simulation.balancing import balance, finish
from tests.simulation.carrying import carry
from tests.simulation.choosing import choose
from tests.simulation.closed_loops import share
from tests.simulation.explorer import Explorer
from tests.simulation.in_flight import explore_in_flight
from tests.simulation.keeping import Play
from tests.simulation.loading import load, load_of_very_many
from tests.simulation.multiplexing import multiplex
from tests.simulation.sessions import simulate
from tests.simulation.state import settings
from tests.simulation.wandering import wander
from tests.simulation.watching import watch

_LINES = list(product(WhenFull, ((1, 0), (1, 1), (2, 1), (2, 2))))


def gauge(seed: int) -> None:
    """Something that is followed."""
    carry(Random(seed))  # noqa: S311 - nothing secret, nor below


def choice(seed: int) -> None:
    """Links and machines that change, and plans that lie."""
    choose(Random(seed))  # noqa: S311


def drift(seed: int) -> None:
    """Anything, at any moment."""
    wander(Random(seed))  # noqa: S311


def just_equal(seed: int) -> None:
    """Plans that are just no better, and the like: always the same."""
    if not seed:
        balance()


def remainder(seed: int) -> None:
    """What is left to be finished."""
    finish(Random(seed))  # noqa: S311


def failures(seed: int) -> None:
    """An edge server that fails."""
    watch(Random(seed))  # noqa: S311


def requests(seed: int) -> None:
    """Both ends of a stream."""
    multiplex(Random(seed))  # noqa: S311


def admission(seed: int) -> None:
    """A server that has room for so much."""
    if not seed:
        admit_as_usual()
    admit(Random(seed))  # noqa: S311


def sharing(seed: int) -> None:
    """Many devices, and little patience."""
    share(seed)


def turns(seed: int) -> None:
    """What waits for a worker."""
    take_turns(Random(seed))  # noqa: S311


def room(seed: int) -> None:
    """What is kept for later."""
    shelve(Random(seed))  # noqa: S311


def waits(seed: int) -> None:
    """What waits for work of others."""
    if not seed:
        load_of_very_many()
    load(Random(seed))  # noqa: S311


def asked_for(seed: int) -> None:
    """What is to return."""
    ask(Random(seed))  # noqa: S311


def nothing_new(seed: int) -> None:
    """Frames of which only what is new is sent."""
    Play(seed).run(400)


def frames_in_flight(seed: int) -> None:
    """Every order of what happens to four frames of a stream; there are some kinds of streams."""
    when_full, (most, waiting) = _LINES[seed % len(_LINES)]
    explore_in_flight(InFlight(most, waiting, when_full), 4)


def session(seed: int) -> None:
    """A device and an edge server through faults."""
    simulate(seed)


def every_order(paths: int) -> None:
    """Every order of what happens to one frame."""
    for setting in settings(paths):
        if setting.paths == paths:
            Explorer(setting, every_order=paths <= 2).explore()


ALONE = {
    "gauge": ((gauge, 3),),
    "adapting": ((just_equal, 3), (drift, 3), (choice, 3)),
    "distance": ((drift, 3), (choice, 3)),
    "given_up": ((drift, 3), (choice, 3)),
    "covering": ((just_equal, 3), (drift, 3), (choice, 3)),
    "finishing": ((remainder, 1),),
    "watch": ((failures, 3),),
    "requests": ((requests, 3),),
    "admission": ((admission, 3), (sharing, 60)),
    "appointments": ((admission, 3), (sharing, 60)),
    "fair_queue": ((turns, 3),),
    "shelf": ((room, 3),),
    "waits": ((waits, 3),),
    "wanted": ((asked_for, 3),),
    "conversation": ((nothing_new, 10),),
    "keeping": ((nothing_new, 10),),
    "in_flight": ((frames_in_flight, 30),),
}
"""By machine: what shows most of it, and of how many sessions' seeds one is enough."""
