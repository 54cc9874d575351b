"""What is told of a session through faults: lines, messages, frames and faults, in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Message = tuple[Any, ...]
"""What it is, and what belongs to that."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something that happened to somebody, and what was done for it."""

    at_s: float
    who: str
    words: str

    def __str__(self) -> str:
        return f"{self.at_s:9.4f} {self.who}: {self.words}"


@dataclass(slots=True)
class Carried:
    """A message on its way."""

    way: int
    """Up 0, down 1."""
    sent_s: float
    """When its last byte left."""
    due_s: float
    """When it arrives, if it does."""
    words: str
    arrived: bool = False
    """Whether anybody was there for it."""


class Answer(StrEnum):
    """Who has answered a frame."""

    TOGETHER = "device and edge server"
    FELL_BACK = "the device, after the edge server had failed"
    ALONE = "the device alone"
    NOBODY = "nobody"


@dataclass(slots=True)
class Played:
    """A frame."""

    number: int
    """From 0."""
    begun_s: float
    answer: Answer
    reason: str = ""
    """Why it was not answered together."""
    ended_s: float | None = None


@dataclass(slots=True)
class Harm:
    """A fault."""

    name: str
    begun_s: float
    ended_s: float


@dataclass(slots=True)
class Story:
    """All that is told, in the order in which it began."""

    lines: list[Line] = field(default_factory=list)
    messages: list[Carried] = field(default_factory=list)
    frames: dict[int, Played] = field(default_factory=dict)
    faults: list[Harm] = field(default_factory=list)

    def tell(self, at_s: float, who: str, words: str) -> None:
        """Add a line."""
        self.lines.append(Line(at_s, who, words))

    def begin_fault(self, at_s: float, name: str, lasting_s: float) -> None:
        """A fault, which lasts for so long unless it is over at once."""
        self.tell(at_s, "fault", f"{name} for {lasting_s:.4f} s")
        self.faults.append(Harm(name, at_s, at_s))

    def end_fault(self, at_s: float, name: str) -> None:
        """The last fault of this name is over."""
        self.tell(at_s, "fault", f"{name} is over")
        for fault in reversed(self.faults):
            if fault.name == name and fault.ended_s == fault.begun_s:
                fault.ended_s = at_s
                return

    def send(self, way: int, at_s: float, due_s: float, message: Message) -> Carried:
        """A message has left."""
        carried = Carried(way, at_s, due_s, _words(message))
        self.messages.append(carried)
        return carried

    def begin_frame(self, number: int, at_s: float, away: str | None) -> None:
        """A frame begins.

        Args:
            number: from 0.
            at_s: now.
            away: why the edge server is not asked; None where it is.
        """
        answer = Answer.TOGETHER if away is None else Answer.ALONE
        self.frames[number] = Played(number, at_s, answer, away or "")

    def fell_back(self, number: int, reason: str) -> None:
        """The device has answered a frame that the edge server failed."""
        self.frames[number].answer, self.frames[number].reason = Answer.FELL_BACK, reason

    def failed(self, number: int, reason: str) -> None:
        """Nobody has answered a frame."""
        self.frames[number].answer, self.frames[number].reason = Answer.NOBODY, reason

    def end_frame(self, number: int, at_s: float) -> None:
        """A frame has ended."""
        self.frames[number].ended_s = at_s


_PATHS = {"begin", "piece", "part"}


def _words(message: Message) -> str:
    """A message in words; numbers of paths as people count."""
    kind, *rest = message
    if kind in _PATHS:
        return f"{kind} of path {rest[1] + 1}, request {rest[0]}"
    if kind in {"result", "give up", "refused"}:
        reason = f": {rest[1]}" if kind == "refused" and rest[1] else ""
        return f"{kind}, request {rest[0]}{reason}"
    if kind in {"no", "broken off"}:
        return f"{kind}: {rest[0]}"
    return str(kind)
