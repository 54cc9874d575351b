"""What must be known to be kept and be kept, told from all that has happened: beside the machines.

Whoever plays with these plays with the machines, and every answer of theirs is checked.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusepath.faults.clock import require
from fusepath.protocol.keeping import Begun, DeviceKept, EdgeKept, Place

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


@dataclass(slots=True)
class CheckedDeviceKept:
    """A `DeviceKept` of requests that are numbers; what it knows follows from its history."""

    machine: DeviceKept[int] = field(default_factory=DeviceKept)
    _stream: object = None
    _asked: list[tuple[int, frozenset[int]]] = field(default_factory=list)
    """Requests in which anything was new, and what, since all was forgotten."""
    _answered: set[int] = field(default_factory=set)
    _failed: set[int] = field(default_factory=set)
    _same: list[int] = field(default_factory=list)
    """In how many paths requests had nothing new."""

    @property
    def newest(self) -> int | None:
        """The last request in which anything was new; None where it has failed."""
        return self.machine.newest

    @property
    def newest_is_answered(self) -> bool:
        """Whether the outputs of all that is known are."""
        return self.machine.newest_is_answered

    def begin(
        self, stream: object, request: int, paths: Collection[int], same: Collection[int]
    ) -> Begun[int]:
        """A request is made."""
        if stream != self._stream:
            self._asked.clear()
            self._stream = stream
        last = {path: by for path in same if (by := self._last(path)) is not None}
        reused = {path: by for path, by in last.items() if by in self._answered}
        new = [path for path in paths if path not in last]
        self._same.append(len(same))
        if self._same[-4:] == [0, 0, 0, 0]:  # nothing is kept any more
            self._asked.clear()
            new = []

        begun = self.machine.begin(stream, request, paths, same)

        require(begun.new == new, "{} are new, not {}", begun.new, new)
        if len(reused) == len(paths):  # something must be asked for
            reused = {}
        require(begun.reused == reused, "{} are reused, not {}", begun.reused, reused)
        if new:
            self._asked.append((request, frozenset(new)))
        self._check(paths)
        return begun

    def answered(self, request: int) -> None:
        """A request has come to its end as planned."""
        self._answered.add(request)
        self.machine.answered(request)
        self._check()

    def failed(self, request: int) -> None:
        """A request has not."""
        self._failed.add(request)
        self.machine.failed(request)
        self._check()

    def forget(self) -> None:
        """The edge server has lost what it kept."""
        self._asked.clear()
        self.machine.forget()
        self._check()

    def _last(self, path: int) -> int | None:
        """The last request for which a path was new, if it has not failed."""
        last = next((by for by, new in reversed(self._asked) if path in new), None)
        return None if last in self._failed else last

    def _check(self, paths: Collection[int] = ()) -> None:
        machine, newest = self.machine, self._asked[-1][0] if self._asked else None
        if newest in self._failed:
            newest = None
        require(machine.newest == newest, "{} is the newest, not {}", machine.newest, newest)
        known = newest in self._answered
        require(machine.newest_is_answered is known, "the newest is answered: {}", known)
        for path in paths:
            for request, _ in self._asked[-3:]:
                last = self._last(path) == request
                require(machine.is_last(path, request) is last, "{} is the last: {}", request, last)
        old = machine._answered - set(machine._sent.values())
        require(not old, "{} are remembered, and nothing is kept of them", old)


class CheckedEdgeKept:
    """An `EdgeKept` of shares of one size.

    Args:
        room: for so many shares.
        share_bytes: of each.
    """

    def __init__(self, room: int, share_bytes: int) -> None:
        self.machine: EdgeKept[int] = EdgeKept(room * share_bytes)
        self.room, self._share_bytes = room, share_bytes
        self._kept: OrderedDict[Place, tuple[int, int]] = OrderedDict()
        """Requests and shares; what was used last comes last."""

    def keep(self, place: Place, request: int, share: int) -> None:
        """Keep what a request has made of a path."""
        if place not in self._kept or self._kept[place][0] < request:
            self._kept.pop(place, None)
            while len(self._kept) >= self.room:
                self._kept.popitem(last=False)
            self._kept[place] = request, share
        self.machine.keep(place, request, share, self._share_bytes)
        self._check()

    def find(self, wanted: Mapping[Place, int]) -> dict[int, int] | None:
        """Shares by path, each of the request that is named."""
        expected: dict[int, int] | None = {}
        for place, request in wanted.items():
            kept = self._kept.get(place, (0, 0))
            if kept[0] != request:
                expected = None
            elif expected is not None:
                expected[place.path] = kept[1]
        if expected is not None:
            for place in wanted:
                self._kept.move_to_end(place)
        found = self.machine.find(wanted)
        require(found == expected, "{} is kept, not {}", found, expected)
        self._check()
        return found

    def end(self, stream: object) -> None:
        """A stream has ended."""
        for place in [place for place in self._kept if place.stream == stream]:
            del self._kept[place]
        self.machine.end(stream)
        self._check()

    def _check(self) -> None:
        machine, kept = self.machine, self.machine._kept
        require(list(kept) == list(self._kept), "others are kept, or would go first")
        require(all(tuple(kept[place]) == self._kept[place] for place in kept), "others are kept")
        held_bytes = self._share_bytes * len(self._kept)
        require(machine.held_bytes == held_bytes, "{} are held", machine.held_bytes)
        require(machine.held_bytes <= machine.most_bytes, "more is kept than may be")
