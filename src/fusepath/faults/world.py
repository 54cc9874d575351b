"""One simulation from one seed: a session through faults, and after them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from fusepath.errors import InputError
from fusepath.faults.clock import Clock, require
from fusepath.faults.driver import Driver
from fusepath.faults.kinds import FAULTS
from fusepath.faults.network import Network
from fusepath.faults.scene import draw
from fusepath.faults.server import Server
from fusepath.faults.thread import Thread
from fusepath.protocol.watch import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusepath.faults.story import Story

BACK_WITHIN_S = 20.0
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
    """A device, a link, a server.

    Args:
        seed: all that happens follows from it.
        fault: the only one that happens, once, and for long enough to be seen; any without.
        story: what is told of it.

    Raises:
        InputError: there is no such fault.
    """

    def __init__(self, seed: int, *, fault: str | None = None, story: Story | None = None) -> None:
        self.random = Random(seed)  # noqa: S311 - nothing secret
        self.story = story
        self.clock = Clock()
        self.scene = draw(self.random)
        self.network = Network(self.clock, self.scene, self.random)
        self.network.story = story
        self.server = Server(self)
        self.network.server = self.server
        self.thread = Thread(self.clock)
        self.driver = Driver(self)
        self._faults = self._drawn_faults() if fault is None else [self._drawn_fault(fault)]
        self._undo: list[tuple[Callable[[], None], str]] = []
        self.random.random()  # so that a seed stays the session that it was

    def tell(self, who: str, event: object, commands: Sequence[object]) -> None:
        """Write into the story."""
        assert self.story is not None
        done = ", ".join(map(repr, commands)) or "nothing"
        self.story.tell(self.clock.now, who, f"{event!r} -> {done}")

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

    def _drawn_fault(self, name: str) -> tuple[int, str, float]:
        if name not in FAULTS:
            raise InputError(f"there is no fault '{name[:40]}'; there are {', '.join(FAULTS)}")
        lasting_s = self.random.choice((0.3, 1.0, 2.5)) * (0.5 + self.random.random())
        return self.random.randrange(20, 150), name, lasting_s

    def _do_faults(self) -> None:
        while self._faults and self._faults[-1][0] <= self.clock.events:
            _, name, lasting_s = self._faults.pop()
            if self.story is not None:
                self.story.begin_fault(self.clock.now, name, lasting_s)
            undo = FAULTS[name](self)
            if undo is not None:
                self._undo.append((undo, name))
                self.clock.after(lasting_s, self._end_fault, undo, name)

    def _end_fault(self, undo: Callable[[], None], name: str) -> None:
        if (undo, name) in self._undo:
            self._undo.remove((undo, name))
            undo()
            if self.story is not None:
                self.story.end_fault(self.clock.now, name)

    def run(self) -> Outcome:
        """Frames through faults; then faults stop, and all must be as before.

        Raises:
            Violation: something happened that must not.
        """
        driver, clock = self.driver, self.clock
        healthy = not self._faults
        clock.after(self.random.random(), driver.look)
        driver.run(self.random.choice((8, 20, 60)))
        while not driver.is_done:
            self._do_faults()
            self._step()
        self._faults.clear()
        for undo, name in list(self._undo):
            self._end_fault(undo, name)
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
