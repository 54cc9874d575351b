"""Tiles of any sizes: right, exact, and never planned to be worse than equal ones."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from fusepath.cost import RUNTIME, ComputeRate, TileCosts, parse_link, path_costs
from fusepath.errors import FileFormatError, GeometryError, InputError, UnsupportedOperatorError
from fusepath.offload.run import run_unsplit
from fusepath.onnx_io import load_model
from fusepath.plan import Setting, make_plan, problem_of_plan
from fusepath.schedule import evaluate, violations
from fusepath.tiling import Grid, TileSizes, Tiling, even_sizes
from fusepath.tiling import violations as tiling_violations
from tests.networks import untileable
from tests.plans import AS_THEY_ARE, carry_out, pixels, plan_of

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
        ("zoo:yolov2?size=64&weights=integer", 23),
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
            grid=sizes.grid,
            cuts=[tau + 1, 1, tau // 2, tau],
            tile_rows=sizes.rows,
            tile_cols=sizes.cols,
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


@pytest.mark.parametrize("algorithm", ["mw", "jps", "exact"])
def test_chosen_sizes_are_never_worse_than_equal_ones(squeezenet, algorithm):
    equal = make_plan(squeezenet, algorithm, tau=14, grid=Grid(3, 2))

    chosen = make_plan(
        squeezenet, algorithm, tau=14, grid=Grid(3, 2), unequal=True, time_limit_s=0.5
    )

    assert chosen.lower_bound_s <= chosen.makespan_s <= equal.makespan_s
    assert chosen.grid == (3, 2)
    problem, cuts = problem_of_plan(squeezenet, chosen)
    schedule = evaluate(problem, [path - 1 for path in chosen.order], cuts)
    assert violations(problem, schedule) == []
    assert schedule.makespan_ns / 1e9 == chosen.makespan_s


def test_a_middle_tile_is_worth_making_smaller(squeezenet):
    """Sizes are not decoration: MW gains a quarter by them where equal tiles gain nothing."""
    equal = make_plan(squeezenet, "mw")

    chosen = make_plan(squeezenet, "mw", unequal=True, time_limit_s=30)

    assert chosen.sizes is not None
    assert chosen.makespan_s < 0.9 * equal.makespan_s


def test_the_swarm_plans_a_real_network_and_equal_calls_give_equal_plans(squeezenet):
    first, second = (make_plan(squeezenet, "psomw") for _ in range(2))

    assert (first.tau, first.sizes, first.order, first.cuts) == (
        second.tau,
        second.sizes,
        second.order,
        second.cuts,
    )
    problem, cuts = problem_of_plan(squeezenet, first)
    schedule = evaluate(problem, [path - 1 for path in first.order], cuts)
    assert violations(problem, schedule) == []
    assert schedule.makespan_ns / 1e9 == first.makespan_s
    assert first.lower_bound_s <= first.makespan_s
    assert max(first.cuts) <= first.tau


def test_the_swarm_needs_tiles():
    setting = Setting(graph=untileable(), link=parse_link("1MB/s"), **MACHINES)

    with pytest.raises(UnsupportedOperatorError):
        make_plan(setting, "psomw")


def test_only_algorithms_that_choose_sizes_are_asked_to(squeezenet):
    with pytest.raises(InputError, match="'bf' does not choose the sizes of tiles; these do: mw"):
        make_plan(squeezenet, "bf", unequal=True)


@pytest.mark.parametrize(
    ("sizes", "complaint"),
    [
        ({"tile_rows": (1, 2), "tile_cols": (13, 14)}, "add up to 3 rows"),
        ({"tile_rows": (13, 14), "tile_cols": ()}, "every column needs a size"),
        ({"tile_rows": (13, 14), "tile_cols": (27,)}, "do not make a grid of 2x2"),
        ({"tile_rows": (28, -1), "tile_cols": (13, 14)}, "every row needs a size"),
    ],
)
def test_a_plan_with_wrong_sizes_is_refused(squeezenet, sizes, complaint):
    plan = make_plan(squeezenet, "mw", tau=14, grid=Grid(2, 2))
    plan.check(squeezenet.graph)

    with pytest.raises((FileFormatError, GeometryError), match=complaint):
        msgspec.structs.replace(plan, **sizes).check(squeezenet.graph)


def test_auto_keeps_its_time_limit_and_its_promise(squeezenet):
    """Without any time there is still the best single cut."""
    hurried = make_plan(squeezenet, "auto", time_limit_s=0.0)
    nfl = make_plan(squeezenet, "nfl")

    assert hurried.makespan_s == nfl.makespan_s
    assert make_plan(squeezenet, "auto", time_limit_s=30).makespan_s < nfl.makespan_s
