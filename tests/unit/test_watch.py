"""When an edge server is used, and when it is tried again: events in, commands out."""

from __future__ import annotations

import pytest

from fusepath.protocol.watch import (
    Dial,
    Due,
    Failed,
    MakeReady,
    Pause,
    Reached,
    Ready,
    Served,
    ServedLate,
    State,
    UseAlone,
    UseTogether,
    Watch,
)

LONGEST = 0.0
"""What a random number is where nothing is taken off a pause."""


def told(watch, *events):
    """What is to be done for the last of some events."""
    commands = ()
    for event in events:
        commands = watch.handle(event)
    return list(commands)


def test_a_server_that_failed_is_tried_at_once_made_ready_and_used_again():
    watch = Watch(lambda: LONGEST)

    assert told(watch, Failed("it vanished")) == [UseAlone("it vanished"), Dial()]
    assert told(watch, Reached()) == [MakeReady()]
    assert told(watch, Ready()) == [UseTogether()]
    assert watch.state is State.USED


def test_pauses_double_up_to_the_longest():
    watch = Watch(lambda: LONGEST)
    told(watch, Failed("it vanished"))
    pauses = []
    for _ in range(8):
        (pause,) = told(watch, Failed("still"))
        pauses.append(pause.seconds)
        assert told(watch, Due()) == [Dial()]

    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]


def test_a_server_that_is_full_is_left_alone_for_as_long_as_it_asks():
    watch = Watch(lambda: LONGEST)

    assert told(watch, Failed("full", 3.0)) == [UseAlone("full"), Pause(3.0)]
    assert told(watch, Due()) == [Dial()]
    assert told(watch, Failed("still full", 2.0)) == [Pause(2.0)]
    assert told(watch, Due(), Reached(), Failed("vanished")) == [Pause(0.2)]


def test_devices_that_were_told_the_same_do_not_come_back_together():
    watch = Watch(lambda: 0.5)

    assert told(watch, Failed("full", 4.0))[1:] == [Pause(5.0)]


def test_a_random_part_up_to_half_is_taken_off_a_pause():
    watch = Watch(lambda: 0.5)

    assert told(watch, Failed("one"), Failed("two")) == [Pause(pytest.approx(0.075))]


def test_a_plan_that_cannot_be_made_ready_is_tried_later():
    watch = Watch(lambda: LONGEST)

    assert told(watch, Failed("one"), Reached(), Failed("no memory")) == [Pause(0.1)]


def test_a_server_that_soon_fails_again_is_tried_as_after_the_failures_before():
    watch = Watch(lambda: LONGEST)
    told(watch, Failed("one"), Reached(), Ready(), *[Served()] * 19)

    assert told(watch, Failed("two")) == [UseAlone("two"), Pause(0.1)]


def test_frames_that_go_well_make_it_as_good_as_new():
    watch = Watch(lambda: LONGEST)
    told(watch, Failed("one"), Reached(), Ready(), *[Served()] * 20)

    assert told(watch, Failed("two")) == [UseAlone("two"), Dial()]


@pytest.mark.parametrize(
    ("before", "late"),
    [
        ([], [Due(), Reached(), Ready()]),
        ([Failed("one")], [Served(), Due(), Ready()]),
        ([Failed("one"), Failed("two")], [Served(), Reached(), Ready(), Failed("late")]),
        ([Failed("one"), Reached()], [Served(), Due(), Reached()]),
    ],
)
def test_late_news_changes_nothing(before, late):
    watch = Watch(lambda: LONGEST)
    told(watch, *before)
    state = watch.state

    for event in late:
        assert told(watch, event) == []
    assert watch.state is state


def test_the_story_is_of_late_and_without_frames_that_went_well():
    watch = Watch(lambda: LONGEST)
    told(watch, Served(), Failed("one"), *[Due()] * 1000)

    assert len(watch.story) == 256
    assert set(watch.story) == {(Due(), ())}


def test_a_server_that_always_comes_late_is_given_up_and_one_that_does_at_times_is_not():
    watch = Watch(lambda: LONGEST, most_late=2)

    assert told(watch, ServedLate(), ServedLate(), Served(), ServedLate(), ServedLate()) == []
    reason = "its answers come late, one after the other"
    assert told(watch, ServedLate()) == [UseAlone(reason), Dial()]
    assert told(watch, ServedLate()) == []
    told(watch, Reached(), Ready())
    assert told(watch, ServedLate(), ServedLate()) == []
    (alone, pause) = told(watch, ServedLate())
    assert (alone, pause) == (UseAlone(reason), Pause(0.1))


def test_late_frames_do_not_make_a_server_as_good_as_new():
    watch = Watch(lambda: LONGEST, forgiven_after=2, most_late=99)
    told(watch, Failed("one"), Reached(), Ready(), ServedLate(), ServedLate(), Served())

    assert told(watch, Failed("two")) == [UseAlone("two"), Pause(0.1)]
