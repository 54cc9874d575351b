"""What a device decides for one inference: events in, commands out, nothing else."""

from __future__ import annotations

import pytest

from fusepath.protocol.conversation import Compute, ProtocolError, Send
from fusepath.protocol.device_frame import (
    Answered,
    Arm,
    ArmHedge,
    Begun,
    ComputeAlone,
    Computed,
    Deliver,
    DeliverAlone,
    DeviceFrame,
    DoneAlone,
    Fail,
    Fallback,
    GiveUp,
    Late,
    Lost,
    Overdue,
    PartReturned,
    Sent,
    Stage,
    StopComputing,
)
from fusepath.protocol.finishing import Assemble, Continue, Continued, Remainder

PATIENCE_S = 0.5
WAIT = Arm(PATIENCE_S)


def told(frame, *events):
    """What is to be done for the last of some events."""
    commands = ()
    for event in events:
        commands = frame.handle(event)
    return list(commands)


def waiting(**options):
    """A frame of two paths that waits for the answer."""
    frame = DeviceFrame((0, 1), patience_s=PATIENCE_S, **options)
    told(frame, Begun(), Computed(0), Computed(1), Sent(0), Sent(1))
    return frame


def test_the_device_computes_on_while_paths_are_sent():
    frame = DeviceFrame((2, 0, 1))

    assert told(frame, Begun()) == [Compute(2), Compute(0), Compute(1)]
    assert told(frame, Computed(2)) == [Send(2)]
    assert told(frame, Sent(2)) == []
    assert told(frame, Computed(0)) == [Send(0)]
    assert told(frame, Computed(1)) == [Send(1)]
    assert told(frame, Sent(0)) == []
    assert told(frame, Sent(1)) == []
    assert told(frame, Answered([0, 1, 2])) == [Deliver()]
    assert frame.has_ended


def test_without_overlap_nothing_is_sent_before_everything_is_computed():
    frame = DeviceFrame((2, 0, 1), overlaps=False)

    assert told(frame, Begun(), Computed(2)) == []
    assert told(frame, Computed(0)) == []
    with pytest.raises(ProtocolError, match="path 3 was sent out of order"):
        frame.handle(Sent(2))
    assert told(frame, Computed(1)) == [Send(2), Send(0), Send(1)]
    assert told(frame, Sent(2), Sent(0), Sent(1)) == []


@pytest.mark.parametrize(
    ("before", "event", "words"),
    [
        ([], Computed(0), "path 1 was computed out of order"),
        ([], Sent(1), "path 2 was sent out of order"),
        ([Computed(1), Computed(0)], Sent(0), "path 1 was sent out of order"),
        ([Computed(1)], Computed(1), "path 2 was computed out of order"),
        ([Computed(1), Sent(1)], Sent(1), "path 2 was sent out of order"),
        ([], DoneAlone(), "nobody asked the device to compute alone"),
    ],
)
def test_what_cannot_have_happened_is_refused_and_changes_nothing(before, event, words):
    frame = DeviceFrame((1, 0))
    told(frame, Begun(), *before)
    story = list(frame.story)

    with pytest.raises(ProtocolError, match=words):
        frame.handle(event)
    assert frame.story == story


def test_once_all_is_computed_every_sign_of_progress_is_waited_for_anew():
    frame = DeviceFrame((0, 1), patience_s=PATIENCE_S, returning={0})

    assert told(frame, Begun(), Computed(0), Sent(0)) == []
    assert told(frame, Computed(1)) == [Send(1), WAIT]
    assert told(frame, Sent(1)) == [WAIT]
    assert told(frame, PartReturned(0)) == [WAIT]
    assert told(frame, Answered([0, 1])) == [Deliver()]


def test_a_late_answer_and_the_own_one_race_and_the_own_one_may_win():
    frame = waiting()

    assert told(frame, Overdue()) == [ComputeAlone()]
    fallback = Fallback("no answer in time", Stage.WAITING)
    assert told(frame, DoneAlone()) == [GiveUp(), DeliverAlone(fallback)]
    assert told(frame, Answered([0, 1])) == []


def test_a_late_answer_counts_if_it_is_there_first():
    frame = waiting()
    told(frame, Overdue())

    assert told(frame, Answered([0, 1])) == [StopComputing(), Deliver()]
    assert told(frame, DoneAlone()) == []


def test_a_lost_conversation_has_the_device_compute_alone_at_once():
    frame = DeviceFrame((0, 1), patience_s=PATIENCE_S)
    told(frame, Begun(), Computed(0))

    assert told(frame, Lost("it vanished")) == [StopComputing(), ComputeAlone()]
    assert told(frame, Computed(1)) == []
    assert told(frame, Sent(0)) == []
    assert told(frame, Lost("again")) == []
    fallback = Fallback("it vanished", Stage.SENDING)
    assert told(frame, DoneAlone()) == [DeliverAlone(fallback)]


def test_how_long_a_server_asks_to_be_left_alone_is_handed_on():
    frame = DeviceFrame((0,), patience_s=PATIENCE_S)

    told(frame, Begun(), Computed(0), Sent(0), Lost("no room", 2.5))

    fallback = Fallback("no room", Stage.WAITING, 2.5)
    assert told(frame, DoneAlone()) == [DeliverAlone(fallback)]


def test_a_conversation_lost_in_the_race_leaves_the_device_as_it_is():
    frame = waiting(returning={0, 1})
    told(frame, PartReturned(1), Overdue())

    assert told(frame, Lost("it vanished")) == []
    fallback = Fallback("no answer in time", Stage.RETURNING)
    assert told(frame, DoneAlone()) == [DeliverAlone(fallback)]


def test_a_device_that_cannot_compute_alone_waits_and_fails():
    frame = DeviceFrame((0,))

    assert told(frame, Begun(), Computed(0)) == [Send(0)]
    assert told(frame, Lost("it vanished")) == [StopComputing(), Fail("it vanished")]
    assert frame.has_ended


@pytest.mark.parametrize(
    ("before", "event", "words"),
    [
        ([], PartReturned(1), "a part for path 2, which returns none"),
        ([], PartReturned(77), "a part for path 78, which returns none"),
        ([], PartReturned(0), "the part of path 1 without having had that path"),
        ([Computed(0), PartReturned(0)], PartReturned(0), "the part of path 1 twice"),
        ([Computed(0), Computed(1)], PartReturned(2), "the part of path 3 without having had"),
        ([Computed(0), Computed(1), Computed(2)], Answered([0, 1, 2]), "having had every path"),
        ([Computed(0)], Answered([0]), "without having had every path"),
        ([Computed(0)], Answered([0, 8]), "path 9, a path that the plan does not have"),
    ],
)
def test_an_answer_that_the_plan_does_not_call_for_is_refused(before, event, words):
    frame = DeviceFrame((0, 1, 2), returning={0, 2})
    told(frame, Begun(), *before)

    with pytest.raises(ProtocolError, match=words):
        frame.handle(event)


def test_a_result_without_its_parts_is_refused():
    frame = waiting(returning={1})

    with pytest.raises(ProtocolError, match="a result without the part of path 2"):
        frame.handle(Answered([0, 1]))
    told(frame, PartReturned(1))
    for served in ([0], [0, 1, 1]):
        with pytest.raises(ProtocolError, match="without having had every path"):
            frame.handle(Answered(served))
    assert told(frame, Answered([1, 0])) == [Deliver()]


def test_an_answer_may_be_quicker_than_the_news_that_all_was_sent():
    frame = DeviceFrame((0, 1), returning={1})
    told(frame, Begun(), Computed(0), Computed(1), Sent(0), PartReturned(1))

    assert told(frame, Answered([0, 1])) == [Deliver()]
    assert told(frame, Sent(1)) == []


def test_the_story_tells_what_led_to_what():
    frame = DeviceFrame((0,), patience_s=PATIENCE_S)
    told(frame, Begun(), Lost("it vanished"))

    assert frame.story == [
        (Begun(), (Compute(0),)),
        (Lost("it vanished"), (StopComputing(), ComputeAlone())),
    ]


def remainder(paths=3, **changes):
    """To its cut a path takes 1 s, from there 2 s, the tail 1 s and the whole network 9 s."""
    costs = {"to_cut_s": [1.0] * paths, "from_cut_s": [2.0] * paths, "tail_s": 1.0, "whole_s": 9.0}
    return Remainder(**(costs | changes))


def finishing(*, returning=(), **changes):
    """A frame of three paths that waits for the answer, and may be finished."""
    frame = DeviceFrame(
        (2, 0, 1), patience_s=PATIENCE_S, returning=returning, remainder=remainder(**changes)
    )
    told(frame, Begun(), Computed(2), Computed(0), Computed(1), Sent(2), Sent(0), Sent(1))
    return frame


def test_a_frame_is_finished_path_by_path_from_what_there_is():
    frame = finishing()

    assert told(frame, Lost("it vanished")) == [Continue(2)]
    with pytest.raises(ProtocolError, match="path 1 was taken on, which nobody asked for"):
        frame.handle(Continued(0))
    with pytest.raises(ProtocolError, match="nobody asked the device to compute alone"):
        frame.handle(DoneAlone())
    assert told(frame, Continued(2)) == [Continue(0)]
    assert told(frame, Continued(0)) == [Continue(1)]
    assert told(frame, Continued(1)) == [Assemble()]
    assert told(frame, DoneAlone()) == [DeliverAlone(Fallback("it vanished", Stage.WAITING))]


def test_paths_that_are_on_their_way_come_to_their_cuts_first():
    frame = DeviceFrame((0, 1, 2), patience_s=PATIENCE_S, remainder=remainder(whole_s=9.5))
    told(frame, Begun(), Computed(0))

    assert told(frame, Lost("it vanished")) == []
    assert told(frame, Computed(1)) == []
    assert told(frame, Computed(2)) == [Continue(0)]


@pytest.mark.parametrize(("whole_s", "finishes"), [(7.01, True), (7.0, False), (1.0, False)])
def test_what_is_less_work_is_done(whole_s, finishes):
    frame = finishing(whole_s=whole_s)

    assert told(frame, Overdue()) == [Continue(2) if finishes else ComputeAlone()]


def test_paths_that_are_yet_to_come_to_their_cuts_count():
    """But for the one that has begun, which the whole network would have to wait for as well."""
    for whole_s, commands in ((8.5, []), (8.0, [StopComputing(), ComputeAlone()])):
        frame = DeviceFrame((0, 1, 2), patience_s=PATIENCE_S, remainder=remainder(whole_s=whole_s))
        told(frame, Begun(), Computed(0))

        assert told(frame, Lost("it vanished")) == commands


def test_what_returns_in_the_race_need_not_be_taken_on():
    frame = finishing(returning={0, 1, 2})

    assert told(frame, PartReturned(2), Overdue()) == [Continue(0)]
    assert told(frame, PartReturned(1)) == []
    assert told(frame, Continued(0)) == [Assemble()]
    fallback = Fallback("no answer in time", Stage.RETURNING)
    assert told(frame, DoneAlone()) == [GiveUp(), DeliverAlone(fallback)]


def test_paths_that_return_nothing_are_taken_on_only_for_those_that_read_them():
    frame = finishing(returning={0}, predecessors={0: 2})

    assert told(frame, Overdue()) == [Continue(2)]
    assert told(frame, Continued(2)) == [Continue(0)]
    assert told(frame, Continued(0)) == [Assemble()]


def test_an_answer_in_the_race_ends_finishing():
    frame = finishing()

    assert told(frame, Overdue(), Answered([0, 1, 2])) == [StopComputing(), Deliver()]
    assert told(frame, Continued(2)) == []


def test_an_answer_later_than_the_own_one_is_not_waited_for_though_things_happen():
    frame = DeviceFrame((0, 1), patience_s=PATIENCE_S, hedge_s=0.7)

    assert told(frame, Begun(), Computed(0)) == [Send(0)]
    assert told(frame, Computed(1)) == [Send(1), WAIT, ArmHedge(0.7)]
    assert not frame.was_late
    assert told(frame, Sent(0), Sent(1)) == [WAIT]
    assert told(frame, Late()) == [ComputeAlone()]
    assert frame.was_late
    assert told(frame, Overdue()) == []
    assert told(frame, Answered([0, 1])) == [StopComputing(), Deliver()]
