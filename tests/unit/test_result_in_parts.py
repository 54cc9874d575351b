"""Results in parts: when they are on the way back, and the checker that finds what is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fusepath.schedule import PathTimes, Problem, Schedule, evaluate, play, violations
from fusepath.timeline import Lane

THREE_STRIPS = Problem(
    class_of=(0, 1, 2),
    device_ns=np.array([[0], [10], [30]]),
    link_ns=np.array([[10], [10], [0]]),
    edge_ns=np.array([[5], [5], [0]]),
    back_ns=np.array([[20], [20], [0]]),
    down_ns=2,
    delay_ns=2,
)
"""The first is sent raw, the second computed by both, the third stays on the device."""


def schedule_of(problem: Problem) -> Schedule:
    return evaluate(problem, range(problem.paths), [1] * problem.paths)


def test_parts_follow_each_other_on_the_way_back_while_others_are_computed():
    schedule = schedule_of(THREE_STRIPS)

    assert [item.edge for item in schedule.paths] == [(12, 17), (22, 27), (42, 42)]
    assert [item.back for item in schedule.paths] == [(17, 37), (37, 57), (57, 57)]
    assert schedule.tail == (42, 42)
    assert schedule.down == (57, 59)
    assert schedule.makespan_ns == 59


def test_the_end_waits_for_paths_that_return_nothing():
    slow = replace(THREE_STRIPS, device_ns=np.array([[0], [10], [80]]))

    assert schedule_of(slow).down == (92, 94)


def test_one_result_of_the_same_size_comes_later():
    whole = replace(THREE_STRIPS, back_ns=None, down_ns=42)

    assert schedule_of(whole).makespan_ns == 84


def test_what_never_leaves_the_device_waits_for_no_way_back():
    alone = replace(
        THREE_STRIPS, **{name: np.zeros((3, 1), int) for name in ("link_ns", "edge_ns", "back_ns")}
    )

    assert schedule_of(alone).makespan_ns == 40
    assert play(alone, range(3), [1] * 3).end_s == pytest.approx(40e-9)


def test_the_first_to_be_done_returns_first():
    overtaking = replace(
        THREE_STRIPS, edge_ns=np.array([[50], [5], [0]]), edge_workers=2, back_ns=np.full((3, 1), 4)
    )

    backs = {item.path: item.back for item in schedule_of(overtaking).paths}

    assert backs == {1: (27, 31), 2: (42, 46), 0: (62, 66)}


def test_a_timeline_shows_parts_under_the_numbers_of_their_paths():
    spans = schedule_of(THREE_STRIPS).timeline().on(Lane.DOWNLINK)

    assert [(span.path, round(span.start_s * 1e9)) for span in spans] == [
        (1, 17),
        (2, 37),
        (None, 57),
    ]


def changed(index: int, **changes: object) -> Schedule:
    schedule = schedule_of(THREE_STRIPS)
    paths: list[PathTimes] = list(schedule.paths)
    paths[index] = replace(paths[index], **changes)
    return replace(schedule, paths=tuple(paths))


WRONG = {
    "too short": (changed(0, back=(17, 30)), "path 0: way back takes 13 ns"),
    "too early": (changed(0, back=(16, 36)), "path 0: returned at 16 before it is done"),
    "two at once": (changed(1, back=(30, 50)), "way back: 2 paths"),
    "too late": (changed(1, back=(38, 58)), "the result ends before its last part has returned"),
    "of a path that returns none": (changed(2, back=(57, 58)), "path 2: way back takes 1 ns"),
}


@pytest.mark.parametrize(("schedule", "words"), WRONG.values(), ids=WRONG)
def test_the_checker_finds_what_is_wrong_with_parts(schedule, words):
    assert violations(THREE_STRIPS, schedule_of(THREE_STRIPS)) == []

    assert any(words in item for item in violations(THREE_STRIPS, schedule))


def test_a_problem_with_fewer_cuts_keeps_the_times_of_its_way_back():
    two_cuts = replace(
        THREE_STRIPS,
        **{
            name: np.hstack([getattr(THREE_STRIPS, name)] * 2)
            for name in ("device_ns", "link_ns", "edge_ns", "back_ns")
        },
    )

    assert schedule_of(two_cuts.restricted(1)) == schedule_of(THREE_STRIPS)


FINISHED = replace(THREE_STRIPS, finish_ns=9)


def test_the_device_finishes_when_all_is_there():
    assert schedule_of(FINISHED).finish == (59, 68)
    assert schedule_of(FINISHED).makespan_ns == 68
    assert play(FINISHED, range(3), [1] * 3).end_s == pytest.approx(68e-9)
    assert violations(FINISHED, schedule_of(FINISHED)) == []
    (last,) = [span for span in schedule_of(FINISHED).timeline().spans if span.path is None][1:]
    assert last.lane is Lane.DEVICE


def test_the_device_finishes_after_its_own_paths_too():
    slow = replace(FINISHED, device_ns=np.array([[0], [10], [500]]))

    assert schedule_of(slow).finish[0] >= 510


@pytest.mark.parametrize(
    ("finish", "words"),
    [
        ((59, 67), "finishing takes 8 ns"),
        ((58, 67), "before all has returned"),
        ((20, 29), "before all its paths are computed"),
    ],
)
def test_the_checker_finds_what_is_wrong_with_finishing(finish, words):
    schedule = replace(schedule_of(FINISHED), finish=finish)

    assert any(words in item for item in violations(FINISHED, schedule))
