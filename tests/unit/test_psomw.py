"""The swarm: every position is a strategy, equal seeds give equal plans, and it finds good ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from fusepath.errors import InfeasibleError
from fusepath.plan.families.swarm import Swarm, in_proportion, particle_swarm, read_position
from fusepath.schedule import Problem, minimizing_waiting


@dataclass(frozen=True)
class Ramp:
    """Three fused layers of 12, 9 and 6 rows; rows further down cost more, each tile has a halo."""

    last: int = 3

    def size(self, tau):
        return 15 - 3 * tau, 15 - 3 * tau

    def problem(self, tau, rows, cols):
        classes = [(top, r, c) for top, r in zip(np.cumsum((0, *rows)), rows) for c in cols]  # noqa: B905
        area = np.array([(r + 1) * (c + 1) * (10 + top) for top, r, c in classes])
        cut = np.arange(tau + 1)
        return Problem(
            class_of=tuple(range(len(classes))),
            device_ns=area[:, None] * cut,
            link_ns=area[:, None] * 4 // (1 + cut),
            edge_ns=area[:, None] * (tau - cut) // 8,
            tail_ns=100 * (4 - tau),
        )

    def schedule(self, tau, rows, cols):
        return minimizing_waiting(self.problem(tau, rows, cols))


def test_sizes_follow_the_weights_and_fill_the_map():
    assert in_proportion(10, np.array([1.0, 1.0, 2.0])) == (3, 3, 4)
    assert in_proportion(3, np.array([0.0, 0.0, 9.0])) == (1, 1, 1)
    assert in_proportion(7, np.zeros(3)) == (3, 2, 2)
    rng = np.random.default_rng(0)
    for _ in range(200):
        parts = int(rng.integers(1, 9))
        size = int(rng.integers(parts, 40))
        sizes = in_proportion(size, rng.random(parts))
        assert sum(sizes) == size
        assert min(sizes) >= 1


def test_every_position_is_a_strategy():
    rng = np.random.default_rng(0)
    corners = [np.zeros(19), np.ones(19), *rng.random((100, 19))]
    for position in corners:
        tau, rows, cols = read_position(position, Ramp(), most_parts=8)

        assert 1 <= tau <= 3
        assert (sum(rows), sum(cols)) == Ramp().size(tau)


def test_equal_seeds_give_equal_plans():
    swarm = Swarm(particles=6, rounds=4)

    first, second = (particle_swarm(Ramp(), np.random.default_rng(7), swarm) for _ in range(2))

    assert first == second


def test_the_swarm_is_no_worse_than_equal_tiles():
    found, *others = particle_swarm(Ramp(), np.random.default_rng(0))

    equal = min(
        minimizing_waiting(Ramp().problem(tau, (size // k,) * k, (size // k,) * k)).makespan_ns
        for tau in (1, 2, 3)
        for size in [Ramp().size(tau)[0]]
        for k in (1, 2, 3)
        if size % k == 0
    )
    assert found.schedule.makespan_ns <= equal
    assert all(found.schedule.makespan_ns <= other.schedule.makespan_ns for other in others)
    problem = Ramp().problem(found.tau, found.rows, found.cols)
    assert minimizing_waiting(problem) == found.schedule


def test_nothing_to_tile_is_infeasible():
    with pytest.raises(InfeasibleError, match="no layer"):
        particle_swarm(Ramp(last=0), np.random.default_rng(0))
