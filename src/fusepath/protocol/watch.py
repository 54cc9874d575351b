"""Whether an edge server is of use, and when it is asked again after it was not.

A frame that the server has failed makes the device answer the next ones alone. It is tried again at
once, and then after pauses that double, each a random part shorter so that devices which lost the
same server do not all come back together. Where it has said when there may be room again, it is not
asked before, and not by all at once. Once it answers, plans are made ready on it, while frames
are answered without it, and then it is used again. One that soon fails again is tried as
after the failures before: only frames that go well make it as good as new.

A frame that the server has answered, but so late that this machine had begun to as well, did not
go well. Some of them in a row are a failure; before that, plans have had time to follow a link that
has become slower.

No clock, socket or thread is in here: events in, commands out.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_REMEMBERED = 256

# ---------------------------------------------------------------------------- what happened


@dataclass(frozen=True, slots=True)
class Served:
    """A frame has been answered with the server's help, in time."""


@dataclass(frozen=True, slots=True)
class ServedLate:
    """A frame has been answered with the server's help, when this machine had begun to alone."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The server has failed a frame, a sign of life, or whoever looks for plans."""

    reason: str
    retry_after_s: float = 0.0
    """How long it asks to be left alone."""


@dataclass(frozen=True, slots=True)
class Due:
    """The pause that `Pause` asked for is over."""


@dataclass(frozen=True, slots=True)
class Reached:
    """The server answers."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A plan is ready on the server."""


Event = Served | ServedLate | Failed | Due | Reached | Ready

# ---------------------------------------------------------------------------- what is to be done


@dataclass(frozen=True, slots=True)
class UseAlone:
    """Answer frames without the server from now on."""

    reason: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Say `Due` after so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Dial:
    """See whether the server answers: `Reached` or `Failed`."""


@dataclass(frozen=True, slots=True)
class MakeReady:
    """Have a plan made ready on the server: `Ready` or `Failed`."""


@dataclass(frozen=True, slots=True)
class UseTogether:
    """Answer frames with the server from now on."""


Command = UseAlone | Pause | Dial | MakeReady | UseTogether


class State(enum.Enum):
    """What goes on with the server."""

    USED = "used"
    PAUSING = "pausing"
    DIALLING = "dialling"
    READYING = "readying"


@dataclass(slots=True)
class Watch:
    """Watches over one edge server.

    Args:
        random: a number in [0, 1), anew each time.
        first_pause_s: after the second attempt; it doubles with each.
        longest_pause_s: the pauses grow to this.
        forgiven_after: frames that must go well before failures are forgotten.
        most_late: frames in a row that may come late; one more is a failure.
    """

    random: Callable[[], float]
    first_pause_s: float = 0.1
    longest_pause_s: float = 2.0
    forgiven_after: int = 20
    most_late: int = 7
    state: State = State.USED
    story: deque[tuple[Event, tuple[Command, ...]]] = field(
        default_factory=lambda: deque(maxlen=_REMEMBERED)
    )
    """What has happened of late, and what was to be done for it; frames that went well are left
    out."""
    _failures: int = 0
    _served: int = 0
    _late: int = 0

    def handle(self, event: Event) -> Sequence[Command]:
        """Take in what has happened; what is to be done for it. Late news changes nothing."""
        commands = tuple(self._handle(event))
        if not isinstance(event, Served):
            self.story.append((event, commands))
        return commands

    def _handle(self, event: Event) -> Sequence[Command]:
        commands: Sequence[Command] = ()
        match event, self.state:
            case Served(), State.USED:
                self._count()
            case ServedLate(), State.USED:
                self._late += 1
                if self._late > self.most_late:
                    commands = self._give_up("its answers come late, one after the other")
            case Failed(reason, retry_after_s), State.USED:
                commands = self._give_up(reason, retry_after_s)
            case Failed(_, retry_after_s), State.DIALLING | State.READYING:
                commands = self._try_later(retry_after_s)
            case Due(), State.PAUSING:
                self.state = State.DIALLING
                commands = [Dial()]
            case Reached(), State.DIALLING:
                self.state = State.READYING
                commands = [MakeReady()]
            case Ready(), State.READYING:
                self.state = State.USED
                self._served = 0
                commands = [UseTogether()]
        return commands

    def _give_up(self, reason: str, retry_after_s: float = 0.0) -> list[Command]:
        self._late = 0
        return [UseAlone(reason), *self._try_later(retry_after_s)]

    def _count(self) -> None:
        self._late = 0
        self._served += 1
        if self._served >= self.forgiven_after:
            self._failures = 0

    def _try_later(self, retry_after_s: float) -> list[Command]:
        self._failures += 1
        if self._failures == 1 and not retry_after_s:
            self.state = State.DIALLING
            return [Dial()]
        self.state = State.PAUSING
        # No further power of two than is needed: failures may be many.
        doubled_s = self.first_pause_s * 2 ** min(self._failures - 2, 20)
        random = self.random() / 2
        pause_s = min(doubled_s, self.longest_pause_s) * (1 - random)
        return [Pause(max(pause_s, retry_after_s * (1 + random)))]
