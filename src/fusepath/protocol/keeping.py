"""Nothing new: what need not be computed or sent again, since the frame before had it already.

A path whose piece of the input is, bit for bit, the one that it was last computed from has the same
share of the fused layer. The edge server keeps that share, by the number of the request that it was
computed for, and a device names that number in place of the piece. Numbers tell shares apart
without anything being hashed: a stream has each once, so none is ever taken for another.

The device refers to a share only once the request has been answered. Until then, what is the same
is sent as well, but not to be kept: so frames that overlap come to refer to the first one that had
it. The edge server can have lost a share (it has started anew, or has no room for it any more), but
never has another one in its place. What is lost it says, and all is sent.

Where nothing has been the same for some requests in a row, nothing is kept of those that follow, on
either side, since that takes time and would serve nobody. The first one in which something is the
same again is sent as a whole, and kept.

No clock, socket or thread is in here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from fusepath.protocol.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping

Request = TypeVar("Request", bound="Hashable")
Share = TypeVar("Share")

_PATIENCE = 3
"""Requests in a row of which all is kept though nothing in them was the same."""


class Begun(NamedTuple, Generic[Request]):
    """What is to be done for a request."""

    reused: Mapping[int, Request]
    """Paths that need not be sent, and the requests whose shares are kept."""
    new: Collection[int]
    """Of the others, those that later requests may refer to; the rest is the same as before, or
    not to be kept."""


@dataclass(slots=True)
class DeviceKept(Generic[Request]):
    """What a device knows to be kept on the other side, of one plan.

    Requests are whatever tells them apart. The last one in which anything was new is the newest:
    once it has been answered, its outputs are those of all that is known.
    """

    _stream: Hashable = None
    _sent: dict[int, Request] = field(default_factory=dict)
    """By path (0-based), the last request for which it was new."""
    _answered: set[Request] = field(default_factory=set)
    newest: Request | None = None
    """The last one in which anything was new; None where it has failed, or nothing is kept."""
    _all_new: int = 0
    """Requests in a row in which nothing was the same."""

    @property
    def newest_is_answered(self) -> bool:
        """Whether the outputs of all that is known are."""
        return self.newest in self._answered

    def begin(
        self, stream: Hashable, request: Request, paths: Collection[int], same: Collection[int]
    ) -> Begun[Request]:
        """A request is made; one path at least is sent.

        Args:
            stream: that it is made on.
            request: the new one.
            paths: all that the plan has.
            same: those with the very pieces that they had when they were new.
        """
        if stream != self._stream:  # whatever was kept went with the one before
            self.forget()
            self._stream = stream
        self._all_new = 0 if same else self._all_new + 1
        if self._all_new > _PATIENCE:
            self.forget()
            return Begun({}, [])
        known = self._sent.keys() & set(same)
        reused = {path: self._sent[path] for path in known if self._sent[path] in self._answered}
        new = [path for path in paths if path not in known]
        if new:
            self._sent.update(dict.fromkeys(new, request))
            self._answered.intersection_update(self._sent.values())
            self.newest = request
        return Begun(reused if len(reused) < len(paths) else {}, new)

    def answered(self, request: Request) -> None:
        """A request has come to its end as planned."""
        if request in self._sent.values():
            self._answered.add(request)

    def failed(self, request: Request) -> None:
        """A request has not: what was kept of it nobody knows."""
        self._sent = {path: by for path, by in self._sent.items() if by != request}
        if self.newest == request:
            self.newest = None

    def is_last(self, path: int, request: Request) -> bool:
        """Whether a path (0-based) was new for this request, and for none since."""
        return self._sent.get(path) == request

    def forget(self) -> None:
        """The edge server has lost what it kept."""
        self._sent.clear()
        self._answered.clear()
        self.newest = None


class Place(NamedTuple):
    """Whose share it is."""

    stream: Hashable
    recipe_sha256: str
    path: int
    """0-based."""


class _Kept(NamedTuple, Generic[Share]):
    request: int
    share: Share


class EdgeKept(Generic[Share]):
    """What an edge server keeps for all devices; what was not used for longest goes first.

    Args:
        most_bytes: of all shares together.
    """

    def __init__(self, most_bytes: int) -> None:
        self._kept: Shelf[Place, _Kept[Share]] = Shelf(most_bytes)

    @property
    def most_bytes(self) -> int:
        """That all shares may have together."""
        return self._kept.budget_bytes

    @property
    def held_bytes(self) -> int:
        """That they have."""
        return self._kept.held_bytes

    def keep(self, place: Place, request: int, share: Share, size_bytes: int) -> None:
        """Keep what a request has made of a path, unless a later one has been quicker."""
        if place in self._kept and self._kept[place].request > request:
            return
        self._kept.put(place, _Kept(request, share), size_bytes)

    def find(self, wanted: Mapping[Place, int]) -> dict[int, Share] | None:
        """Shares by path, each of the request that is named; None where one of them is lost."""
        if any(place not in self._kept for place in wanted):
            return None
        if any(self._kept[place].request != request for place, request in wanted.items()):
            return None
        for place in wanted:
            self._kept.get(place)  # which counts as use
        return {place.path: self._kept[place].share for place in wanted}

    def end(self, stream: Hashable) -> None:
        """A stream has ended, and nobody can refer to what was kept for it."""
        for place in [place for place in self._kept if place.stream == stream]:
            self._kept.drop(place)
