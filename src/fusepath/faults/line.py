"""The frames of a stream: the machine that keeps them in order, and a check of all that it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusepath.faults.clock import require
from fusepath.protocol.in_flight import (
    Begin,
    Deliver,
    Drop,
    Ended,
    InFlight,
    Offered,
    Stopped,
    Taken,
    WhenFull,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusepath.protocol.in_flight import Command, Event


@dataclass
class Line:
    """A machine, and what must have become of every frame by what was said so far."""

    machine: InFlight
    frames: int
    """How many come."""
    offered: int = 0
    waiting: list[int] = field(default_factory=list)
    under_way: list[int] = field(default_factory=list)
    """Begun, not ended."""
    ended: list[int] = field(default_factory=list)
    """Not delivered."""
    delivered: list[int] = field(default_factory=list)
    """Not taken."""
    outcome: list[str] = field(default_factory=list)
    """Of every frame that was offered: ``-`` while there is none."""
    last: int = -1
    """The last one that was delivered."""
    stopped: bool = False

    def events(self) -> Iterator[Event]:
        """What may happen next."""
        if self.offered < self.frames and self.machine.has_room:
            yield Offered(self.offered)
        yield from map(Ended, self.under_way)
        yield from map(Taken, self.delivered)
        if not self.stopped and self.offered:
            yield Stopped()

    @property
    def has_room(self) -> bool:
        """Whether one more can be taken, whatever becomes of it."""
        in_flight = len(self.under_way) + len(self.ended) + len(self.delivered)
        loses = self.stopped or self.machine.when_full is WhenFull.LATEST
        waits = len(self.waiting) < self.machine.waiting
        return loses or waits or (in_flight < self.machine.most and not self.waiting)

    def tell(self, event: Event) -> Sequence[Command]:
        """Let the machine know; what is to be done is checked."""
        match event:
            case Offered(frame):
                self.offered += 1
                self.outcome.append("-")
                self.waiting.append(frame)
            case Ended(frame):
                self.under_way.remove(frame)
                self.ended.append(frame)
            case Taken(frame):
                self.delivered.remove(frame)
            case Stopped():
                self.stopped = True
                self.delivered.clear()
        commands = self.machine.handle(event)
        for command in commands:
            self.take(command)
        self.check()
        return commands

    def take(self, command: object) -> None:
        """Do what is said."""
        match command:
            case Begin(frame):
                require(self.waiting[:1] == [frame], "a frame overtakes another")
                require(not self.stopped, "a frame begins after the end")
                self.under_way.append(self.waiting.pop(0))
            case Drop(frame):
                require(self.waiting[:1] == [frame], "it is not the oldest that is dropped")
                full = len(self.waiting) > self.machine.waiting
                latest = self.machine.when_full is WhenFull.LATEST
                require(self.stopped or (full and latest), "dropped for no reason")
                self.waiting.pop(0)
                self.settle(frame, "dropped")
            case Deliver(frame):
                require(frame in self.ended, "nothing has come of it")
                require(frame > self.last, "results are out of order")
                require(not self.stopped, "nobody wants a result any more")
                require("-" not in self.outcome[:frame], "one before it is left out")
                self.last = frame
                self.ended.remove(frame)
                self.delivered.append(frame)
                self.settle(frame, "delivered")

    def settle(self, frame: int, outcome: str) -> None:
        """A frame has come to an end."""
        require(self.outcome[frame] == "-", "a frame ends twice")
        self.outcome[frame] = outcome

    def check(self) -> None:
        """What must be at any time."""
        in_flight = len(self.under_way) + len(self.ended) + len(self.delivered)
        require(in_flight <= self.machine.most, "too many are in flight")
        require(len(self.waiting) <= self.machine.waiting, "too many wait")
        room = self.has_room
        require(self.machine.has_room is room, "there is room: {}", room)
        idle = self.waiting and in_flight < self.machine.most
        require(not idle, "a frame waits, and might begin")
        held = self.ended and min(self.ended) < min(self.under_way, default=self.frames)
        require(self.stopped or not held, "a result is held back")
        machine = self.machine
        waits = [*machine._waiting]  # noqa: SLF001 - what it remembers, too
        require(waits == self.waiting, "frames are kept that do not wait")
        old = machine._ended - set(machine._begun)  # noqa: SLF001 - what it remembers, too
        require(not old, "{} are remembered, and nothing can come of them", old)
        if not any(True for _ in self.events()):
            require("-" not in self.outcome or self.stopped, "a frame has no end")
