"""Constraints against brute force, and two ways of counting against each other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fusepath.cost import RUNTIME, ComputeRate, Counts, Link, Regions
from fusepath.errors import InfeasibleError
from fusepath.plan import Budget, Constraints, Setting, check_plan, limit_violations
from fusepath.plan.limits.constrained import schedule_within, without
from fusepath.plan.limits.usage import ChosenUsage, StripUsage, TileUsage, WholeUsage
from fusepath.schedule import (
    Problem,
    evaluate,
    exact,
    minimizing_waiting,
    pruned_brute_force,
    violations,
)
from fusepath.schedule.johnson import johnson_partition
from fusepath.tiling import Grid, Segment, Tiles
from tests.effort import some
from tests.networks import networks
from tests.planning import planned
from tests.plans import hand_made
from tests.problems import problems
from tests.property.test_strips import strip_tilings
from tests.written_models import net

COMMON = settings(max_examples=some(150), deadline=None)
SOLVERS = {
    "mw": minimizing_waiting,
    "bf": pruned_brute_force,
    "jps": johnson_partition,
    "exact": lambda problem: exact(problem).schedule,
}


@dataclass(frozen=True)
class Stated(TileUsage):
    """Demands that are drawn instead of counted."""

    device_macs: np.ndarray = None  # type: ignore[assignment]
    up_bytes: np.ndarray = None  # type: ignore[assignment]
    maps_bytes: np.ndarray = None  # type: ignore[assignment]
    weight_bytes: np.ndarray = None  # type: ignore[assignment]
    never: np.ndarray = None  # type: ignore[assignment]

    def private(self, constraints):
        return self.never


@st.composite
def limited(draw, *, totals: bool) -> tuple[Problem, Stated, Constraints]:
    """A small problem, what its paths demand, and limits near to what that comes to."""
    problem: Problem = draw(problems(max_paths=3, max_cuts=4))
    paths, cuts = problem.paths, problem.cuts

    def table(shape: tuple[int, ...]) -> np.ndarray:
        values = st.lists(
            st.integers(0, 9), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))
        )
        return np.array(draw(values)).reshape(shape)

    never = table((paths, cuts)) > 7
    assume(not never.all(axis=1).any())
    demand = Stated(
        counts=None,  # type: ignore[arg-type] - nothing is counted
        arrangement=Tiles(tau=cuts - 1, rows=(1,) * paths, cols=(1,)),
        device_macs=table((paths, cuts)),
        up_bytes=table((paths, cuts)),
        maps_bytes=table((paths, cuts)),
        weight_bytes=table((cuts,)),
        never=never,
    )
    most = st.integers(1, 9 * paths)
    constraints = Constraints(
        device_macs=draw(most) if totals else None,
        upload_bytes=draw(most) if totals else None,
        device_memory_bytes=draw(st.none() | st.integers(4, 30)) if totals else None,
        keep_on_device=1,
    )
    return problem, demand, constraints


def best_within(problem: Problem, demand: Stated, constraints: Constraints) -> int | None:
    """The optimum by trying everything."""
    best = None
    for cuts in product(range(1, problem.cuts + 1), repeat=problem.paths):
        if any(demand.never[path, cut - 1] for path, cut in enumerate(cuts)):
            continue
        if constraints.shortfalls(ChosenUsage(demand, np.array(cuts) - 1)):
            continue
        for order in permutations(range(problem.paths)):
            makespan_ns = evaluate(problem, order, cuts).makespan_ns
            best = makespan_ns if best is None else min(best, makespan_ns)
    return best


@pytest.mark.parametrize("solver", SOLVERS)
@COMMON
@given(case=limited(totals=False))
def test_forbidden_cuts_are_avoided_and_an_optimum_stays_one(solver, case):
    problem, demand, constraints = case
    within = schedule_within(
        problem, demand, constraints, lambda item: (SOLVERS[solver](item), 0), Budget().begin()
    )

    schedule = within.schedule
    assert schedule is not None
    assert violations(problem, schedule) == []
    assert not any(demand.never[path, cut - 1] for path, cut in enumerate(schedule.cuts))
    optimum = best_within(problem, demand, constraints)
    assert schedule.makespan_ns >= optimum
    if solver in {"bf", "exact"}:
        assert schedule.makespan_ns == optimum


@pytest.mark.parametrize("solver", SOLVERS)
@COMMON
@given(case=limited(totals=True))
def test_totals_are_kept_to_and_only_what_is_impossible_is_called_so(solver, case):
    problem, demand, constraints = case
    within = schedule_within(
        problem, demand, constraints, lambda item: (SOLVERS[solver](item), 0), Budget().begin()
    )

    optimum = best_within(problem, demand, constraints)
    if within.schedule is None:
        assert optimum is None or not within.impossible
        assert within.shortfalls
        assert all(item.needs > item.allows for item in within.shortfalls)
        return
    assert violations(problem, within.schedule) == []
    assert constraints.shortfalls(demand.choose(within.schedule.cuts)) == ()
    assert optimum is not None
    assert within.schedule.makespan_ns >= optimum


@COMMON
@given(problem=problems(max_paths=3), data=st.data())
def test_a_problem_without_some_cuts_has_the_times_of_the_others(problem, data):
    shape = (problem.paths, problem.cuts)
    flags = data.draw(
        st.lists(st.booleans(), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])
    )
    forbidden = np.array(flags).reshape(shape)
    assume(not forbidden.all(axis=1).any())

    other = without(problem, forbidden)

    for table, original in (
        (other.device_ns, problem.device_ns),
        (other.link_ns, problem.link_ns),
        (other.edge_ns, problem.edge_ns),
    ):
        spelt, before = table[list(other.class_of)], original[list(problem.class_of)]
        np.testing.assert_array_equal(spelt[~forbidden], before[~forbidden])
        longest = int((problem.device_ns + problem.link_ns + problem.edge_ns).max())
        assert (spelt[forbidden] > 0).all()
        assert longest * problem.paths * 2 + 1 >= spelt.max()


def assert_counts_agree(demand, plan, graph, *, slack: int = 0) -> None:
    """The checker finds a plan within limits of exactly what it demands, and outside of less.

    ``slack`` is by how much roundings may differ.
    """
    for field, needed in (
        ("device_macs", demand.device_macs),
        ("upload_bytes", demand.up_bytes),
        ("device_memory_bytes", demand.memory_bytes),
    ):
        assert limit_violations(plan, graph, Constraints(**{field: needed + slack})) == []
        if needed > slack:
            less = Constraints(**{field: needed - slack - 1})
            assert len(limit_violations(plan, graph, less)) == 1


@COMMON
@given(graph=networks(), regions=st.sampled_from(Regions), data=st.data())
def test_tiles_are_counted_alike_from_costs_and_from_the_tiling(graph, regions, data):
    tau = data.draw(st.integers(1, graph.tileable_layers))
    sides = [st.integers(1, min(3, graph.fused_size(tau, axis))) for axis in (0, 1)]
    grid = Grid(*(data.draw(side) for side in sides))
    cuts = tuple(data.draw(st.integers(1, tau + 1)) for _ in range(grid.paths))
    assume(grid.paths > 1 or tau < graph.depth)
    convention = msgspec.structs.replace(RUNTIME, regions=regions)
    link = Link(up_bytes_per_s=1e6, down_bytes_per_s=1e6)
    rate = ComputeRate(1e9)
    setting = Setting(graph=graph, device=rate, edge=rate, link=link, convention=convention)
    plan = hand_made(graph, tau=tau, grid=(grid.rows, grid.cols), cuts=cuts, convention=convention)

    demand = TileUsage(
        Counts(setting.graph, setting.convention), Tiles.even(graph, tau, grid)
    ).choose(cuts)
    slack = grid.paths if regions is Regions.SHARE else 0  # parts of a MAC and of a byte
    assert_counts_agree(demand, plan, graph, slack=slack)


@COMMON
@given(graph=networks(), data=st.data())
def test_whole_maps_are_counted_alike(graph, data):
    cut = data.draw(st.integers(1, graph.depth + 1))
    plan = hand_made(graph, tau=graph.depth, grid=(1, 1), cuts=(cut,))

    assert_counts_agree(WholeUsage(graph, RUNTIME, cut), plan, graph)


@COMMON
@given(strip_tilings())
def test_strips_are_counted_alike(tiling):
    segments = tuple(
        Segment(start=band.start, stop=band.stop, cut=cut, strips=band.marks)
        for band, cut in zip(tiling.bands, tiling.cuts, strict=True)
    )
    cuts = tuple(item.cut for item in segments for _ in item.strips)
    plan = hand_made(
        tiling.graph, tau=tiling.tau, grid=(tiling.paths, 1), cuts=cuts, segments=segments
    )

    demand = StripUsage(tiling.graph, RUNTIME, plan.arrangement)
    assert_counts_agree(demand, plan, tiling.graph)


def test_work_counted_by_rows_read_is_counted_where_those_were_made_for_the_segment_above():
    """The row that a transposed convolution reads here was made, sent and kept there."""
    graph = net(
        "(float[n,c,h,w] z) { s = Conv (x, a) y = ConvTranspose <strides = [2, 2]> (s, b) "
        "z = Conv (y, c) }",
        shape="1,3,8,8",
        a=(3, 3, 1, 1),
        b=(3, 3, 2, 2),
        c=(3, 3, 1, 1),
    ).graph
    segments = tuple(
        Segment(start=start, stop=stop, cut=cut, strips=((0, stop),))
        for start, stop, cut in ((0, 1, 2), (1, 2, 3), (2, 16, 1))
    )
    plan = hand_made(graph, tau=2, grid=(3, 1), cuts=(2, 3, 1), segments=segments)

    demand = StripUsage(graph, RUNTIME, plan.arrangement)

    assert demand.device_macs == 8 * (3 * 3) + 8 * (3 * 3 * 2 * 2)
    assert_counts_agree(demand, plan, graph)


@settings(max_examples=some(40), deadline=None)
@given(graph=networks(max_blocks=3), data=st.data())
def test_plans_of_every_family_keep_to_what_they_were_given(graph, data):
    """Limits lie around what the free plan takes, so that some can be kept to and some cannot."""
    rate = ComputeRate(data.draw(st.sampled_from([1e5, 1e6])))
    link = Link(up_bytes_per_s=data.draw(st.sampled_from([1e3, 1e4])), down_bytes_per_s=1e6)
    setting = Setting(graph=graph, device=rate, edge=ComputeRate(1e7), link=link)
    algorithm = data.draw(st.sampled_from(["nfl", "mw", "bf", "jps", "exact", "stream", "auto"]))
    tiles = algorithm in {"mw", "bf", "jps", "exact"}
    grid = Grid(2, 1) if tiles else None
    try:
        free = planned(setting, algorithm, grid=grid)
    except InfeasibleError:
        assume(False)
        raise
    part = st.sampled_from([None, 0.3, 0.7, 1.0, 1.5])
    macs, sent = data.draw(part), data.draw(part)
    constraints = Constraints(
        device_macs=None if macs is None else round(free.device_macs * macs),
        upload_bytes=None if sent is None else round(free.up_bytes * sent),
        keep_on_device=data.draw(st.integers(0, min(2, graph.depth))),
        max_paths=data.draw(st.sampled_from([None, 2, 5])),
    )
    try:
        plan = planned(setting, algorithm, grid=grid, constraints=constraints)
    except InfeasibleError:
        # What the free plan keeps to is possible, and single cuts are all tried.
        if algorithm == "nfl":
            assert limit_violations(free, graph, constraints) != []
        return

    assert limit_violations(plan, graph, constraints) == []
    assert plan.request.constraints == constraints
    assert plan.lower_bound_s <= plan.makespan_s
    check_plan(plan, graph)
