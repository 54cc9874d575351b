"""One inference seen from the device: paths leave, an answer comes, and in any case it ends.

A device holds the image and the whole model, so whatever becomes of link and edge server it can
answer alone. It does when the conversation is lost; and when nothing has happened for longer than
its patience, or the answer is later than computing it here would take, it begins to, and takes
whichever answer is there first. It finishes what is missing from what it has, where that is less
work than the whole network anew.

No clock, socket or thread is in here. What happened comes in as events, and what is to be done goes
out as commands; `story` keeps both.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusepath.protocol.conversation import Compute, ProtocolError, Send
from fusepath.protocol.finishing import Assemble, Continue, Continued

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fusepath.protocol.finishing import Remainder

# ---------------------------------------------------------------------------- what happened


@dataclass(frozen=True, slots=True)
class Begun:
    """The image is there."""


@dataclass(frozen=True, slots=True)
class Computed:
    """A path (0-based) has left the device's layers."""

    path: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A path (0-based) has gone out."""

    path: int


@dataclass(frozen=True, slots=True)
class PartReturned:
    """The rows of the outputs that a path (0-based) makes have come back."""

    path: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The result has come, and tells which paths (0-based) the edge server has computed."""

    served: Sequence[int]


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing more comes of this conversation: the server refused, vanished, or sent nonsense."""

    reason: str
    retry_after_s: float = 0.0
    """How long the server asks to be left alone."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """Nothing has happened for as long as `Arm` said."""


@dataclass(frozen=True, slots=True)
class Late:
    """It is as late as `ArmHedge` said."""


@dataclass(frozen=True, slots=True)
class DoneAlone:
    """The device has the outputs."""


Event = (
    Begun
    | Computed
    | Sent
    | PartReturned
    | Answered
    | Lost
    | Overdue
    | Late
    | Continued
    | DoneAlone
)

# ---------------------------------------------------------------------------- what is to be done


@dataclass(frozen=True, slots=True)
class Arm:
    """Say `Overdue` after so long, counted anew from the last time this was said."""

    after_s: float


@dataclass(frozen=True, slots=True)
class ArmHedge:
    """Say `Late` after so long, whatever happens meanwhile."""

    after_s: float


@dataclass(frozen=True, slots=True)
class StopComputing:
    """Of the paths, none need be computed any more."""


@dataclass(frozen=True, slots=True)
class ComputeAlone:
    """Compute the whole network here."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End the conversation."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """The result is what the two machines have made together."""


class Stage(enum.Enum):
    """How far a conversation had come when it went wrong."""

    AWAY = "away"
    """It had not begun: the server was known to be of no use."""
    SENDING = "sending"
    """Not every path had gone out."""
    WAITING = "waiting"
    """Nothing of the answer had come."""
    RETURNING = "returning"
    """Parts of the answer had come."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """Why a device has answered alone."""

    reason: str
    stage: Stage
    retry_after_s: float = 0.0
    """How long the server has asked to be left alone."""


@dataclass(frozen=True, slots=True)
class DeliverAlone:
    """The result is what this machine has made alone."""

    fallback: Fallback


@dataclass(frozen=True, slots=True)
class Fail:
    """There is no result."""

    reason: str


Command = (
    Compute
    | Send
    | Arm
    | ArmHedge
    | StopComputing
    | ComputeAlone
    | Continue
    | Assemble
    | GiveUp
    | Deliver
    | DeliverAlone
    | Fail
)


Story = list[tuple[Event, tuple[Command, ...]]]
"""What has happened in one inference, and what was to be done for it."""


class _State(enum.Enum):
    TOGETHER = enum.auto()
    """The answer will come from the edge server."""
    RACING = enum.auto()
    """It is late, and the device has begun by itself."""
    ALONE = enum.auto()
    """It will not come any more."""
    ENDED = enum.auto()


@dataclass(slots=True)
class DeviceFrame:
    """Decides what a device does for one inference.

    Paths are computed and sent in the plan's order, one after the other without waiting for
    anything; without ``overlaps`` nothing is sent before all are computed.

    Args:
        order: paths (0-based) in the order of the plan.
        overlaps: whether paths are sent while others are computed.
        patience_s: how long nothing may happen, once all paths are computed, before the device
            begins to compute alone; None if it cannot.
        returning: paths of which the edge server returns a part of the outputs each.
        hedge_s: how long after the last path is computed the device begins to answer alone, even
            if things do happen; None if it waits for as long as they do.
        remainder: what there is to finish from; None where the whole network is computed anew.
    """

    order: Sequence[int]
    overlaps: bool = True
    patience_s: float | None = None
    returning: Collection[int] = ()
    hedge_s: float | None = None
    remainder: Remainder | None = None
    story: Story = field(default_factory=list)
    _state: _State = field(default=_State.TOGETHER)
    _computed: int = 0
    _sent: int = 0
    _returned: set[int] = field(default_factory=set)
    _fallback: Fallback | None = None
    _finishing: bool = False
    """Whether the device finishes what is missing from what it has."""
    _continuing: int | None = None
    _continued: set[int] = field(default_factory=set)
    _assembling: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether the result has been delivered, or there is none."""
        return self._state is _State.ENDED

    @property
    def was_late(self) -> bool:
        """Whether the device has begun to answer alone."""
        return self._fallback is not None

    def handle(self, event: Event) -> Sequence[Command]:
        """Take in what has happened; what is to be done for it.

        Raises:
            ProtocolError: it cannot have happened, or the plan does not call for what came.
        """
        commands = tuple(self._handle(event))
        self.story.append((event, commands))
        return commands

    def _handle(self, event: Event) -> Sequence[Command]:
        commands: Sequence[Command] = ()
        if self._state is _State.ENDED or (self._state is _State.ALONE and not self._is_own(event)):
            return ()  # late news
        match event:
            case Begun():
                commands = [Compute(path) for path in self.order]
            case Computed(path):
                commands = self._take_computed(path)
            case Sent(path):
                commands = self._take_sent(path)
            case PartReturned(path):
                commands = self._take_part(path)
            case Answered(served):
                commands = self._take_answer(served)
            case Lost(reason, retry_after_s):
                commands = self._take_loss(reason, retry_after_s)
            case Overdue() | Late():
                commands = self._take_overdue()
            case Continued(path):
                commands = self._take_continued(path)
            case DoneAlone():
                commands = self._take_own()
        return commands

    def _is_own(self, event: Event) -> bool:
        """Whether it tells of what the device does for its own answer."""
        match event:
            case DoneAlone():
                return True
            case Computed() | Continued():
                return self._finishing
        return False

    @property
    def _all_computed(self) -> bool:
        return self._computed == len(self.order)

    @property
    def _all_sent(self) -> bool:
        return self._sent == len(self.order)

    @property
    def _leaving(self) -> Sequence[int]:
        """Paths that may have reached the server: those sent, and the one that is on its way.

        An answer often comes before it is known that what it answers has gone out.
        """
        ready = self._computed if self.overlaps or self._all_computed else 0
        return self.order[: min(ready, self._sent + 1)]

    def _patience(self) -> list[Command]:
        """Something has happened: wait anew, where it is the other side that is waited for."""
        waits = self._state is _State.TOGETHER and self._all_computed
        return [Arm(self.patience_s)] if waits and self.patience_s is not None else []

    def _take_computed(self, path: int) -> Sequence[Command]:
        if path not in self.order[self._computed : self._computed + 1]:
            raise ProtocolError(f"path {path + 1} was computed out of order")
        self._computed += 1
        if self._finishing:
            return self._go_on()
        ready = [path] if self.overlaps else self.order if self._all_computed else []
        return [*map(Send, ready), *self._patience(), *self._hedge()]

    def _hedge(self) -> list[Command]:
        """From now on the device is idle."""
        return [ArmHedge(self.hedge_s)] if self._all_computed and self.hedge_s is not None else []

    def _take_sent(self, path: int) -> Sequence[Command]:
        if path not in self._leaving[self._sent :]:
            raise ProtocolError(f"path {path + 1} was sent out of order")
        self._sent += 1
        return self._patience()

    def check_part(self, path: int) -> None:
        """Raise unless the part of a path (0-based) may return now.

        Raises:
            ProtocolError: it returns none, or has returned, or may not have left.
        """
        if path not in self.returning:
            raise ProtocolError(
                f"the server returned a part for path {path + 1}, which returns none"
            )
        if path in self._returned:
            raise ProtocolError(f"the server returned the part of path {path + 1} twice")
        if path not in self._leaving:
            raise ProtocolError(
                f"the server returned the part of path {path + 1} without having had that path"
            )

    def _take_part(self, path: int) -> Sequence[Command]:
        self.check_part(path)
        self._returned.add(path)
        return self._patience()

    def _take_answer(self, served: Sequence[int]) -> Sequence[Command]:
        if unknown := sorted(set(served).difference(self.order)):
            raise ProtocolError(
                f"the server computed path {unknown[0] + 1}, a path that the plan does not have"
            )
        if sorted(served) != sorted(self.order) or len(self._leaving) < len(self.order):
            raise ProtocolError("the server sent a result without having had every path")
        if missing := sorted(set(self.returning) - self._returned):
            raise ProtocolError(
                f"the server sent a result without the part of path {missing[0] + 1}; "
                f"is it an older fusepath?"
            )
        raced = self._state is _State.RACING
        self._state = _State.ENDED
        return [StopComputing(), Deliver()] if raced else [Deliver()]

    def _take_loss(self, reason: str, retry_after_s: float) -> Sequence[Command]:
        if self._state is _State.RACING:  # it has begun already
            self._state = _State.ALONE
            return ()
        if self.patience_s is None:
            self._state = _State.ENDED
            return [StopComputing(), Fail(reason)]
        self._fall_back(reason, retry_after_s)
        self._state = _State.ALONE
        return self._begin()

    def _take_overdue(self) -> Sequence[Command]:
        if self._state is not _State.TOGETHER:
            return ()
        self._fall_back("no answer in time")
        self._state = _State.RACING
        return self._begin()

    def _fall_back(self, reason: str, retry_after_s: float = 0.0) -> None:
        stage = Stage.RETURNING if self._returned else Stage.WAITING
        stage = stage if self._all_sent else Stage.SENDING
        self._fallback = Fallback(reason, stage, retry_after_s)

    def _begin(self) -> list[Command]:
        """Begin to answer alone: from what there is, or all of it anew, whichever is less."""
        to_compute = self.order[self._computed :]
        not_begun = to_compute[1:]  # what has begun is done to its end in any case
        if self.remainder is not None and self.remainder.pays(not_begun, self._missing):
            self._finishing = True
            return self._go_on()
        return [*([StopComputing()] if to_compute else []), ComputeAlone()]

    @property
    def _missing(self) -> list[int]:
        """Paths that have not come to the fused layer, in order."""
        assert self.remainder is not None  # or nothing is finished
        wanted = set(self.returning or self.order) - self._returned
        left = self.remainder.missing(self.order, wanted)
        return [path for path in left if path not in self._continued]

    def _go_on(self) -> list[Command]:
        """The next step of finishing, once all paths are at their cuts."""
        if not self._all_computed:
            return []
        for path in self._missing:
            self._continuing = path
            return [Continue(path)]
        self._assembling = True
        return [Assemble()]

    def _take_continued(self, path: int) -> Sequence[Command]:
        if path != self._continuing:
            raise ProtocolError(f"path {path + 1} was taken on, which nobody asked for")
        self._continuing = None
        self._continued.add(path)
        return self._go_on()

    def _take_own(self) -> Sequence[Command]:
        if self._fallback is None or self._finishing != self._assembling:
            raise ProtocolError("nobody asked the device to compute alone")
        raced = self._state is _State.RACING
        self._state = _State.ENDED
        delivered = DeliverAlone(self._fallback)
        return [GiveUp(), delivered] if raced else [delivered]
