"""Several frames in flight: every order, and faults in the machine that decides about them."""

from __future__ import annotations

import pytest

from fusepath.faults.clock import Violation
from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.in_flight import Deliver, Ended, InFlight, Offered, Taken, WhenFull
from tests.simulation.in_flight import explore_in_flight

SIZES = [(1, 0), (1, 1), (2, 0), (2, 1), (3, 1), (2, 2)]


def explore(most, waiting, when_full, frames=5):
    return explore_in_flight(InFlight(most, waiting, when_full), frames)


@pytest.mark.parametrize("when_full", WhenFull)
@pytest.mark.parametrize(("most", "waiting"), SIZES)
def test_every_frame_ends_once_and_in_order(most, waiting, when_full):
    if when_full is WhenFull.WAIT or waiting:
        assert explore(most, waiting, when_full) > 10


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda self: True, "too many are in flight"),
        (lambda self: not self._begun, "might begin"),
    ],
)
def test_a_machine_that_begins_too_many_or_too_few_is_noticed(monkeypatch, broken, words):
    monkeypatch.setattr(InFlight, "_may_begin", property(broken))

    with pytest.raises(Violation, match=words):
        explore(2, 1, WhenFull.LATEST)


def test_a_machine_that_delivers_what_ends_first_is_noticed(monkeypatch):
    def at_once(self, frame):
        if frame not in self._begun:
            raise ProtocolError(f"frame {frame} was not begun")
        self._begun.remove(frame)
        if self._stopped:
            return []
        self._delivered.add(frame)
        return [Deliver(frame)]

    monkeypatch.setattr(InFlight, "_take_end", at_once)

    with pytest.raises(Violation, match="one before it is left out"):
        explore(2, 1, WhenFull.WAIT)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([Offered(1)], "frame 1 was offered, but 0 is next"),
        ([Offered(0), Offered(1)], "no room"),
        ([Ended(0)], "was not under way"),
        ([Offered(0), Ended(0), Ended(0)], "was not under way"),
        ([Offered(0), Taken(0)], "not delivered"),
    ],
)
def test_what_cannot_have_happened_is_refused(events, words):
    machine = InFlight(1, 0, WhenFull.WAIT)
    for event in events[:-1]:
        machine.handle(event)

    with pytest.raises(ProtocolError, match=words):
        machine.handle(events[-1])
