"""The worked examples of the paper's Figs. 2 and 3, reconstructed from their text."""

import pytest

from fusepath.schedule import (
    NS_PER_S,
    Problem,
    brute_force,
    evaluate,
    minimizing_waiting,
    play,
    problem_of_paths,
    violations,
)
from fusepath.timeline import Lane


@pytest.fixture
def five_layers() -> Problem:
    """Three paths of three layers, then layers 10 and 11; f_end = 1, f_es = 2, R = 1."""
    return problem_of_paths(
        [
            [(2, 2), (2, 2), (2, 2)],
            [(1, 4), (1, 3), (2, 2)],
            [(2, 4), (2, 2), (2, 2)],
        ],
        device_per_s=1,
        edge_per_s=2,
        bytes_per_s=1,
        tail=[6, 4],
    )


def test_figure_2_takes_18(five_layers):
    schedule = evaluate(five_layers, order=(0, 1, 2), cuts=(3, 2, 2))

    first = schedule.paths[0]
    assert first.device[1] == 4 * NS_PER_S  # T_1(2)
    assert first.edge[1] == 7 * NS_PER_S  # T_1(3)
    assert schedule.makespan_ns == 18 * NS_PER_S
    assert violations(five_layers, schedule) == []


def test_figure_3_minimizing_waiting_takes_13_with_cuts_1_3_2(five_layers):
    schedule = minimizing_waiting(five_layers)

    assert schedule.order == (0, 1, 2)
    assert schedule.cuts == (1, 3, 2)
    assert schedule.tail[0] + 3 * NS_PER_S == 11 * NS_PER_S  # layer 10, 6 operations at 2 per s
    assert schedule.makespan_ns == 13 * NS_PER_S
    assert violations(five_layers, schedule) == []


def test_figure_3_first_path_is_sent_at_once(five_layers):
    schedule = minimizing_waiting(five_layers)

    assert schedule.paths[0].link == (0, 2 * NS_PER_S)


def test_brute_force_confirms_that_13_is_optimal(five_layers):
    assert brute_force(five_layers).makespan_ns == 13 * NS_PER_S


def test_the_event_engine_sees_the_same_times(five_layers):
    timeline = play(five_layers, order=(0, 1, 2), cuts=(1, 3, 2))

    assert timeline.end_s == 13
    expected = evaluate(five_layers, (0, 1, 2), (1, 3, 2)).timeline()
    assert set(timeline.spans) == set(expected.spans)
    assert timeline.busy_s(Lane.UPLINK) == 6
