"""Johnson's rule with a cut per path."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from fusepath.schedule import Problem, evaluate, violations
from fusepath.schedule.exact.sequence import johnson_key
from fusepath.schedule.johnson import around_crossing, johnson_partition


def test_johnsons_rule_is_optimal_for_two_machines():
    rng = np.random.default_rng(1)
    for _ in range(30):
        jobs = rng.integers(0, 20, (5, 2))

        def end(order, jobs=jobs):
            device = link = 0
            for job in order:
                device += jobs[job, 0]
                link = max(link, device) + jobs[job, 1]
            return link

        ruled = sorted(range(5), key=lambda job, jobs=jobs: johnson_key(*jobs[job]))

        assert end(ruled) == min(end(order) for order in permutations(range(5)))


def test_cuts_lie_before_and_after_the_crossing():
    device = [0, 10, 20, 30, 40]
    link = [100, 60, 35, 20, 15]

    assert around_crossing(device, link) == (3, 4)


def test_a_cut_above_the_hull_is_no_candidate():
    device = [0, 10, 20, 30]
    link = [100, 90, 22, 10]  # cut 2 lies above the line from 1 to 3

    assert around_crossing(device, link) == (3, 4)


def test_one_side_alone_gives_the_same_cut_twice():
    assert around_crossing([0, 1, 2], [90, 80, 70]) == (3, 3)
    assert around_crossing([5, 6, 7], [3, 2, 1]) == (1, 1)


def test_equal_jobs_mix_the_two_cuts_and_beat_every_common_one():
    device = np.array([[0, 10, 20, 30, 40]])
    link = np.array([[64, 32, 16, 8, 4]])
    problem = Problem(
        class_of=(0,) * 4, device_ns=device, link_ns=link, edge_ns=np.zeros_like(device)
    )

    found = johnson_partition(problem)

    assert violations(problem, found) == []
    common = min(evaluate(problem, range(4), (cut,) * 4).makespan_ns for cut in range(1, 6))
    assert found.makespan_ns < common
    assert set(found.cuts) == {2, 3}
