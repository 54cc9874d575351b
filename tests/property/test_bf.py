"""The pruned search against the plain one, and both between the bound and the heuristic."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fusepath.schedule import (
    Problem,
    brute_force,
    faster_schedule,
    lower_bound_ns,
    minimizing_waiting,
    pruned_brute_force,
    violations,
)
from fusepath.schedule.minimizing_waiting import must_exceed
from tests.effort import some
from tests.problems import problems


@settings(max_examples=some(300), deadline=None)
@given(problems())
def test_pruning_loses_nothing(problem: Problem):
    plain = brute_force(problem)

    pruned = pruned_brute_force(problem)

    assert pruned.makespan_ns == plain.makespan_ns
    assert violations(problem, pruned) == []


@settings(max_examples=some(200), deadline=None)
@given(problems())
def test_bound_optimum_heuristic_sandwich(problem: Problem):
    optimum = pruned_brute_force(problem).makespan_ns

    assert lower_bound_ns(problem) <= optimum <= minimizing_waiting(problem).makespan_ns


@settings(max_examples=some(200), deadline=None)
@given(problems())
def test_nothing_is_faster_than_the_optimum(problem: Problem):
    optimum = brute_force(problem).makespan_ns

    assert faster_schedule(problem, optimum) is None
    found = faster_schedule(problem, optimum + 1)
    assert found is not None
    assert found.makespan_ns == optimum


@settings(max_examples=some(300), deadline=None)
@given(problems(max_paths=8, max_cuts=4, largest=4), st.integers(0, 40))
def test_what_is_dismissed_unseen_really_takes_longer(problem: Problem, limit: int):
    times = (problem.device_ns, problem.link_ns, problem.edge_ns + problem.delay_ns)
    counts = np.bincount(problem.class_of)

    dismissed = must_exceed(times, counts, limit, shared_link=problem.shared_link)

    schedule = minimizing_waiting(problem)
    last = max(item.edge[1] for item in schedule.paths)
    assert not dismissed or last > limit
