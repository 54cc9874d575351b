"""Every solver against the plain one, every schedule against the rules, on random problems."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusepath.plan import Budget
from fusepath.schedule import (
    NS_PER_S,
    Problem,
    Schedule,
    brute_force,
    evaluate,
    lower_bound_ns,
    machine_bound_ns,
    minimizing_waiting,
    path_bound_ns,
    play,
    violations,
)
from fusepath.schedule.bounds import device_bound_ns, edge_bound_ns, link_bound_ns
from fusepath.schedule.exact import exact
from fusepath.schedule.johnson import johnson_partition
from fusepath.schedule.result import Status
from tests.effort import some
from tests.problems import problems

BOUNDS = {
    "machines": machine_bound_ns,
    "device": device_bound_ns,
    "link": link_bound_ns,
    "edge": edge_bound_ns,
    "path": path_bound_ns,
    "all": lower_bound_ns,
}


@st.composite
def choices(draw, problem: Problem) -> tuple[list[int], list[int]]:
    """An order (0-based) and cuts (1-based, by path) for a problem."""
    numbers = range(problem.paths)
    order = numbers if problem.chained else draw(st.permutations(numbers))
    cuts = draw(
        st.lists(st.integers(1, problem.cuts), min_size=problem.paths, max_size=problem.paths)
    )
    return list(order), cuts


@pytest.mark.parametrize("chained", [False, True])
@pytest.mark.parametrize("in_parts", [False, True])
@settings(max_examples=some(300), deadline=None)
@given(data=st.data())
def test_the_evaluator_obeys_the_rules(in_parts, chained, data):
    problem = data.draw(problems(max_paths=6, in_parts=in_parts, chained=chained))
    order, cuts = data.draw(choices(problem))

    schedule = evaluate(problem, order, cuts)

    assert violations(problem, schedule) == []
    assert list(schedule.order) == order
    assert list(schedule.cuts) == cuts


@pytest.mark.parametrize("chained", [False, True])
@pytest.mark.parametrize("in_parts", [False, True])
@settings(max_examples=some(300), deadline=None)
@given(data=st.data())
def test_the_event_engine_sees_what_the_evaluator_computes(in_parts, chained, data):
    problem = data.draw(problems(max_paths=6, in_parts=in_parts, chained=chained))
    order, cuts = data.draw(choices(problem))

    played = play(problem, order, cuts)

    schedule = evaluate(problem, order, cuts)
    assert _without_workers(played) == _without_workers(schedule.timeline())
    assert played.end_s == schedule.timeline().end_s == schedule.makespan_ns / NS_PER_S


def _without_workers(timeline):
    return sorted((span.lane, span.start_s, span.end_s, span.path or 0) for span in timeline.spans)


@settings(max_examples=some(300), deadline=None)
@given(problems())
def test_bounds_optimum_and_heuristics_are_in_this_order(problem: Problem):
    optimum_ns = brute_force(problem).makespan_ns

    assert {
        name: bound(problem) for name, bound in BOUNDS.items() if bound(problem) > optimum_ns
    } == {}
    assert optimum_ns <= minimizing_waiting(problem).makespan_ns
    assert optimum_ns <= johnson_partition(problem).makespan_ns


@settings(max_examples=some(300), deadline=None)
@given(problems(max_paths=6, largest=4))
def test_minimizing_waiting_is_the_algorithm_with_its_ties(problem: Problem):
    schedule = minimizing_waiting(problem)

    assert list(zip(schedule.order, (t.cut for t in schedule.paths), strict=True)) == plain_mw(
        problem
    )


def plain_mw(problem: Problem) -> list[tuple[int, int]]:
    """Algorithm 1, lines 5 to 15, path by path: the pairs (path, cut) in their order."""
    device, link, _ = problem.times
    waiting = set(range(problem.paths))
    cuts = range(1, problem.cuts + 1)
    device_free = link_free = 0
    chosen: list[tuple[int, int]] = []

    def local_ns(path: int, cut: int) -> int:
        return device[problem.class_of[path]][cut - 1]

    def sent_ns(path: int, cut: int) -> int:
        return link[problem.class_of[path]][cut - 1]

    while waiting:
        pairs = [(path, cut) for path in sorted(waiting) for cut in cuts]
        if not chosen:  # Eq. 7
            path, cut = min(pairs, key=lambda p: (local_ns(*p) + sent_ns(*p), local_ns(*p)))
        else:  # Eq. 8
            target = link_free - device_free
            path, cut = min(pairs, key=lambda p: (abs(local_ns(*p) - target), -p[1]))
        waiting.remove(path)
        chosen.append((path, cut))
        device_free += local_ns(path, cut)
        start = max(device_free, link_free) if problem.shared_link else device_free
        link_free = start + sent_ns(path, cut)
    return chosen


@settings(max_examples=some(200), deadline=None)
@given(problems(max_paths=3, max_cuts=3, in_parts=True))
def test_bounds_hold_for_results_in_parts(problem: Problem):
    optimum_ns = brute_force(problem).makespan_ns

    assert {name: b(problem) for name, b in BOUNDS.items() if b(problem) > optimum_ns} == {}


@settings(max_examples=some(300), deadline=None)
@given(st.data())
def test_bounds_hold_for_chained_paths(data):
    problem = data.draw(problems(in_parts=data.draw(st.booleans()), chained=True))

    best = brute_force(problem)

    assert violations(problem, best) == []
    assert {name: b(problem) for name, b in BOUNDS.items() if b(problem) > best.makespan_ns} == {}


@settings(max_examples=some(300), deadline=None)
@given(st.data())
def test_many_workers_are_of_no_use_to_chained_paths(data):
    problem = data.draw(problems(max_paths=6, chained=True))
    order, cuts = data.draw(choices(problem))

    one = evaluate(replace(problem, edge_workers=1), order, cuts)

    assert evaluate(replace(problem, edge_workers=0), order, cuts) == one
    if problem.shared_link:  # nothing overtakes anything there
        assert evaluate(replace(problem, edge_workers=1, chained=False), order, cuts) == one


@settings(max_examples=some(300), deadline=None)
@given(st.data())
def test_parts_are_no_slower_than_one_result_of_their_size(data):
    problem = data.draw(problems(max_paths=6, in_parts=True))
    order, cuts = data.draw(choices(problem))
    sizes = [problem.back_times[problem.class_of[path]][cuts[path] - 1] for path in order]
    whole = replace(problem, back_ns=None, down_ns=problem.down_ns + sum(sizes))

    in_parts = evaluate(problem, order, cuts)

    if whole.tail_ns > 0 or any(t.link[1] > t.link[0] for t in in_parts.paths):
        assert in_parts.makespan_ns <= evaluate(whole, order, cuts).makespan_ns


@settings(max_examples=some(500), deadline=None)
@given(problems())
def test_exact_is_the_optimum_and_says_so(problem: Problem):
    result = exact(problem)

    assert result.status is Status.OPTIMAL
    assert _schedule(result.schedule).makespan_ns == brute_force(problem).makespan_ns
    assert result.lower_bound_ns == _schedule(result.schedule).makespan_ns
    assert violations(problem, _schedule(result.schedule)) == []


@settings(max_examples=some(100), deadline=None)
@given(problems(max_paths=7, max_cuts=5, largest=1000))
def test_without_time_exact_still_gives_a_bound_and_a_schedule(problem: Problem):
    hurried = exact(problem, meter=Budget(evaluations=0).begin())
    patient = exact(problem)

    if problem.shared_link or problem.edge_workers == 0 or problem.paths < 5:
        assert patient.status is Status.OPTIMAL
    assert hurried.lower_bound_ns <= _schedule(patient.schedule).makespan_ns
    assert patient.lower_bound_ns <= _schedule(hurried.schedule).makespan_ns
    assert violations(problem, _schedule(hurried.schedule)) == []


@settings(max_examples=some(40), deadline=None)
@given(problems(max_paths=6, max_cuts=4, largest=50))
def test_the_general_solver_agrees(problem: Problem):
    pytest.importorskip("highspy")
    from fusepath.schedule.exact.milp import milp  # noqa: PLC0415

    if problem.edge_workers > 1 or (problem.edge_workers == 1 and not problem.shared_link):
        return
    general = milp(problem)

    assert general.status is Status.OPTIMAL
    assert violations(problem, _schedule(general.schedule)) == []
    assert _schedule(general.schedule).makespan_ns == _schedule(exact(problem).schedule).makespan_ns


def _schedule(schedule: Schedule | None) -> Schedule:
    assert schedule is not None
    return schedule
