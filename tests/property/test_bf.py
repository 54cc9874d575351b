"""The pruned search against the plain one, and both between the bound and the heuristic."""

from __future__ import annotations

from hypothesis import given, settings

from fusepath.plan import (
    Problem,
    brute_force,
    faster_schedule,
    lower_bound_ns,
    minimizing_waiting,
    pruned_brute_force,
    violations,
)
from tests.problems import problems


@settings(max_examples=300, deadline=None)
@given(problems())
def test_pruning_loses_nothing(problem: Problem):
    plain = brute_force(problem)

    pruned = pruned_brute_force(problem)

    assert pruned.makespan_ns == plain.makespan_ns
    assert violations(problem, pruned) == []


@settings(max_examples=200, deadline=None)
@given(problems())
def test_bound_optimum_heuristic_sandwich(problem: Problem):
    optimum = pruned_brute_force(problem).makespan_ns

    assert lower_bound_ns(problem) <= optimum <= minimizing_waiting(problem).makespan_ns


@settings(max_examples=200, deadline=None)
@given(problems())
def test_nothing_is_faster_than_the_optimum(problem: Problem):
    optimum = brute_force(problem).makespan_ns

    assert faster_schedule(problem, optimum) is None
    found = faster_schedule(problem, optimum + 1)
    assert found is not None
    assert found.makespan_ns == optimum
