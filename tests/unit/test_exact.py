"""Proven optima: where they are known, what is promised about them, and at real sizes."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from fusepath.cost import parse_link, parse_machine
from fusepath.errors import InputError
from fusepath.onnx_io import load_model
from fusepath.plan import Budget, Setting, Timing
from fusepath.schedule import (
    NS_PER_S,
    Problem,
    evaluate,
    minimizing_waiting,
    problem_of_paths,
    pruned_brute_force,
    violations,
)
from fusepath.schedule.exact import exact
from fusepath.schedule.exact.choices import choices_of
from fusepath.schedule.exact.milp import milp
from fusepath.schedule.exact.pareto import unbeaten
from fusepath.schedule.result import SolveResult, Status
from fusepath.tiling import Grid


@pytest.fixture
def five_layers() -> Problem:
    """The paper's worked example; its optimum is 13 s."""
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


@pytest.fixture(scope="session")
def squeezenet() -> Setting:
    """A weak device, a slow link and a fast edge server."""
    return Setting(
        graph=load_model("zoo:squeezenet").graph,
        device=parse_machine("10GFLOPS"),
        edge=parse_machine("500GFLOPS"),
        link=parse_link("1.1MB/s"),
    )


def test_the_worked_example_takes_13(five_layers):
    result = exact(five_layers)

    assert result.status is Status.OPTIMAL
    assert result.schedule.makespan_ns == 13 * NS_PER_S
    assert result.lower_bound_ns == 13 * NS_PER_S
    assert result.gap == 0


def test_equal_solves_give_equal_schedules(squeezenet):
    problem = Timing(squeezenet).problem(8, Grid(4, 4))

    assert exact(problem).schedule == exact(problem).schedule


@pytest.mark.parametrize("tau", range(1, 30, 4))
def test_two_by_two_equals_the_other_exact_search(squeezenet, tau):
    problem = Timing(squeezenet).problem(tau, Grid(2, 2))

    result = exact(problem)

    assert result.status is Status.OPTIMAL
    assert result.schedule.makespan_ns == pruned_brute_force(problem).makespan_ns


@pytest.mark.parametrize(("tau", "grid"), [(4, (4, 4)), (16, (4, 4)), (28, (4, 4)), (12, (8, 8))])
def test_large_grids_are_proven(squeezenet, tau, grid):
    problem = Timing(squeezenet).problem(tau, Grid(*grid))

    result = exact(problem)

    assert result.status is Status.OPTIMAL
    assert violations(problem, result.schedule) == []
    assert result.schedule.makespan_ns <= minimizing_waiting(problem).makespan_ns


def test_an_incumbent_is_never_lost(five_layers):
    known = evaluate(five_layers, (0, 1, 2), (1, 3, 2))

    assert exact(
        five_layers, meter=Budget(evaluations=0).begin(), incumbent=known
    ).schedule.makespan_ns <= (known.makespan_ns)


def test_staying_on_the_device_pays_for_nothing_else():
    stay = Problem(
        class_of=(0, 0),
        device_ns=np.array([[0, 4]]),
        link_ns=np.array([[9, 0]]),
        edge_ns=np.array([[1, 0]]),
        down_ns=100,
        delay_ns=50,
    )

    result = exact(stay)

    assert result.status is Status.OPTIMAL
    assert result.schedule.makespan_ns == 8


def test_overtaking_paths_are_searched_while_they_are_few():
    rng = np.random.default_rng(5)
    times = {name: rng.integers(0, 50, (8, 6)) for name in ("device_ns", "link_ns", "edge_ns")}
    many = Problem(class_of=tuple(range(8)), shared_link=False, edge_workers=1, **times)

    result = exact(many)

    assert result.lower_bound_ns <= result.schedule.makespan_ns
    assert (result.status is Status.OPTIMAL) == (result.gap == 0)
    with pytest.raises(InputError, match="overtake"):
        milp(many)


def test_equal_classes_are_one_and_beaten_cuts_are_left_out():
    problem = Problem(
        class_of=(0, 1, 1),
        device_ns=np.array([[0, 2, 3], [0, 2, 3]]),
        link_ns=np.array([[5, 1, 1], [5, 1, 1]]),
        edge_ns=np.array([[4, 3, 3], [4, 3, 3]]),
    )

    choices = choices_of(problem)

    assert choices.members == ((0, 1, 2),)
    assert choices.cuts[0].tolist() == [1, 2]


def test_fronts_keep_all_that_is_unbeaten_and_drop_only_what_is_beaten():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 12, (300, 3))
    group = rng.integers(0, 4, 300)

    kept = set(unbeaten(group, labels).tolist())

    for at in range(300):
        no_worse = (group == group[at]) & (labels <= labels[at]).all(axis=1)
        better = no_worse & (labels < labels[at]).any(axis=1)
        if at not in kept:
            assert any(other in kept for other in np.flatnonzero(no_worse))
        elif not better.any():
            assert sum(other in kept for other in np.flatnonzero(no_worse)) == 1


def test_the_gap_is_one_without_a_schedule():
    nothing = SolveResult(
        status=Status.UNKNOWN, schedule=None, lower_bound_ns=0, seconds=0.0, solver="none"
    )

    assert nothing.gap == 1


def test_without_highspy_milp_says_what_to_install(five_layers, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "highspy":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)

    with pytest.raises(InputError, match=r"install 'fusepath\[exact\]'"):
        milp(five_layers)


def test_milp_writes_nothing_to_standard_output(five_layers, capfd):
    pytest.importorskip("highspy")

    assert milp(five_layers).schedule.makespan_ns == 13 * NS_PER_S
    assert capfd.readouterr().out == ""
