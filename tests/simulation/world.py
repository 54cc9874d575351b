"""One simulation from one seed: a session through faults, and after them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from fusepath.protocol.watch import State
from tests.simulation.admitting import admit, shelve, take_turns
from tests.simulation.asking import ask
from tests.simulation.balancing import finish
from tests.simulation.carrying import carry
from tests.simulation.choosing import choose
from tests.simulation.clock import Clock, Violation, require
from tests.simulation.driver import Driver
from tests.simulation.faults import FAULTS
from tests.simulation.keeping import Play
from tests.simulation.multiplexing import multiplex
from tests.simulation.network import Network
from tests.simulation.scene import draw
from tests.simulation.server import Server
from tests.simulation.thread import Thread
from tests.simulation.wandering import wander
from tests.simulation.watching import watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BACK_WITHIN_S = 25.0
"""From the end of all faults to three frames in a row that are answered together."""
_MOST_EVENTS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a session: frames."""

    frames: int
    alone: int
    """Answered without asking the server, which was known to be away."""
    fell_back: int
    failed: int
    """Without an answer: only where the device cannot answer alone."""
    overlapping: int
    """Begun while others were under way."""
    dropped: int
    """That gave way to later ones, or that nobody wanted any more; not among the frames."""
    back_s: float
    """From the end of all faults to three frames in a row answered together."""


class World:
    """A device, a link, a server."""

    def __init__(self, seed: int, *, story: list[str] | None = None) -> None:
        self.random = Random(seed)  # noqa: S311 - nothing secret
        self.story = story
        self.clock = Clock()
        self.scene = draw(self.random)
        self.network = Network(self.clock, self.scene, self.random)
        self.server = self.network.server = Server(self)
        self.thread = Thread(self.clock)
        self.driver = Driver(self)
        self._faults = self._drawn_faults()
        self._undo: list[Callable[[], None]] = []

    def tell(self, who: str, event: object, commands: Sequence[object]) -> None:
        """Write into the story."""
        assert self.story is not None
        done = ", ".join(map(repr, commands)) or "nothing"
        self.story.append(f"{self.clock.now:9.4f} {who}: {event!r} -> {done}")

    def _drawn_faults(self) -> list[tuple[int, str, float]]:
        """After how many events, what, and for how long; the last one first."""
        random = self.random
        if random.random() < 0.1:
            return []
        kinds = random.sample(sorted(FAULTS), random.randint(1, len(FAULTS)))
        within = random.choice((100, 500, 2000))
        return sorted(
            (
                (
                    random.randrange(within),
                    random.choice(kinds),
                    random.choice((0.003, 0.03, 0.3, 2.5)) * 2 * random.random(),
                )
                for _ in range(random.choice((1, 2, 4, 10)))
            ),
            reverse=True,
        )

    def _do_faults(self) -> None:
        while self._faults and self._faults[-1][0] <= self.clock.events:
            _, name, lasting_s = self._faults.pop()
            if self.story is not None:
                self.story.append(f"{self.clock.now:9.4f} fault: {name} for {lasting_s:.4f} s")
            undo = FAULTS[name](self)
            if undo is not None:
                self._undo.append(undo)
                self.clock.after(lasting_s, self._end_fault, undo, name)

    def _end_fault(self, undo: Callable[[], None], name: str = "") -> None:
        if undo in self._undo:
            self._undo.remove(undo)
            undo()
            if self.story is not None:
                self.story.append(f"{self.clock.now:9.4f} fault ends: {name}")

    def run(self) -> Outcome:
        """Frames through faults; then faults stop, and all must be as before.

        Raises:
            Violation: something happened that must not.
        """
        _play_beside(Random(self.random.random()))  # noqa: S311 - nothing secret
        driver, clock = self.driver, self.clock
        healthy = not self._faults
        clock.after(self.random.random(), driver.look)
        driver.run(self.random.choice((8, 20, 60)))
        while not driver.is_done:
            self._do_faults()
            self._step()
        self._faults.clear()
        for undo in list(self._undo):
            self._end_fault(undo)
        back_s = self._come_back()
        self._come_to_rest()
        if healthy:
            require(driver.watch.state is State.USED and not driver.alone, "it fell back")
            require(not driver.fell_back + driver.failed, "it fell back without a fault")
            require(not driver.watch.story, "the watch has seen something")
        return Outcome(
            frames=driver.answered,
            alone=driver.alone,
            fell_back=driver.fell_back,
            failed=driver.failed,
            overlapping=driver.overlapping,
            dropped=driver.dropped,
            back_s=back_s,
        )

    def _step(self) -> None:
        require(self.clock.step(), "nothing happens any more")
        require(self.clock.events < _MOST_EVENTS, "it does not end")

    def _come_back(self) -> float:
        driver, clock = self.driver, self.clock
        began_s = clock.now
        self.scene.pause_s = max(self.scene.pause_s, 0.2)
        driver.in_a_row = 0
        while driver.in_a_row < 3:
            driver.run(1)
            while not driver.is_done:
                self._step()
            pause_s = clock.now + self.scene.pause_s
            clock.after(self.scene.pause_s, lambda: None)
            while clock.now < pause_s:
                self._step()
            require(clock.now < began_s + BACK_WITHIN_S, "the server is not used again")
        return clock.now - began_s

    def _come_to_rest(self) -> None:
        self.driver.closed = True
        self.driver.conversation.renew()
        while self.clock.step():
            require(self.clock.events < _MOST_EVENTS, "it does not come to rest")
        require(self.server.is_idle, "the server has not forgotten a call")
        require(not self.network.calls, "a call is left open")
        require(self.thread.is_idle, "the device is at work")


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
        if random.random() < 0.06:
            choose(random)
            wander(random)


def simulate(seed: int) -> Outcome:
    """One session.

    Raises:
        Violation: something happened that must not; says the seed, with which all is told again.
    """
    try:
        return World(seed).run()
    except Exception as error:
        kind = "" if isinstance(error, Violation) else f"{type(error).__name__}: "
        raise Violation(
            f"seed {seed}: {kind}{error}; `python -m tests.simulation --seed {seed} --story` "
            f"tells it"
        ) from error


def told(seed: int) -> list[str]:
    """The story of a seed, line by line."""
    story: list[str] = []
    try:
        outcome = World(seed, story=story).run()
    except Exception as error:
        return [*story, f"violation: {error!r}"]
    return [*story, str(outcome)]
