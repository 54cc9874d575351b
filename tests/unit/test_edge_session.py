"""What an edge server decides for one inference: events in, commands out, nothing else."""

from __future__ import annotations

import pytest

from fusepath.protocol.conversation import (
    Compute,
    ComputeTail,
    EdgeSession,
    ProtocolError,
    SendPart,
    SendResult,
)


def test_the_edge_server_takes_up_a_path_as_soon_as_it_arrives():
    session = EdgeSession(2)

    assert session.arrived(1) == [Compute(1)]
    assert session.computed(1) == []
    assert session.arrived(0) == [Compute(0)]
    assert session.computed(0) == [ComputeTail()]
    assert session.tail_computed() == [SendResult()]


def test_the_tail_waits_for_the_last_path_whichever_it_is():
    session = EdgeSession(3)
    for path in (2, 0, 1):
        session.arrived(path)

    assert session.computed(1) == []
    assert session.computed(2) == []
    assert session.computed(0) == [ComputeTail()]


def test_a_part_returns_as_soon_as_its_strip_is_computed():
    session = EdgeSession(3, {1: 0, 2: 1}, returning={1, 2})
    for path in range(3):
        assert session.arrived(path) == [Compute(path)]

    assert session.computed(0) == []
    assert session.computed(1) == [SendPart(1)]
    assert session.computed(2) == [SendPart(2), SendResult()]


def test_strips_are_started_in_their_order_however_they_arrive():
    session = EdgeSession(4, {1: 0, 2: 1, 3: 2})

    assert session.arrived(1) == []
    assert session.arrived(3) == []
    assert session.arrived(0) == [Compute(0), Compute(1)]
    assert session.arrived(2) == [Compute(2), Compute(3)]


def test_a_strip_that_waits_for_another_cannot_have_been_computed():
    session = EdgeSession(2, {1: 0})
    session.arrived(1)

    with pytest.raises(ProtocolError, match="path 2 was computed without being sent"):
        session.computed(1)


def test_nothing_to_return_is_an_end_as_well():
    session = EdgeSession(1, returning=())
    session.arrived(0)

    assert session.computed(0) == [SendResult()]


def test_without_overlap_parts_return_when_all_paths_are_computed():
    session = EdgeSession(3, returning={0, 2}, overlaps=False)
    for path in range(3):
        session.arrived(path)

    assert session.computed(2) == []
    assert session.computed(0) == []
    assert session.computed(1) == [SendPart(0), SendPart(2), SendResult()]


@pytest.mark.parametrize("path", [-1, 2, 10**9])
def test_a_path_that_the_plan_does_not_have_is_refused(path):
    with pytest.raises(ProtocolError, match=f"there is no path {path + 1}; the plan has 2"):
        EdgeSession(2).arrived(path)


def test_a_path_does_not_come_twice():
    session = EdgeSession(2)
    session.arrived(0)

    with pytest.raises(ProtocolError, match="path 1 was sent twice"):
        session.arrived(0)
    session.computed(0)
    with pytest.raises(ProtocolError, match="path 1 was sent twice"):
        session.arrived(0)


def test_a_path_is_not_done_twice_nor_before_it_came():
    session = EdgeSession(2)

    with pytest.raises(ProtocolError, match="path 1 was computed without being sent"):
        session.computed(0)
    session.arrived(0)
    session.computed(0)
    with pytest.raises(ProtocolError, match="path 1"):
        session.computed(0)


def test_a_refused_event_changes_nothing():
    session = EdgeSession(2)
    session.arrived(0)
    for refused in (0, 2, -1):
        with pytest.raises(ProtocolError):
            session.arrived(refused)

    assert session.arrived(1) == [Compute(1)]
    assert session.computed(0) == []
    assert session.computed(1) == [ComputeTail()]


def test_without_overlap_no_path_starts_before_all_have_arrived():
    session = EdgeSession(3, overlaps=False)

    assert session.arrived(2) == []
    assert session.arrived(0) == []
    assert session.arrived(1) == [Compute(0), Compute(1), Compute(2)]
    assert session.computed(0) == []
    assert session.computed(1) == []
    assert session.computed(2) == [ComputeTail()]


def test_without_overlap_a_strip_still_starts_after_the_strip_before_it():
    session = EdgeSession(3, {1: 0}, overlaps=False)
    session.arrived(0)
    session.arrived(1)

    assert session.arrived(2) == [Compute(0), Compute(1), Compute(2)]
    assert session.computed(0) == []
    assert session.computed(2) == []
    assert session.computed(1) == [ComputeTail()]
