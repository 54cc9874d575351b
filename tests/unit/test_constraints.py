"""Constraints on a real network: kept to by every algorithm, and explained when they cannot be."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

from fusepath.cost import ComputeRate, Counts, parse_link
from fusepath.errors import FileFormatError, InputError, NoPlanError
from fusepath.onnx_io import Model, build_submodel, load_model
from fusepath.plan import (
    Budget,
    Constraints,
    PlanRequest,
    Setting,
    check_plan,
    limit_violations,
    load_plan,
    make_plan,
    save_plan,
)
from fusepath.plan.limits.memory import weight_bytes, whole_bytes
from fusepath.plan.limits.usage import StripUsage, TileUsage, WholeUsage
from fusepath.runtime.device_share import DeviceShare
from fusepath.tiling import Grid, strip_tiling
from tests.networks import skipped_input
from tests.onnx_models import with_weights
from tests.planning import planned
from tests.plans import plan_of
from tests.written_models import net

BINDING = {
    "memory": Constraints(device_memory_bytes=2_000_000),
    "macs": Constraints(device_macs=100_000_000),
    "upload": Constraints(upload_bytes=100_000),
    "privacy": Constraints(keep_on_device=5),
    "macs and privacy": Constraints(device_macs=270_000_000, keep_on_device=4),
    "paths": Constraints(max_paths=3),
}


@pytest.fixture(scope="module")
def squeezenet() -> Model:
    return load_model("zoo:squeezenet")


@pytest.fixture(scope="module")
def setting(squeezenet: Model) -> Setting:
    return Setting(
        graph=squeezenet.graph,
        device=ComputeRate(1e10),
        edge=ComputeRate(5e11),
        link=parse_link("1.8MB/s"),
    )


@pytest.mark.parametrize("limit", BINDING)
@pytest.mark.parametrize("algorithm", ["nfl", "mw", "jps", "stream", "auto"])
def test_plans_keep_to_constraints(setting, algorithm, limit):
    constraints = BINDING[limit]
    grid = Grid(2, 1) if algorithm in {"mw", "jps"} else None
    tau = 14 if algorithm == "jps" else None
    budget = None
    if algorithm in {"auto", "stream"}:
        budget = Budget(evaluations=60_000)  # a shorter search keeps to its limits as well
    if (algorithm, limit) in {("stream", "memory"), ("stream", "paths")}:
        budget = Budget(evaluations=2_000_000)  # few strips do with so little
    plan = planned(setting, algorithm, grid=grid, tau=tau, constraints=constraints, budget=budget)

    assert limit_violations(plan, setting.graph, constraints) == []
    assert plan.lower_bound_s <= plan.makespan_s
    check_plan(plan, setting.graph)


def test_a_plan_without_limits_breaks_them(setting):
    """Otherwise the limits above would prove nothing."""
    plan = planned(setting, "auto")

    broken = {n for n, limit in BINDING.items() if limit_violations(plan, setting.graph, limit)}
    assert broken == set(BINDING)


@pytest.mark.parametrize(
    ("algorithm", "constraints", "words"),
    [
        (
            "auto",
            Constraints(keep_on_device=8, device_macs=100_000_000),
            "layers 1 to 8 must stay on the device, which needs 238 M MAC on the device, but "
            "device_macs allows 100 M MAC: 138 M MAC short",
        ),
        (
            "nfl",
            Constraints(upload_bytes=100_000, device_macs=0),
            "the closest leaves nothing to the device and needs 151 kB sent up, but "
            "upload_bytes allows 100 kB: 50.5 kB short",
        ),
        (
            "full-offload",
            Constraints(keep_on_device=1),
            "layers 1 to 1 must stay on the device (keep_on_device), but this algorithm sends",
        ),
        (
            "device-only",
            Constraints(device_memory_bytes=1_000_000),
            "of memory on the device, but device_memory_bytes allows 1 MB",
        ),
        ("mw", Constraints(upload_bytes=10_000, device_macs=1_000_000), "no tiling was found"),
        ("mw", Constraints(keep_on_device=30), "layers 1 to 29 can be tiled"),
        ("stream", Constraints(device_memory_bytes=1_000, keep_on_device=1), "no strips"),
    ],
)
def test_what_cannot_be_kept_to_says_what_is_short(setting, algorithm, constraints, words):
    with pytest.raises(NoPlanError) as caught:
        planned(
            setting,
            algorithm,
            grid=Grid(2, 2) if algorithm == "mw" else None,
            constraints=constraints,
            budget=Budget(evaluations=75_000),
        )

    assert words in str(caught.value)


def test_the_input_is_not_sent_past_the_kept_layers_either():
    """A branch that leads from the input past layer 1 carries it over a later cut."""
    graph = skipped_input()

    assert graph.input.name in graph.sent(2)
    assert not Constraints(keep_on_device=1).allows_cut(graph, 2)
    assert Constraints(keep_on_device=1).allows_cut(graph, 3)
    assert Constraints().allows_cut(graph, 1)


def test_more_kept_layers_than_there_are_make_no_sense(setting):
    with pytest.raises(InputError, match="has 30 layers"):
        planned(setting, "nfl", constraints=Constraints(keep_on_device=31))


def test_the_best_plans_come_in_order_and_differ(setting):
    for algorithm in ("nfl", "mw", "stream", "psomw", "auto"):
        plans = make_plan(
            setting,
            PlanRequest(
                algorithm=algorithm,
                top=5,
                constraints=Constraints(max_paths=40),
                budget=Budget(evaluations=600_000),
            ),
        ).plans

        assert len(plans) == 5
        makespans = [plan.makespan_s for plan in plans]
        assert makespans == sorted(makespans)
        assert len({(plan.arrangement, plan.cuts) for plan in plans}) == 5
        assert all(plan.lower_bound_s <= makespans[0] for plan in plans)
        for plan in plans:
            check_plan(plan, setting.graph)


def test_the_best_of_several_is_the_best_alone(setting):
    for algorithm in ("nfl", "mw", "stream"):
        budget = Budget(evaluations=600_000)
        alone = planned(setting, algorithm, budget=budget)
        request = PlanRequest(algorithm=algorithm, top=2, budget=budget)
        first, second = make_plan(setting, request).plans

        assert (first.tau, first.grid, first.cuts) == (alone.tau, alone.grid, alone.cuts)
        assert first.makespan_s == alone.makespan_s <= second.makespan_s


def test_a_plan_file_carries_its_constraints_and_may_have_none(setting, tmp_path):
    limits = Constraints(upload_bytes=100_000)
    plan = planned(setting, "nfl", constraints=limits)
    save_plan(tmp_path / "new.json", plan)

    assert load_plan(tmp_path / "new.json").request.constraints == limits

    document = json.loads((tmp_path / "new.json").read_text())
    del document["request"]["constraints"]
    (tmp_path / "old.json").write_text(json.dumps(document))
    loaded = load_plan(tmp_path / "old.json")
    assert loaded.request.constraints == Constraints()
    check_plan(loaded, setting.graph)


def test_a_plan_that_breaks_its_own_constraints_is_refused(squeezenet):
    plan = plan_of(
        squeezenet, cuts=(1,), request=PlanRequest(constraints=Constraints(keep_on_device=1))
    )

    with pytest.raises(FileFormatError, match="breaks its own constraints: cut 1 leaves layers"):
        check_plan(plan, squeezenet.graph)


@pytest.mark.parametrize(
    ("tau", "grid", "cuts"), [(30, (1, 1), (9,)), (14, (2, 2), (1, 14, 8, 15)), (6, (3, 1), (4,))]
)
def test_what_is_counted_is_what_the_device_does(squeezenet, setting, tau, grid, cuts):
    plan = plan_of(squeezenet, tau=tau, grid=grid, cuts=cuts)
    work = DeviceShare(squeezenet, plan.recipe)
    demand = (
        WholeUsage(squeezenet.graph, setting.convention, cuts[0])
        if grid == (1, 1)
        else TileUsage(Counts(setting.graph, setting.convention), plan.arrangement).choose(
            plan.cuts
        )
    )

    assert work.macs == demand.device_macs
    assert work.sessions == len({cut for cut in plan.cuts if cut > 1})


def test_strips_are_counted_with_as_many_sub_models_as_the_device_has(squeezenet, setting):
    plan = planned(setting, "stream")
    work = DeviceShare(squeezenet, plan.recipe)
    demand = StripUsage(squeezenet.graph, setting.convention, plan.arrangement)
    strips = strip_tiling(squeezenet.graph, plan.arrangement)
    steps = {
        (cut, strips.step(strip, 1, cut - 1).likeness): strips.step(strip, 1, cut - 1)
        for strip, cut in enumerate(plan.cuts)
        if cut > 1
    }

    assert work.macs == demand.device_macs
    assert work.sessions == sum(bool(step.operations) for step in steps.values())
    weights = sum(item.operator.weight_bytes for step in steps.values() for item in step.operations)
    assert weights < demand.memory_bytes


@pytest.mark.parametrize("cut", [2, 9, 30, 31])
def test_weights_are_those_of_the_sub_model(squeezenet, cut):
    part = build_submodel(squeezenet, 1, cut - 1)
    sub = with_weights(part.data, part.weights)

    stored = sum(onnx.numpy_helper.to_array(item).nbytes for item in sub.graph.initializer)
    assert weight_bytes(squeezenet.graph, cut) == stored


def test_a_map_is_not_written_over_one_of_another_type():
    """Image and first map in float32, and beside them the bytes that are made of the map."""
    model = net(
        """(float[] y) { a = Relu(x) q = QuantizeLinear(a, s, z)  d = DequantizeLinear(q, s, z)
            y = Conv(d, k) }""",
        s=np.float32(0.1),
        z=np.uint8(0),
        k=np.ones((1, 4, 3, 3), np.float32),
    )
    elements = model.graph.input.elements
    plan = plan_of(model, cuts=[2])

    assert model.graph.depth == 1
    assert whole_bytes(model.graph, 2) == elements * (4 + 4 + 1)
    limits = Constraints(device_memory_bytes=whole_bytes(model.graph, 2))
    assert limit_violations(plan, model.graph, limits) != []  # weights as well
    limits = Constraints(device_memory_bytes=elements * 9 + weight_bytes(model.graph, 2))
    assert limit_violations(plan, model.graph, limits) == []
    limits = Constraints(device_memory_bytes=elements * 9 + weight_bytes(model.graph, 2) - 1)
    assert limit_violations(plan, model.graph, limits) != []
