"""What a device decides for one inference: events in, commands out, nothing else."""

from __future__ import annotations

import pytest

from fusepath.protocol.conversation import Compute, ProtocolError, Send
from fusepath.protocol.device_frame import (
    Answered,
    Arm,
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
    Lost,
    Overdue,
    PartReturned,
    Sent,
    Stage,
    StopComputing,
)

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
