"""What an edge server takes on of what devices ask for, and what it refuses for now.

A device may have so much under way, and all together so much; who has nothing under way gets in
also when all others have taken everything. What would wait for too long is refused at once, with
the time after which it is worth asking again.

No clock, socket or thread is in here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from fusepath.protocol.appointments import Appointments

_PATIENCE = 4
"""So many times what it takes itself a request may wait in any case, and so many times as long who
has none under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What an edge server has room for."""

    streams: int = 1024
    """Of all devices at a time; each keeps one open."""
    streams_of_one: int = 16
    requests: int = 256
    """At work or waiting, of all devices."""
    requests_of_one: int = 16
    loads: int = 64
    """Calls that wait for a plan or a profile, of all devices."""
    loads_of_one: int = 8
    bytes: int = 1 << 62
    """Of requests, together: of what has come, what it decodes to, and answers that wait."""
    wait_s: float = 1.0
    """How long a request may wait for a worker before its work begins."""
    retry_s: float = 1.0
    """When to ask again where nothing says how soon there will be room."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request takes."""

    work_s: float = 0.0
    """Of a worker."""
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """What workers have to do."""

    backlog_s: float
    """Until a worker is free, by what has come already."""
    workers: int = 1
    now_s: float = 0.0
    """When that is so."""
    slowness: float = 1.0
    """Of late, how many times longer work took than computing it, for it had to wait (`Waits`)."""


@dataclass(frozen=True, slots=True)
class Busy:
    """There is no room for it now."""

    reason: str
    retry_after_s: float


@dataclass(slots=True)
class _Places:
    """Places that peers take: so many each, so many together, and one for whoever has none."""

    what: str
    most: int
    most_of_one: int
    taken: Counter[str] = field(default_factory=Counter)

    def take(self, peer: str, *, strict: bool) -> str:
        """Take a place; why there is none, or nothing."""
        own, total = self.taken[peer], self.taken.total()
        if own >= self.most_of_one:
            return f"{own} {self.what} of this device are open here, as many as it may have"
        if total >= self.most and (strict or own):
            return f"{total} {self.what} are open here, as many as there is room for"
        self.taken[peer] += 1
        return ""

    def leave(self, peer: str) -> None:
        """A place is free again."""
        self.taken[peer] -= 1
        if not self.taken[peer]:
            del self.taken[peer]


class Admission:
    """Keeps count of what peers have under way.

    Args:
        room: how much there is.
    """

    def __init__(self, room: Room) -> None:
        self.room = room
        self._streams = _Places("streams", room.streams, room.streams_of_one)
        self._requests = _Places("inferences", room.requests, room.requests_of_one)
        self._loads = _Places("preparations", room.loads, room.loads_of_one)
        self._bytes: Counter[str] = Counter()
        self._appointments = Appointments()

    @property
    def streams(self) -> int:
        """That are open."""
        return self._streams.taken.total()

    @property
    def requests(self) -> int:
        """That are under way."""
        return self._requests.taken.total()

    @property
    def bytes(self) -> int:
        """That requests may take."""
        return self._bytes.total()

    def open_stream(self, peer: str) -> Busy | None:
        """A peer opens a stream; None where it may, until `close_stream`."""
        return self._refused(self._streams.take(peer, strict=True))

    def close_stream(self, peer: str) -> None:
        """A stream has ended."""
        self._streams.leave(peer)
        if not self._streams.taken[peer]:
            self._appointments.drop(peer)

    def begin_load(self, peer: str) -> Busy | None:
        """A peer waits for a plan or a profile; None where it may, until `end_load`."""
        return self._refused(self._loads.take(peer, strict=True))

    def end_load(self, peer: str) -> None:
        """It waits no more."""
        self._loads.leave(peer)

    def begin(self, peer: str, cost: Cost, *, left_s: float, load: Load) -> Busy | None:
        """A peer makes a request; None where it may, until `end`.

        Work that is long may wait for longer, and so may that of a peer that has nothing under
        way. One peer has half of the bytes at most.

        Args:
            peer: who.
            cost: what the request takes.
            left_s: until nobody waits for its answer any more.
            load: of the workers.
        """
        busy = self._wait(peer, cost, left_s, load)
        if busy is not None:
            if not self._requests.taken[peer]:
                times = {"now_s": load.now_s, "after_s": busy.retry_after_s}
                self._appointments.make(peer, cost.work_s / load.workers, **times)
            return busy
        most = self.room.bytes
        full = self.bytes + cost.bytes > most or self._bytes[peer] + cost.bytes > most // 2
        if full and self.bytes:  # what is alone there may be larger
            reason = f"{cost.bytes} bytes are needed of {most} that inferences have here, too few "
            return self._refused(reason + "are free")
        busy = self._refused(self._requests.take(peer, strict=False))
        if busy is None:
            self._bytes[peer] += cost.bytes
            self._appointments.drop(peer)
        return busy

    def _wait(self, peer: str, cost: Cost, left_s: float, load: Load) -> Busy | None:
        """Whether it would wait for too long, behind those who were sent away before."""
        patience_s = max(self.room.wait_s, _PATIENCE * cost.work_s)
        if not self._requests.taken[peer]:
            patience_s *= _PATIENCE  # workers take it up before what others have behind others
        longest_s = max(min(patience_s, left_s - cost.work_s), 0.0)
        ahead_s = self._appointments.ahead_s(peer, load.now_s)
        if load.backlog_s <= longest_s / 2:  # they may not come, and workers are to have work
            ahead_s = 0.0
        wait_s = load.backlog_s + ahead_s
        if wait_s <= longest_s:
            return None
        return Busy(
            f"{wait_s:.2f} s of work are waiting here, longer than this request may wait",
            max(wait_s - longest_s, load.backlog_s / 2),
        )

    def too_many_of_one(self) -> Busy:
        """A stream has as many requests as one device may have."""
        most = self.room.requests_of_one
        return Busy(f"one device has {most} inferences at a time; ask again later", 0.0)

    def end(self, peer: str, cost: Cost) -> None:
        """A request has ended."""
        self._requests.leave(peer)
        self._bytes[peer] -= cost.bytes
        if not self._bytes[peer]:
            del self._bytes[peer]

    def _refused(self, reason: str) -> Busy | None:
        return Busy(f"{reason}; ask again later", self.room.retry_s) if reason else None
