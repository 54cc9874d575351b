"""The checker finds what is wrong with paths that go on from each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fusepath.schedule import PathTimes, Problem, Schedule, evaluate, play, violations

CHAIN = Problem(
    class_of=(0, 1, 2),
    device_ns=np.array([[1], [1], [1]]),
    link_ns=np.array([[9], [2], [2]]),
    edge_ns=np.array([[20], [5], [5]]),
    edge_workers=0,
    shared_link=False,
    chained=True,
)
"""The second and third path arrive before the first, and there are workers for all of them."""


def test_chained_paths_are_served_in_order():
    schedule = evaluate(CHAIN, range(3), [1] * 3)

    assert [item.edge for item in schedule.paths] == [(10, 30), (30, 35), (35, 40)]
    assert violations(CHAIN, schedule) == []
    assert play(CHAIN, range(3), [1] * 3).end_s == 40e-9


def test_paths_that_are_not_chained_overlap_and_overtake():
    free = replace(CHAIN, chained=False)

    schedule = evaluate(free, range(3), [1] * 3)

    assert [item.edge for item in schedule.paths] == [(10, 30), (4, 9), (5, 10)]
    assert violations(free, schedule) == []


def changed(index: int, **changes: object) -> Schedule:
    schedule = evaluate(CHAIN, range(3), [1] * 3)
    paths: list[PathTimes] = list(schedule.paths)
    paths[index] = replace(paths[index], **changes)  # type: ignore[arg-type]
    return replace(schedule, paths=tuple(paths))


def reordered() -> Schedule:
    schedule = evaluate(CHAIN, range(3), [1] * 3)
    return replace(schedule, paths=(schedule.paths[1], schedule.paths[0], schedule.paths[2]))


WRONG = {
    "overlap": (changed(1, edge=(29, 34)), "path 1: taken up before path 0 is done"),
    "overtake": (changed(2, edge=(5, 10)), "path 2: taken up before path 1 is done"),
    "listed in another order": (reordered(), "path 0: computed before path 1 is"),
    "computed in another order": (
        evaluate(CHAIN, (1, 0, 2), [1] * 3),
        "path 0: comes after path 1, which follows it",
    ),
}


@pytest.mark.parametrize(("schedule", "words"), WRONG.values(), ids=WRONG)
def test_the_checker_finds_chained_paths_out_of_order(schedule, words):
    assert any(words in item for item in violations(CHAIN, schedule))


def test_a_delay_that_nothing_follows_is_still_waited_for():
    """The last path leaves nothing to do, but its message must arrive before all is known."""
    last_stays = Problem(
        class_of=(0, 1),
        device_ns=np.array([[1], [20]]),
        link_ns=np.array([[3], [0]]),
        edge_ns=np.array([[4], [0]]),
        delay_ns=7,
    )

    schedule = evaluate(last_stays, (0, 1), (1, 1))

    assert schedule.makespan_ns == 28
    assert schedule.timeline().end_s == play(last_stays, (0, 1), (1, 1)).end_s == 28e-9
