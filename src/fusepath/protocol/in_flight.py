"""Several frames in flight: which begins when, which is dropped, and results in order.

A frame is offered, waits, is begun, ends, and its result is delivered and taken; or it is dropped
while it waits. Frames begin in the order in which they are offered, and results are delivered in
that order, whichever ends first. A frame that has begun counts as in flight until its result is
taken, so what is kept for whoever takes them slowly is bounded, too.

No clock, socket or thread is in here. What happened comes in as events, and what is to be done goes
out as commands.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusepath.protocol.conversation import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence


class WhenFull(enum.Enum):
    """What becomes of a frame that comes while as many wait as may."""

    WAIT = "wait"
    """It is not taken yet: whoever offers frames waits. No frame is lost."""
    LATEST = "latest"
    """It takes the place of the one that has waited longest, which is dropped: what a camera
    shows now is worth more than what it showed before."""


# ---------------------------------------------------------------------------- what happened


@dataclass(frozen=True, slots=True)
class Offered:
    """A frame has come; frames are numbered from 0 in this order."""

    frame: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A frame that was begun has a result, or an error for one."""

    frame: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What was delivered of a frame is in the hands of the application."""

    frame: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nobody wants results any more."""


Event = Offered | Ended | Taken | Stopped

# ---------------------------------------------------------------------------- what is to be done


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin with a frame."""

    frame: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Forget a frame that was not begun."""

    frame: int


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand on what has come of a frame."""

    frame: int


Command = Begin | Drop | Deliver


@dataclass(slots=True)
class InFlight:
    """Decides about the frames of one stream.

    Args:
        most: frames that may be in flight, 1 or more.
        waiting: frames that may wait besides.
        when_full: what becomes of a frame that comes while so many wait.
    """

    most: int
    waiting: int
    when_full: WhenFull
    _offered: int = 0
    _waiting: deque[int] = field(default_factory=deque)
    _begun: deque[int] = field(default_factory=deque)
    """Frames that were begun and not delivered, in their order."""
    _ended: set[int] = field(default_factory=set)
    """Those of them that wait for one before."""
    _delivered: set[int] = field(default_factory=set)
    """Frames that have not been taken."""
    _stopped: bool = False

    @property
    def has_room(self) -> bool:
        """Whether a frame may be offered."""
        full = len(self._waiting) >= self.waiting and not self._may_begin
        return not full or self._stopped or self.when_full is WhenFull.LATEST

    @property
    def _may_begin(self) -> bool:
        return len(self._begun) + len(self._delivered) < self.most

    def handle(self, event: Event) -> Sequence[Command]:
        """Take in what has happened; what is to be done for it, in this order.

        Raises:
            ProtocolError: it cannot have happened.
        """
        match event:
            case Offered(frame):
                return self._take_offer(frame)
            case Ended(frame):
                return self._take_end(frame)
            case Taken(frame):
                if frame not in self._delivered:
                    raise ProtocolError(f"frame {frame} was taken, but not delivered")
                self._delivered.remove(frame)
                return self._begin()
            case Stopped():
                self._stopped = True
                dropped = [Drop(frame) for frame in self._waiting]
                self._waiting.clear()
                self._delivered.clear()
                return dropped

    def _take_offer(self, frame: int) -> Sequence[Command]:
        if frame != self._offered:
            raise ProtocolError(f"frame {frame} was offered, but {self._offered} is next")
        if not self.has_room:
            raise ProtocolError(f"frame {frame} was offered, but there is no room for it")
        self._offered += 1
        if self._stopped:
            return [Drop(frame)]
        self._waiting.append(frame)
        if len(self._waiting) > self.waiting and not self._may_begin:
            return [Drop(self._waiting.popleft())]
        return self._begin()

    def _take_end(self, frame: int) -> Sequence[Command]:
        if frame not in self._begun or frame in self._ended:
            raise ProtocolError(f"frame {frame} has ended, but was not under way")
        self._ended.add(frame)
        delivered: list[Command] = []
        while self._begun and self._begun[0] in self._ended:
            first = self._begun.popleft()
            self._ended.remove(first)
            if not self._stopped:
                self._delivered.add(first)
                delivered.append(Deliver(first))
        return delivered

    def _begin(self) -> Sequence[Command]:
        begun: list[Command] = []
        while self._waiting and self._may_begin:
            frame = self._waiting.popleft()
            self._begun.append(frame)
            begun.append(Begin(frame))
        return begun
