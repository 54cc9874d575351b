"""What both sides are told to do, and what an edge server decides for one inference.

No clock, socket or thread is in here: events come in, commands go out as values, and others carry
them out. So every decision can be tested without a network.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Compute:
    """Compute a path (0-based) on this machine."""

    path: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send the pieces of a path."""

    path: int


@dataclass(frozen=True, slots=True)
class ComputeTail:
    """Join the paths and compute the layers behind them."""


@dataclass(frozen=True, slots=True)
class SendPart:
    """Return a path's part of the outputs."""

    path: int


@dataclass(frozen=True, slots=True)
class SendResult:
    """Return the outputs, or say that all of their parts have been sent."""


Command = Compute | ComputeTail | SendPart | SendResult
"""What the edge server is told to do."""


class ProtocolError(Exception):
    """The other side sent something that the plan does not call for."""


@dataclass(slots=True)
class EdgeSession:
    """One inference seen from the edge server: a path starts when it arrives.

    A strip reads rows of the strip before it, its predecessor. It is told to start after that one,
    and whoever carries the commands out ends that one first. ``returning`` are the paths that
    return a part of the outputs each as soon as they are computed; None has the outputs return as a
    whole. ``reused`` are paths that do not come, since what they would make is there.

    Without ``overlaps`` no path starts before all have arrived, and no part returns before
    all are computed.
    """

    paths: int
    predecessors: Mapping[int, int] = field(default_factory=dict)
    returning: Collection[int] | None = None
    overlaps: bool = True
    reused: Collection[int] = ()
    _successors: dict[int, int] = field(init=False)
    _arrived: set[int] = field(default_factory=set)
    _started: set[int] = field(default_factory=set)
    _done: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._successors = {before: path for path, before in self.predecessors.items()}
        for path in self.reused:
            if not 0 <= path < self.paths or path in self._done or self.predecessors:
                raise ProtocolError(f"path {path + 1} is reused, which the plan does not allow")
            self._arrived.add(path)
            self._started.add(path)
            self._done.add(path)

    def arrived(self, path: int) -> list[Command]:
        """Pieces of a path (0-based) have come in and are what the plan calls for.

        Raises:
            ProtocolError: there is no such path, or it came before.
        """
        if not 0 <= path < self.paths:
            raise ProtocolError(f"there is no path {path + 1}; the plan has {self.paths}")
        if path in self._arrived:
            raise ProtocolError(f"path {path + 1} was sent twice")
        self._arrived.add(path)
        if self.overlaps:
            return self._start(path)
        if len(self._arrived) < self.paths:
            return []
        return [command for ready in range(self.paths) for command in self._start(ready)]

    def _start(self, path: int | None) -> list[Command]:
        """Start a path, if it may and has not, and whatever has waited for that."""
        commands: list[Command] = []
        while path is not None and self._may_start(path):
            self._started.add(path)
            commands.append(Compute(path))
            path = self._successors.get(path)
        return commands

    def _may_start(self, path: int) -> bool:
        waits = path in self.predecessors and self.predecessors[path] not in self._started
        return path in self._arrived and path not in self._started and not waits

    def computed(self, path: int) -> list[Command]:
        """A path has reached the fused layer."""
        if path not in self._started or path in self._done:
            raise ProtocolError(f"path {path + 1} was computed without being sent")
        self._done.add(path)
        if len(self._done) == self.paths:
            return self._all_computed(path)
        return self._parts([path] if self.overlaps else [])

    def _all_computed(self, last: int) -> list[Command]:
        if self.returning is None:
            return [ComputeTail()]
        return [*self._parts([last] if self.overlaps else range(self.paths)), SendResult()]

    def _parts(self, paths: Iterable[int]) -> list[Command]:
        wanted = set(self.returning or ()) - set(self.reused)
        return [SendPart(path) for path in paths if path in wanted]

    def tail_computed(self) -> list[Command]:
        """The outputs are there."""
        return [SendResult()]
