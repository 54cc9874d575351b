"""Who gets in where many ask, and who is served next."""

from __future__ import annotations

import pytest

from fusepath.protocol.admission import Admission, Busy, Cost, Load, Room
from fusepath.protocol.fair_queue import FairQueue
from fusepath.protocol.shelf import Shelf
from tests.simulation.closed_loops import ClosedLoops

ROOM = Room(streams=3, streams_of_one=2, requests=3, requests_of_one=2, loads=2, loads_of_one=1)


def begun(admission: Admission, *peers: str) -> list[bool]:
    """Whether each of some requests gets in."""
    return [
        admission.begin(peer, Cost(0.01, 10), left_s=60.0, load=Load(0.0)) is None for peer in peers
    ]


def test_one_device_has_so_many_requests_and_others_have_theirs():
    admission = Admission(ROOM)

    assert begun(admission, "a", "a", "a", "b") == [True, True, False, True]
    admission.end("a", Cost(0.01, 10))
    assert begun(admission, "a", "a") == [True, False]


def test_where_all_places_are_taken_who_has_none_still_gets_one():
    admission = Admission(ROOM)

    assert begun(admission, "a", "a", "b") == [True] * 3
    assert begun(admission, "b", "c", "c", "d") == [False, True, False, True]
    assert admission.requests == 5
    for peer in ("a", "a", "b", "c", "d"):
        admission.end(peer, Cost(0.01, 10))
    assert admission.requests == admission.bytes == 0
    assert begun(admission, "c", "c") == [True, True]


def test_streams_and_preparations_have_places_of_their_own():
    admission = Admission(ROOM)

    for take, leave, peers in (
        (admission.open_stream, admission.close_stream, "aab"),
        (admission.begin_load, admission.end_load, "ab"),
    ):
        assert [take(peer) for peer in peers] == [None] * len(peers)
        (busy,) = {take("c")}
        assert isinstance(busy, Busy)
        assert busy.retry_after_s > 0
        leave("a")
        assert take("c") is None
    assert begun(admission, "a") == [True]


@pytest.mark.parametrize(
    ("peer", "work_s", "left_s", "backlog_s", "gets_in"),
    [
        ("busy", 0.1, 60.0, 0.0, True),
        ("busy", 0.1, 60.0, 1.0, True),
        ("busy", 0.1, 60.0, 1.01, False),  # longer than anything may wait
        ("busy", 1.0, 60.0, 4.0, True),  # what is long itself may wait for longer
        ("busy", 1.0, 60.0, 4.01, False),
        ("idle", 0.1, 60.0, 4.0, True),  # and so may the only one of a device
        ("idle", 0.1, 60.0, 4.01, False),
        ("idle", 0.1, 0.5, 0.4, True),
        ("idle", 0.1, 0.5, 0.5, False),  # it would be too late
        ("idle", 0.1, 0.05, 0.0, True),  # which is for the device to know
    ],
)
def test_what_would_wait_too_long_is_refused_at_once(peer, work_s, left_s, backlog_s, gets_in):
    admission = Admission(Room(wait_s=1.0))
    assert begun(admission, "busy") == [True]

    busy = admission.begin(peer, Cost(work_s), left_s=left_s, load=Load(backlog_s))

    assert (busy is None) is gets_in
    if busy is not None:
        assert 0 < busy.retry_after_s <= backlog_s
        assert admission.requests == 1


@pytest.mark.parametrize(("devices", "work_s"), [(64, 0.015), (64, 0.07), (64, 0.1), (200, 0.1)])
def test_devices_in_closed_loops_share_a_worker_however_many_there_are(devices, work_s):
    loops = ClosedLoops(devices, work_s)

    loops.play()

    assert loops.slowest >= 0.8
    assert loops.busy >= 0.99


def test_devices_that_were_sent_away_and_do_not_come_back_leave_no_worker_idle():
    loops = ClosedLoops(100, 0.1)

    loops.play(gone=50)

    assert loops.refused
    assert loops.slowest >= 0.8
    assert loops.busy >= 0.99


@pytest.mark.parametrize(
    ("backlog_s", "now_s", "gets_in"),
    [
        (7.6, 1.0, False),  # behind half a second of who was sent away
        (7.5, 1.0, True),
        (4.0, 1.0, True),
        (7.6, 8.4, False),
        (7.6, 8.5, True),  # who is that late is not expected any more
    ],
)
def test_who_was_sent_away_comes_before_who_was_not(backlog_s, now_s, gets_in):
    admission = Admission(Room(wait_s=1.0))

    def asks(peer: str, backlog_s: float, now_s: float) -> Busy | None:
        return admission.begin(peer, Cost(0.5), left_s=60.0, load=Load(backlog_s, 1, now_s))

    away = asks("first", 10.0, 0.0)
    assert away is not None
    assert away.retry_after_s == 5.0

    assert (asks("other", backlog_s, now_s) is None) is gets_in
    assert asks("first", backlog_s, now_s) is None


def test_while_others_are_waited_for_workers_have_work():
    admission = Admission(Room(wait_s=1.0))
    for peer in "abcdefghijklm":
        busy = admission.begin(peer, Cost(0.5), left_s=60.0, load=Load(10.0))
        assert busy is not None

    assert admission.begin("z", Cost(0.5), left_s=60.0, load=Load(4.1)) is not None
    assert admission.begin("z", Cost(0.5), left_s=60.0, load=Load(4.0)) is None


def test_peers_take_turns_and_each_keeps_its_order():
    queue = FairQueue()
    for number in range(4):
        queue.put("greedy", number, 0.0)
    queue.put("modest", 10, 0.0)
    queue.put("modest", 11, 0.0)

    assert len(queue) == 6
    first = [queue.take() for _ in range(3)]
    queue.put("late", 20, 0.0)

    assert first == [0, 10, 1]
    assert [queue.take() for _ in range(4)] == [11, 2, 20, 3]
    with pytest.raises(LookupError):
        queue.take()


def test_who_asks_for_little_at_a_time_waits_for_one_turn_of_who_asks_for_much():
    queue = FairQueue()
    for number in range(12):
        queue.put("greedy", number, 1.0)
    queue.put("other", 20, 2.0)
    taken = []
    for number in range(30, 34):
        queue.put("modest", number, 1.0)
        taken += [queue.take(), queue.take()]

    assert [item for item in taken if item < 20] == [0, 1, 2]  # half of the turns
    assert taken[::2] == [30, 31, 32, 33]
    assert 20 in taken


def test_the_last_of_much_is_no_more_urgent_than_the_first():
    queue = FairQueue()
    for number in range(2):
        queue.put("greedy", number, 1.0)
    queue.put("refused", 10, 1.0)
    queue.want("refused", 1.0)
    queue.want("modest", 9.0)  # of which nothing waits: it asks for little at a time

    taken = [queue.take(), queue.take()]
    queue.put("modest", 20, 1.0)

    assert taken == [0, 10]
    assert [queue.take(), queue.take()] == [20, 1]


def test_of_peers_with_as_little_the_one_that_has_waited_longest_is_next():
    queue = FairQueue()
    for peer in "abc":
        queue.put(peer, peer, 1.0)

    assert [queue.take() for _ in range(3)] == ["a", "b", "c"]


def test_requests_have_so_many_bytes_and_one_device_half_of_them():
    admission = Admission(Room(bytes=100))

    def gets_in(peer: str, size_bytes: int) -> bool:
        cost = Cost(bytes=size_bytes)
        return admission.begin(peer, cost, left_s=60.0, load=Load(0.0)) is None

    assert [gets_in("a", 40), gets_in("a", 11), gets_in("a", 10)] == [True, False, True]
    assert [gets_in("b", 30), gets_in("c", 21), gets_in("c", 20)] == [True, False, True]
    assert (admission.bytes, admission.requests) == (100, 4)
    admission.end("b", Cost(bytes=30))
    assert [gets_in("b", 51), gets_in("b", 30)] == [False, True]
    assert Admission(Room(bytes=100)).begin("a", Cost(bytes=999), left_s=9, load=Load(0)) is None


def test_what_was_not_used_for_longest_goes_first_and_no_more_than_must():
    shelf = Shelf(100)
    for name, size in (("a", 40), ("b", 30), ("c", 30)):
        assert shelf.put(name, name.upper(), size)

    assert shelf.get("a") == "A"
    assert shelf.put("d", "D", 20)
    assert [shelf.get(name) for name in "abcd"] == ["A", None, "C", "D"]
    assert shelf.held_bytes == 90


def test_what_does_not_fit_is_not_kept_and_drives_nothing_out():
    shelf = Shelf(100)
    shelf.put("a", "A", 60)

    assert not shelf.make_room(101)
    assert not shelf.put("b", "B", 101)
    assert (len(shelf), shelf.held_bytes) == (1, 60)
    assert shelf.put("a", "anew", 100)
    assert (shelf.get("a"), shelf.held_bytes) == ("anew", 100)
