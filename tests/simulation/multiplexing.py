"""Both ends of a stream alone: requests that begin, end and are given up, in any order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fusepath.faults.clock import Violation, require
from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.requests import DeviceRequests, EdgeRequests

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

MOST = 3


def multiplex(random: Random, steps: int = 200) -> None:
    """More requests than there is room for, on one stream, each with late messages.

    Raises:
        Violation: a message was taken for another request, or one that could be was refused.
    """
    device, edge = DeviceRequests(), EdgeRequests(MOST)
    up: deque[tuple[str, int]] = deque()
    down: deque[tuple[str, int]] = deque()
    waiting: set[int] = set()
    """What the device waits for, and below what the edge server is at work on."""
    working: set[int] = set()
    made = begun = 0
    for _ in range(steps):
        what = random.randrange(6)
        if what == 0:
            made += 1
            require(device.begin() == made, "requests are not counted")
            waiting.add(made)
            up += [("begin", made), ("piece", made)]
        elif what == 1 and waiting:
            number = random.choice(sorted(waiting))
            waiting.remove(number)
            device.end(number)
            up.append(("give up", number))
        elif what == 2 and working:
            number = random.choice(sorted(working))
            last = random.random() < 0.5
            down.append(("result" if last else "part", number))
            if last:
                working.remove(number)
                edge.end(number)
        elif what == 3 and down:
            kind, number = down.popleft()
            require(device.waits(number) == (number in waiting), "{} {} is late?", kind, number)
            if kind != "part":
                waiting.discard(number)
                device.end(number)
        elif up:
            kind, number = up.popleft()
            if kind == "begin":
                require(edge.is_new(number), "request {} is not new", number)
                room = edge.begin(number)
                begun = number
                require(room == (len(working) < MOST), "room for {}: {}", number, room)
                working |= {number} if room else set()
                down += [] if room else [("refused", number)]
            else:
                require(edge.serves(number) == (number in working), "{} {} is late?", kind, number)
                if kind == "give up":
                    working.discard(number)
                    edge.end(number)
        for number in (0, -1, made + 1):
            _refused(lambda number=number: device.waits(number))
        for number in (0, -1, begun + 1):
            _refused(lambda number=number: edge.serves(number))
        for number in (begun, begun - 1, 0):
            require(not edge.is_new(number), "request {} is new", number)
            _refused(lambda number=number: edge.begin(number))


def _refused(say: Callable[[], object]) -> None:
    try:
        say()
    except ProtocolError:
        return
    raise Violation("what cannot be is taken")
