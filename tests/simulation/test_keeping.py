"""What is kept of frames before is that of the very pieces, whatever is lost."""

from __future__ import annotations

import pytest

from fusepath.faults.clock import Violation
from fusepath.protocol.conversation import EdgeSession, ProtocolError, SendPart, SendResult
from fusepath.protocol.keeping import DeviceKept, EdgeKept, Place
from tests.simulation.keeping import Counted, Play


def play(seeds: int = 60) -> list[Counted]:
    return [Play(seed).run(400) for seed in range(seeds)]


def test_no_share_is_ever_taken_for_another():
    total = play()

    for what in ("nothing_new", "reused", "forgotten", "failed", "not_kept"):
        assert sum(getattr(counted, what) for counted in total) > 60, what


def test_a_device_that_refers_to_what_was_not_answered_is_found(monkeypatch):
    """Faults in the machines show in the play."""
    monkeypatch.setattr(DeviceKept, "failed", DeviceKept.answered)
    with pytest.raises((Violation, KeyError)):
        play()


def test_an_edge_server_that_looks_at_no_number_is_found(monkeypatch):
    def find(self, wanted):
        if any(place not in self._kept for place in wanted):
            return None
        return {place.path: self._kept[place].share for place in wanted}

    monkeypatch.setattr(EdgeKept, "find", find)
    monkeypatch.setattr(DeviceKept, "failed", lambda self, request: self.answered(request))
    with pytest.raises((Violation, KeyError)):
        play()


def test_the_least_recently_used_goes_first_and_later_requests_win():
    kept = EdgeKept(30)
    places = [Place("stream", "plan", path) for path in range(4)]
    for number, place in enumerate(places[:3], 1):
        kept.keep(place, number, f"share {number}", 10)
    assert kept.find({places[0]: 1}) == {0: "share 1"}
    kept.keep(places[3], 4, "share 4", 10)
    assert kept.find({places[1]: 2}) is None
    assert kept.find({places[0]: 1, places[2]: 3, places[3]: 4}) is not None
    kept.keep(places[0], 9, "later", 10)
    kept.keep(places[0], 8, "earlier, but slow", 10)
    assert kept.find({places[0]: 9}) == {0: "later"}
    assert kept.find({places[0]: 1}) is None
    kept.keep(places[2], 10, "too large", 31)
    assert kept.find({places[2]: 10}) is None
    assert kept.held_bytes == 20
    kept.end("stream")
    assert kept.held_bytes == 0


def test_paths_that_are_reused_do_not_come_and_return_nothing():
    session = EdgeSession(3, returning={0, 1, 2}, overlaps=False, reused={1})
    assert session.arrived(0) == []
    assert [command.path for command in session.arrived(2)] == [0, 2]
    assert session.computed(2) == []
    assert session.computed(0) == [SendPart(0), SendPart(2), SendResult()]
    for reused, predecessors in (({3}, {}), ({-1}, {}), ({1}, {1: 0})):
        with pytest.raises(ProtocolError, match="is reused, which the plan does not allow"):
            EdgeSession(3, predecessors, reused=reused)
    with pytest.raises(ProtocolError, match="sent twice"):
        EdgeSession(3, reused={1}).arrived(1)


def test_frames_that_overlap_come_to_refer_to_the_first_that_had_it():
    known = DeviceKept()
    paths = range(2)
    assert known.begin("s", 1, paths, []).new == [0, 1]
    later = known.begin("s", 2, paths, [0, 1])
    assert (later.reused, list(later.new)) == ({}, [])
    known.answered(1)
    assert known.newest_is_answered
    third = known.begin("s", 3, paths, [0])
    assert (third.reused, list(third.new)) == ({0: 1}, [1])
    assert not known.newest_is_answered
    known.failed(3)
    assert known.begin("s", 4, paths, [0, 1]).reused == {0: 1}
    assert known.begin("another", 5, paths, [0, 1]).reused == {}


def test_nothing_is_kept_while_nothing_stays_the_same():
    known = DeviceKept()
    paths = range(2)
    for number in range(1, 4):
        assert known.begin("s", number, paths, []).new == [0, 1]
        known.answered(number)
    for number in (4, 5):
        assert known.begin("s", number, paths, []) == ({}, [])
        known.answered(number)
        assert not known.newest_is_answered
    first = known.begin("s", 6, paths, [1])
    assert (first.reused, first.new) == ({}, [0, 1])
    known.answered(6)
    assert known.begin("s", 7, paths, [1]).reused == {1: 6}
