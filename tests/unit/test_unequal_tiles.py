"""Tiles of any sizes: right, exact, and never planned to be worse than equal ones."""

from __future__ import annotations

import numpy as np
import pytest

from fusepath.cost import RUNTIME, ComputeRate, TileCosts, parse_link, path_costs
from fusepath.errors import FileFormatError, InputError, UnsupportedOperatorError
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import load_model
from fusepath.plan import Budget, Setting, check_plan, problem_of_plan
from fusepath.schedule import evaluate, violations
from fusepath.tiling import Grid, Tiles, TileSizes, Tiling, even_sizes
from fusepath.tiling import violations as tiling_violations
from tests.networks import untileable
from tests.planning import UNLIMITED, planned
from tests.plans import AS_THEY_ARE, carry_out, pixels, plan_of, with_recipe

MACHINES = {
    "device": ComputeRate(1e10),
    "edge": ComputeRate(5e11),
    "convention": RUNTIME,
}


def setting_of(source: str, link: str = "1.1MB/s") -> Setting:
    return Setting(graph=load_model(source).graph, link=parse_link(link), **MACHINES)


@pytest.fixture(scope="module")
def squeezenet() -> Setting:
    return setting_of("zoo:squeezenet")


def random_sizes(rng: np.random.Generator, size: int, most: int) -> tuple[int, ...]:
    parts = int(rng.integers(1, min(most, size) + 1))
    borders = np.sort(rng.choice(np.arange(1, size), parts - 1, replace=False))
    return tuple(np.diff([0, *borders, size]).tolist())


@pytest.mark.parametrize(
    ("source", "tau"),
    [
        ("zoo:squeezenet?size=64&weights=integer", 17),
        ("zoo:resnet18?size=97&weights=integer", 9),
        pytest.param("zoo:yolov2?size=64&weights=integer", 23, marks=pytest.mark.slow),
        ("zoo:mobilenetv2?size=81&weights=integer", 20),
    ],
)
def test_unequal_tiles_are_right_and_bit_equal_to_the_whole(source, tau):
    model = load_model(source)
    graph = model.graph
    rng = np.random.default_rng(tau)
    image = pixels(model)
    expected = run_unsplit(model, image, AS_THEY_ARE)
    for _ in range(3):
        height, width = graph.fused_size(tau, 0), graph.fused_size(tau, 1)
        sizes = TileSizes(random_sizes(rng, height, 3), random_sizes(rng, width, 3))
        assert tiling_violations(Tiling(graph, tau, Grid(*sizes.grid), sizes)) == []
        plan = plan_of(
            model,
            tau=tau,
            cuts=[tau + 1, 1, tau // 2, tau],
            sizes=sizes,
        )

        outputs = carry_out(model, plan, image).outputs

        for name, want in expected.items():
            np.testing.assert_array_equal(outputs[name], want)


@pytest.mark.parametrize("tau", [3, 14, 29])
def test_even_sizes_cost_what_equal_tiles_cost(squeezenet, tau):
    graph = squeezenet.graph
    height, width = graph.fused_size(tau, 0), graph.fused_size(tau, 1)
    costs = TileCosts(graph, tau, **MACHINES)
    for grid in (Grid(1, 1), Grid(2, 3), Grid(4, 4)):
        sizes = TileSizes(even_sizes(height, grid.rows), even_sizes(width, grid.cols))
        (equal,) = path_costs(graph, tau, [grid], **MACHINES)
        found = costs.of(sizes)
        for table in ("device", "up_bytes", "edge"):
            np.testing.assert_array_equal(
                getattr(found, table)[found.class_of], getattr(equal, table)[equal.class_of]
            )


def test_maps_of_several_heights_are_divided_by_one_rule():
    """Equal tiles of a fused layer whose maps differ in size hold and cost the same either way."""
    graph = load_model("zoo:yolov2?size=96&weights=integer").graph
    several = [
        tau
        for tau in range(1, graph.tileable_layers + 1)
        if len({graph.tensors[name].size(0) for name in graph.frontier(tau)}) > 1
        and graph.fused_size(tau, 0) > 2
    ]
    assert several
    for tau in several[:: max(len(several) // 3, 1)]:
        height, width = graph.fused_size(tau, 0), graph.fused_size(tau, 1)
        costs = TileCosts(graph, tau, **MACHINES)
        for grid in (Grid(2, 2), Grid(height, 1)):
            sizes = TileSizes(even_sizes(height, grid.rows), even_sizes(width, grid.cols))
            equal, stated = Tiling(graph, tau, grid), Tiling(graph, tau, grid, sizes)
            assert tiling_violations(equal) == []
            for name in graph.frontier(tau):
                for path in range(grid.paths):
                    assert equal.region(path, name) == stated.region(path, name)
            (even,), given = path_costs(graph, tau, [grid], **MACHINES), costs.of(sizes)
            for table in ("device", "up_bytes", "edge"):
                np.testing.assert_array_equal(
                    getattr(given, table)[given.class_of], getattr(even, table)[even.class_of]
                )


@pytest.mark.parametrize("algorithm", ["mw", "jps", "exact"])
def test_chosen_sizes_are_never_worse_than_equal_ones(squeezenet, algorithm):
    equal = planned(squeezenet, algorithm, tau=14, grid=Grid(3, 2))

    chosen = planned(
        squeezenet,
        algorithm,
        tau=14,
        grid=Grid(3, 2),
        unequal=True,
        budget=Budget(evaluations=20_000),
    )

    assert chosen.lower_bound_s <= chosen.makespan_s <= equal.makespan_s
    assert chosen.grid == Grid(3, 2)
    problem, cuts = problem_of_plan(squeezenet, chosen)
    schedule = evaluate(problem, [path - 1 for path in chosen.order], cuts)
    assert violations(problem, schedule) == []
    assert schedule.makespan_ns / 1e9 == chosen.makespan_s


def test_a_middle_tile_is_worth_making_smaller(squeezenet):
    """Sizes are not decoration: MW gains a quarter by them where equal tiles gain nothing."""
    equal = planned(squeezenet, "mw")

    chosen = planned(squeezenet, "mw", unequal=True, budget=Budget(evaluations=300_000))

    rows, cols = chosen.arrangement.rows, chosen.arrangement.cols
    assert max(rows) - min(rows) > 1 or max(cols) - min(cols) > 1
    assert chosen.makespan_s < 0.9 * equal.makespan_s


def test_the_swarm_plans_a_real_network_and_equal_calls_give_equal_plans(squeezenet):
    first, second = (planned(squeezenet, "psomw") for _ in range(2))

    assert first.recipe == second.recipe
    problem, cuts = problem_of_plan(squeezenet, first)
    schedule = evaluate(problem, [path - 1 for path in first.order], cuts)
    assert violations(problem, schedule) == []
    assert schedule.makespan_ns / 1e9 == first.makespan_s
    assert first.lower_bound_s <= first.makespan_s
    assert max(first.cuts) <= first.tau


def test_the_swarm_needs_tiles():
    setting = Setting(graph=untileable(), link=parse_link("1MB/s"), **MACHINES)

    with pytest.raises(UnsupportedOperatorError):
        planned(setting, "psomw")


def test_only_algorithms_that_choose_sizes_are_asked_to(squeezenet):
    with pytest.raises(InputError, match="'bf' does not choose the sizes of tiles; these do: mw"):
        planned(squeezenet, "bf", unequal=True)


@pytest.mark.parametrize(
    ("rows", "cols", "complaint"),
    [
        ((1, 2), (13, 14), "add up to 3 rows"),
        ((13, 14), (13, 13), "add up to 26 columns"),
        ((13, 14), (), "sizes of at least 1"),
        ((28, -1), (13, 14), "sizes of at least 1"),
        ((27, 0), (13, 14), "sizes of at least 1"),
    ],
)
def test_a_plan_with_wrong_sizes_is_refused(squeezenet, rows, cols, complaint):
    plan = planned(squeezenet, "mw", tau=14, grid=Grid(2, 2))
    check_plan(plan, squeezenet.graph)

    with pytest.raises((FileFormatError, ValueError), match=complaint):
        check_plan(
            with_recipe(plan, arrangement=Tiles(tau=14, rows=rows, cols=cols)), squeezenet.graph
        )


def test_auto_keeps_its_time_limit_and_its_promise(squeezenet):
    """Without any time there is still the best single cut."""
    hurried = planned(squeezenet, "auto", budget=Budget(evaluations=0))
    nfl = planned(squeezenet, "nfl")

    assert hurried.makespan_s == nfl.makespan_s
    assert planned(squeezenet, "auto", budget=UNLIMITED).makespan_s < nfl.makespan_s
