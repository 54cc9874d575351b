"""What a server for many does by itself: who gets in, who is next, what it keeps for later."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusepath.faults.clock import Violation, require
from fusepath.protocol.admission import Admission, Busy, Cost, Load, Room
from fusepath.protocol.fair_queue import FairQueue
from fusepath.protocol.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

PATIENCE = 4
"""So many times its work a request may wait, and so many times as long who has none under way."""
_PEERS = "abcde"
_HALVES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Of seconds, so that many are equal."""


@dataclass
class _Open:
    """Peers of what is open of one kind, by whom and in what room."""

    what: str
    most: int
    most_of_one: int
    strict: bool
    peers: list[str] = field(default_factory=list)

    def expected(self, peer: str, retry_s: float) -> Busy | None:
        """What is said to one more."""
        own, total = self.peers.count(peer), len(self.peers)
        if own == self.most_of_one:
            why = f"{own} {self.what} of this device are open here, as many as it may have"
        elif total >= self.most and (self.strict or own > 0):
            why = f"{total} {self.what} are open here, as many as there is room for"
        else:
            return None
        return Busy(f"{why}; ask again later", retry_s)


@dataclass
class _SentAway:
    """Who was told to come back and has not, the first in front: until when, with what work."""

    LATE, LATER_S = 1.5, 1.0
    peers: list[str] = field(default_factory=list)
    due: dict[str, tuple[float, float]] = field(default_factory=dict)

    def ahead_s(self, peer: str, now_s: float) -> float:
        """Work of those in front of a peer."""
        for late in [one for one in self.peers if self.due[one][0] <= now_s]:
            self.peers.remove(late)
        behind = self.peers.index(peer) if peer in self.peers else len(self.peers)
        return sum(self.due[one][1] for one in self.peers[:behind])

    def add(self, peer: str, until_s: float, work_s: float) -> None:
        """A peer is sent away, perhaps again."""
        self.peers += [] if peer in self.peers else [peer]
        self.due[peer] = until_s, work_s

    def remove(self, peer: str) -> None:
        """A peer is here, or has gone."""
        self.peers = [one for one in self.peers if one != peer]


def admit(random: Random, steps: int = 150) -> None:
    """Some devices ask for more than there is room for.

    Raises:
        Violation: one gets in that must not, or is refused, or is told another reason or time.
    """
    room = Room(
        streams=4,
        streams_of_one=2,
        requests=random.choice((3, 5)),
        requests_of_one=2,
        loads=3,
        loads_of_one=random.choice((1, 2)),
        bytes=random.choice((20, 40)),
        wait_s=random.choice((0.5, 1.0)),
        retry_s=0.75,
    )
    admission = Admission(room)
    streams = _Open("streams", room.streams, room.streams_of_one, strict=True)
    loads = _Open("preparations", room.loads, room.loads_of_one, strict=True)
    requests = _Open("inferences", room.requests, room.requests_of_one, strict=False)
    costs: list[tuple[str, Cost]] = []
    away, now_s = _SentAway(), 0.0
    doors = (
        (streams, admission.open_stream, admission.close_stream),
        (loads, admission.begin_load, admission.end_load),
    )
    for _ in range(steps):
        now_s += random.choice((0.0, 0.0, 0.5, 1.0))
        peer = random.choice(_PEERS)
        door, enter, leave = random.choice(doors)
        what = random.random()
        if what < 0.25:
            expected = door.expected(peer, room.retry_s)
            said = enter(peer)
            require(said == expected, "{}, not {}", said, expected)
            door.peers += [] if expected else [peer]
        elif what < 0.45 and door.peers:
            gone = door.peers.pop(random.randrange(len(door.peers)))
            leave(gone)
            if door is streams and gone not in streams.peers:
                away.remove(gone)
        elif what < 0.8:
            _Asking(random, admission, requests, costs, away).begin(peer, now_s)
        elif costs:
            gone, cost = costs.pop(random.randrange(len(costs)))
            requests.peers.remove(gone)
            admission.end(gone, cost)
        require(admission.streams == len(streams.peers), "{} streams", admission.streams)
        require(admission.requests == len(costs), "{} requests", admission.requests)
        held = sum(cost.bytes for _, cost in costs)
        require(admission.bytes == held, "{} bytes, not {}", admission.bytes, held)
        _check_remembered(admission, (streams, loads, requests))
        away.ahead_s("", now_s)
        admission._appointments.ahead_s("", now_s)
        count = len(admission._appointments)
        require(count == len(away.peers), "{} are expected back, not {}", count, away.peers)
    full = admission.too_many_of_one()
    why = "one device has 2 inferences at a time; ask again later"
    require(full == Busy(why, 0.0), "{} is said", full)


@dataclass
class _Asking:
    """Asks for inferences, and knows what is to be said."""

    random: Random
    admission: Admission
    requests: _Open
    costs: list[tuple[str, Cost]]
    away: _SentAway

    def begin(self, peer: str, now_s: float) -> None:
        """A peer asks for one.

        Raises:
            Violation: something else is said.
        """
        random, admission = self.random, self.admission
        load = Load(random.choice((0.0, *_HALVES)), random.choice((1, 2)), now_s)
        cost = Cost(random.choice(_HALVES[:4]), random.choice((0, 1, 5, 10, 20, 21)))
        left_s = random.choice((*_HALVES, math.inf))
        expected = self._expected(peer, cost, left_s, load)

        said = admission.begin(peer, cost, left_s=left_s, load=load)

        require(said == expected, "{}, not {}, for {} of {}", said, expected, cost, peer)
        if said is None:
            self.requests.peers.append(peer)
            self.costs.append((peer, cost))
            self.away.remove(peer)
        elif "of work" in said.reason and peer not in self.requests.peers:
            until_s = now_s + self.away.LATE * said.retry_after_s + self.away.LATER_S
            self.away.add(peer, until_s, cost.work_s / load.workers)

    def _expected(self, peer: str, cost: Cost, left_s: float, load: Load) -> Busy | None:
        room, costs, waits_s = self.admission.room, self.costs, load.backlog_s
        patience_s = max(room.wait_s, PATIENCE * cost.work_s)
        if peer not in self.requests.peers:
            patience_s = PATIENCE * patience_s
        longest_s = max(min(patience_s, left_s - cost.work_s), 0.0)
        if waits_s > longest_s / 2:
            waits_s += self.away.ahead_s(peer, load.now_s)
        if waits_s > longest_s:
            why = f"{waits_s:.2f} s of work are waiting here, longer than this request may wait"
            return Busy(why, max(waits_s - longest_s, load.backlog_s / 2))
        held = sum(other.bytes for _, other in costs)
        own = sum(other.bytes for name, other in costs if name == peer)
        if held and (held + cost.bytes > room.bytes or own + cost.bytes > room.bytes // 2):
            why = f"{cost.bytes} bytes are needed of {room.bytes} that inferences have here, too"
            return Busy(f"{why} few are free; ask again later", room.retry_s)
        return self.requests.expected(peer, room.retry_s)


def _check_remembered(admission: Admission, opened: tuple[_Open, ...]) -> None:
    """Nothing is remembered of whoever has nothing open."""
    places = (admission._streams, admission._loads, admission._requests)
    for kind, taken in zip(opened, places, strict=True):
        gone = taken.taken.keys() - set(kind.peers)
        require(not gone, "{} are remembered", gone)
    gone = admission._bytes.keys() - set(opened[-1].peers)
    require(not gone, "{} are remembered", gone)


def admit_as_usual() -> None:
    """What an edge server has room for where nothing else is said.

    Raises:
        Violation: it is more or less.
    """
    for most, of_one, enter in (
        (1024, 16, lambda admission, peer: admission.open_stream(peer)),
        (64, 8, lambda admission, peer: admission.begin_load(peer)),
        (
            256,
            16,
            lambda admission, peer: admission.begin(peer, Cost(), left_s=1.0, load=Load(0.0)),
        ),
    ):
        admission = Admission(Room())
        for number in range(most):
            peer = str(number // (of_one - 2))  # which might have others
            require(enter(admission, peer) is None, "no room for {}", number)
        require(enter(admission, "0") is not None, "room for more than {}", most)
        admission = Admission(Room())
        for number in range(of_one):
            require(enter(admission, "0") is None, "no room for {} of one device", number)
        require(enter(admission, "0") is not None, "room for more than {} of one device", of_one)
    admission = Admission(Room())
    require(admission.begin("a", Cost(bytes=1), left_s=9.0, load=Load(0.0)) is None, "no room")
    for size, backlog_s, retry_s in (
        (1 << 61, 0.0, 1.0),
        (1, 1.25, 0.625),
        ((1 << 61) - 1, 1.0, None),
    ):
        busy = admission.begin("a", Cost(bytes=size), left_s=9.0, load=Load(backlog_s))
        said_s = None if busy is None else busy.retry_after_s
        require(said_s == retry_s, "{} bytes and {} s: {}", size, backlog_s, busy)
    admission = Admission(Room())
    busy = admission.begin("a", Cost(), left_s=0.0, load=Load(0.5))
    require(busy is not None and busy.retry_after_s == 0.5, "no work takes something: {}", busy)
    require(admission.begin("a", Cost(), left_s=0.0, load=Load(0.0)) is None, "no room for nothing")
    require(admission.bytes == 0, "nothing has {} bytes", admission.bytes)
    require(Load(0.0).slowness == 1.0, "work waits for others where nobody says so")
    # One worker, now: what somebody brings who is to come back within 103 s takes 2 s.
    for now_s, there in ((102.5, True), (103.5, False)):
        admission = Admission(Room())
        away = admission.begin("a", Cost(2.0), left_s=math.inf, load=Load(100.0))
        require(away is not None and away.retry_after_s == 68.0, "{} is said", away)
        busy = admission.begin("b", Cost(), left_s=9.0, load=Load(3.0, 1, now_s))
        require((busy is not None) is there, "{} is said to another after {} s", busy, now_s)


def take_turns(random: Random, steps: int = 150) -> None:
    """Peers have some work wait, and workers take it up.

    Raises:
        Violation: another piece of it is next than that of whoever has waited longest, and every
            other time that of whoever has asked for least.
    """
    queue: FairQueue[int] = FairQueue()
    waiting: dict[str, list[int]] = {peer: [] for peer in _PEERS}
    since = dict.fromkeys(_PEERS, 0)
    """When a peer last had a turn, or came."""
    asked_s = dict.fromkeys(_PEERS, 0.0)
    """What it has asked for since it came."""
    turns = 0
    for number in range(1, steps):
        if random.random() < 0.55:
            peer = random.choice(_PEERS)
            if not waiting[peer]:
                since[peer], asked_s[peer] = number, 0.0
            work_s = random.choice(_HALVES)
            asked_s[peer] += work_s
            if random.random() < 0.8:
                waiting[peer].append(number)
                queue.put(peer, number, work_s)
            else:
                queue.want(peer, work_s)
        elif any(waiting.values()):
            turns += 1
            first = {peer: since[peer] for peer in _PEERS if waiting[peer]}
            least = {peer: (asked_s[peer], since[peer]) for peer in first}
            peer = min(first, key=lambda peer: least[peer] if turns % 2 else first[peer])
            expected = waiting[peer].pop(0)
            since[peer] = number
            item = queue.take()
            require(item == expected, "{} is next, not {}", item, expected)
        else:
            _fails(queue.take)
        require(len(queue) == sum(map(len, waiting.values())), "{} wait", len(queue))
        gone = [peer for peer in queue._waiting if not waiting[peer]]
        require(not gone, "{} are remembered", gone)


def _fails(take: Callable[[], int]) -> None:
    try:
        item = take()
    except LookupError:
        return
    raise Violation(f"{item} comes out of nothing")


def shelve(random: Random, steps: int = 150) -> None:
    """Things of different sizes are kept, used and let go.

    Raises:
        Violation: something else is kept than what was used last, or more than there is room for.
    """
    budget = random.choice((8, 12))
    shelf: Shelf[str, int] = Shelf(budget)
    room = budget
    kept: list[tuple[str, int, int]] = []
    """Keys, things and sizes; what was used last comes last."""
    for number in range(steps):
        key = random.choice(_PEERS)
        at = next((at for at, (other, *_) in enumerate(kept) if other == key), None)
        what = random.random()
        if what < 0.4:
            size = random.choice((0, 1, 3, 5, budget, budget + 1))
            kept = [one for one in kept if one[0] != key]
            if size <= room:
                kept = [*_cut(kept, room - size), (key, number, size)]
            said: object = shelf.put(key, number, size)
            expected: object = size <= room
        elif what < 0.7:
            said, expected = shelf.get(key), None if at is None else kept[at][1]
            kept += [kept.pop(at)] if at is not None else []
        elif what < 0.8:
            size = random.choice((0, 2, budget, budget + 1))
            kept = _cut(kept, room - size) if size <= room else kept
            said, expected = shelf.make_room(size), size <= room
        elif what < 0.85:
            lent = random.choice((0, 0, 1, 4, budget, budget + 1))
            room = max(budget - lent, 0)
            kept = _cut(kept, room)
            said = expected = shelf.lend(lent)  # type: ignore[func-returns-value]
        else:
            kept = [one for one in kept if one[0] != key]
            said = expected = shelf.drop(key)  # type: ignore[func-returns-value]
        require(said == expected and type(said) is type(expected), "{}, not {}", said, expected)
        require(list(shelf) == [key for key, *_ in kept], "{} are kept, not {}", list(shelf), kept)
        require(all(shelf[key] == item for key, item, _ in kept), "something else is kept")
        require(all((key in shelf) == (key in list(shelf)) for key in _PEERS), "is it there?")
        require(len(shelf) == len(kept), "{} are kept", len(shelf))
        held = sum(size for *_, size in kept)
        require(shelf.held_bytes == held, "{} bytes are held, not {}", shelf.held_bytes, held)
        require(held <= shelf.room_bytes == room, "{} bytes are too many for {}", held, room)
        require(shelf.budget_bytes == budget, "the budget is another one")


def _cut(kept: list[tuple[str, int, int]], most: int) -> list[tuple[str, int, int]]:
    """What is left when the oldest go until no more is held than there may be."""
    while sum(size for *_, size in kept) > most:
        kept = kept[1:]
    return kept
