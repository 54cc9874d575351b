"""`Waits` alone: many ask a server for work, and what it says of how long that takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusepath.faults.clock import require
from fusepath.protocol.waits import Waits

if TYPE_CHECKING:
    from random import Random

    from fusepath.protocol.waits import Asked

HALVES_AFTER_S, NOTHING_S, MOST_PEERS = 2.0, 0.02, 4096


@dataclass
class _Told:
    """Another account: all that was done, from the beginning."""

    done: list[tuple[float, str, float, float]] = field(default_factory=list)
    """When, for whom, how long that took, and how long it had waited for others."""

    def others_s(self, peer: str, since: int) -> float:
        """What was done for others since so much had been done."""
        return sum(worked_s for _, other, worked_s, _ in self.done[since:] if other != peer)

    def slowness(self, now_s: float) -> float:
        """How many times longer work takes."""
        parts = [(0.5 ** ((now_s - at_s) / HALVES_AFTER_S), *rest) for at_s, _, *rest in self.done]
        worked_s = sum(part * worked_s for part, worked_s, _ in parts)
        waited_s = sum(part * waited_s for part, _, waited_s in parts)
        return 1 + waited_s / (worked_s + NOTHING_S)


def load(random: Random, steps: int = 60) -> None:
    """Some peers ask, workers take that up at any time, and nothing may happen for long.

    Raises:
        Violation: another slowness is told than what has happened says.
    """
    waits, told, now_s = Waits(), _Told(), 0.0
    under_way: list[tuple[Asked, str, float, int]] = []
    for _ in range(steps):
        now_s += random.choice((0.0, 0.01, 0.1, 1.0))
        if random.random() < 0.5 or not under_way:
            peer = random.choice("abc")
            under_way.append((waits.asked(peer, now_s), peer, now_s, len(told.done)))
        else:
            asked, peer, asked_s, since = under_way.pop(random.randrange(len(under_way)))
            begun_s = asked_s + random.random() * (now_s - asked_s)
            waits.done(asked, begun_s, now_s)
            waited_s = min(begun_s - asked_s, told.others_s(peer, since))
            told.done.append((now_s, peer, now_s - begun_s, waited_s))
        _compare(waits, told, now_s)
        now_s += random.choice((0.0, 0.5))
        _compare(waits, told, now_s)


def _compare(waits: Waits, told: _Told, now_s: float) -> None:
    said, expected = waits.slowness(now_s), told.slowness(now_s)
    require(abs(said / expected - 1) < 1e-9, "{} times longer, not {}", said, expected)


def load_of_very_many() -> None:
    """What was done for each is forgotten where there are too many, with what they wait for.

    Raises:
        Violation: it is remembered, or forgotten for fewer, or waits are made up.
    """
    for peers, forgotten in ((MOST_PEERS - 1, False), (MOST_PEERS, True)):
        waits = Waits()
        waits.done(waits.asked("b", 0.0), 0.0, 1.0)
        waiting = waits.asked("a", 1.0)
        later = waits.asked("a", 1.0)
        for number in range(peers - 3):
            waits.asked(str(number), 1.0)
        waits.done(waits.asked("b", 1.0), 1.0, 2.0)
        waits.done(waits.asked("c", 2.0), 2.0, 2.5)  # the last that there is room for
        worked_s = (1 + 0.5**0.5) * 0.5**0.25 + 0.5
        _say(waits, 2.5, worked_s=worked_s, waited_s=0.0)
        waits.done(waiting, 2.5, 3.0)
        worked_s = worked_s * 0.5**0.25 + 0.5
        waited_s = 0.0 if forgotten else 1.5
        _say(waits, 3.0, worked_s=worked_s, waited_s=waited_s)
        waits.done(waits.asked("b", 3.0), 3.0, 4.0)
        waits.done(later, 3.5, 4.0)
        worked_s = worked_s * 0.5**0.5 + 1.5
        waited_s = waited_s * 0.5**0.5 + (0.5 if forgotten else 2.5)
        _say(waits, 4.0, worked_s=worked_s, waited_s=waited_s)


def _say(waits: Waits, now_s: float, *, worked_s: float, waited_s: float) -> None:
    said, expected = waits.slowness(now_s), 1 + waited_s / (worked_s + NOTHING_S)
    require(abs(said / expected - 1) < 1e-9, "{} times longer, not {}", said, expected)
