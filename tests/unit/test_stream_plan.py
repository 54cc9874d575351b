"""The stream planner: what it finds is real, checked, and never worse than what it starts from."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from fusepath.cost import CONVENTIONS, RUNTIME, ComputeRate, LayerTime, MachineProfile, parse_link
from fusepath.errors import FileFormatError, InfeasibleError, InputError
from fusepath.onnx_io import Model, load_model
from fusepath.plan import (
    Setting,
    Timing,
    check_plan,
    problem_of_plan,
    simulate,
)
from fusepath.plan.families.strips.layer import layers_of, makespan_of
from fusepath.plan.limits.constraints import NO_CONSTRAINTS
from fusepath.runtime.device_share import DeviceShare
from fusepath.runtime.edge_share import EdgeShare
from fusepath.schedule import evaluate, violations
from fusepath.tiling import Grid, Segment, Strips
from fusepath.timeline import Lane
from fusepath.timeline import violations as timeline_violations
from tests.networks import untileable
from tests.planning import UNLIMITED, planned
from tests.plans import with_recipe
from tests.small_detector import small_detector


@pytest.fixture(scope="module")
def squeezenet() -> Model:
    return load_model("zoo:squeezenet")


@pytest.fixture(scope="module")
def tiny_yolo() -> Model:
    return load_model("zoo:tiny-yolov2?size=224")


def setting_of(model: Model, *, device="10GFLOPS", edge="500GFLOPS", link="1.1MB/s") -> Setting:
    return Setting(
        graph=model.graph,
        device=ComputeRate(float(device.removesuffix("GFLOPS")) * 1e9),
        edge=ComputeRate(float(edge.removesuffix("GFLOPS")) * 1e9),
        link=parse_link(link),
        convention=RUNTIME,
    )


def test_a_stream_plan_is_a_schedule_that_obeys_the_rules(squeezenet):
    setting = setting_of(squeezenet)

    plan = planned(setting, "stream")

    problem, cuts = problem_of_plan(setting, plan)
    schedule = evaluate(problem, [path - 1 for path in plan.order], cuts)
    assert violations(problem, schedule) == []
    assert schedule.makespan_ns / 1e9 == plan.makespan_s
    assert timeline_violations(plan.timeline) == []
    assert plan.lower_bound_s <= plan.makespan_s


def test_the_event_engine_agrees_with_the_planner(squeezenet):
    setting = setting_of(squeezenet)
    plan = planned(setting, "stream")

    assert set(simulate(plan, setting).spans) == set(plan.timeline.spans)


@pytest.mark.parametrize("name", ["parallel-edge", "no-contention"])
def test_strips_wait_for_the_strips_that_they_go_on_from(squeezenet, name):
    """More workers on the edge server do not help: each strip reads rows of the one before."""
    setting = setting_of(squeezenet, device="1GFLOPS", edge="2GFLOPS", link="12MB/s")
    setting = replace(setting, convention=CONVENTIONS[name])

    plan = planned(setting, "stream")

    served = [span for span in plan.timeline.on(Lane.EDGE) if span.path]
    assert len(served) > 2
    assert all(before.end_s <= after.start_s for before, after in pairwise(served))
    assert [span.path for span in served] == sorted(span.path or 0 for span in served)
    problem, cuts = problem_of_plan(setting, plan)
    schedule = evaluate(problem, range(problem.paths), cuts)
    assert violations(problem, schedule) == []
    assert simulate(plan, setting).end_s == plan.makespan_s
    (layer,) = layers_of(Timing(setting), plan.tau, NO_CONSTRAINTS, UNLIMITED.begin())
    taken_s = makespan_of(layer, plan.arrangement.segments)
    assert taken_s == pytest.approx(plan.makespan_s, abs=1e-7)


def test_reusing_halos_beats_one_cut_and_tiles_on_squeezenet(squeezenet):
    setting = setting_of(squeezenet)

    stream, nfl, mw = (planned(setting, name).makespan_s for name in ("stream", "nfl", "mw"))

    assert nfl / stream > 1.4
    assert stream < mw


@pytest.mark.parametrize("device", ["2GFLOPS", "10GFLOPS", "50GFLOPS"])
@pytest.mark.parametrize("link", ["1.1MB/s", "12MB/s"])
def test_auto_is_never_worse_than_any_family(device, link):
    setting = setting_of(small_detector(), device=device, link=link)

    auto = planned(setting, "auto", budget=UNLIMITED).makespan_s

    for name in ("device-only", "full-offload", "nfl", "mw", "stream"):
        assert auto <= planned(setting, name).makespan_s


def test_what_the_sessions_do_is_what_the_plan_says(tiny_yolo):
    plan = planned(setting_of(tiny_yolo), "stream")

    device, edge = DeviceShare(tiny_yolo, plan.recipe), EdgeShare(tiny_yolo, plan.recipe)

    sent = 0
    for path in range(len(plan.cuts)):
        for dtype, shape in edge.expected(path).values():
            size = 1
            for length in shape:
                size *= length
            sent += size * (1 if dtype == "uint8" else 4)
    assert device.macs == plan.device_macs
    assert edge.macs == plan.edge_macs
    assert sent == plan.up_bytes


def test_what_the_device_has_finished_is_not_sent(tiny_yolo):
    """Tiny YOLO can be tiled to its end, so rows that the device has finished stay there."""
    setting = setting_of(tiny_yolo, device="50GFLOPS", edge="50GFLOPS", link="1.1MB/s")

    plan = planned(setting, "stream", tau=tiny_yolo.graph.depth)

    assert tiny_yolo.graph.sent(tiny_yolo.graph.depth + 1) == ()
    assert plan.makespan_s <= planned(setting, "device-only").makespan_s * 1.01


def test_parts_of_the_result_come_back_while_others_are_sent_and_computed():
    """The output of a detector takes long on the way back: one at the end is waited for."""
    model = load_model("zoo:tiny-yolov2")
    setting = setting_of(model, link="1.8MB/s")
    depth = model.graph.depth

    plan = planned(setting, "stream")

    problem, cuts = problem_of_plan(setting, plan)
    assert plan.tau == depth
    in_parts = evaluate(problem, range(problem.paths), cuts)
    one_result = replace(
        problem, back_ns=None, down_ns=round(Timing(setting).down_s(in_parts=False) * 1e9)
    )
    assert in_parts.makespan_ns / 1e9 == plan.makespan_s
    assert (
        plan.makespan_s < 0.9 * evaluate(one_result, range(problem.paths), cuts).makespan_ns / 1e9
    )
    # Plans with a tail return one result, as all of them would.
    others = [planned(setting, "stream", tau=tau).makespan_s for tau in range(9, depth)]
    assert plan.makespan_s < 0.9 * min(others)
    assert violations(problem, in_parts) == []
    assert timeline_violations(plan.timeline) == []
    assert set(simulate(plan, setting).spans) == set(plan.timeline.spans)
    assert len([span for span in plan.timeline.on(Lane.DOWNLINK) if span.path]) > 2


def test_what_returns_in_parts_is_what_the_edge_server_makes_of_the_result(tiny_yolo):
    setting = setting_of(tiny_yolo, device="40GFLOPS", edge="80GFLOPS", link="1.8MB/s")
    graph = tiny_yolo.graph
    height = graph.fused_size(graph.depth, 0)
    segments = (
        Segment(start=0, stop=3, cut=1, strips=((100, 0), (150, 3))),
        Segment(start=3, stop=height, cut=graph.depth + 1, strips=((200, 0), (224, height))),
    )

    problem = Timing(setting).strip_problem(Strips(tau=graph.depth, segments=segments))

    assert problem.back_ns is not None
    row_bytes = 4 * 125 * graph.fused_size(graph.depth, 1)
    sent_s = 3 * row_bytes / setting.link.down_bytes_per_s
    assert problem.back_ns[:2].sum() == pytest.approx(sent_s * 1e9, abs=2)
    assert problem.back_ns[2:].tolist() == [[0], [0]]


def test_every_strip_pays_for_receiving_its_own_bytes(tiny_yolo):
    """Of strips of different sizes, so that a strip cannot be taken for another."""
    free = setting_of(tiny_yolo)
    s_per_byte = 1e-6
    costly = replace(free, link=msgspec.structs.replace(free.link, receive_s_per_byte=s_per_byte))
    graph = tiny_yolo.graph
    height = graph.fused_size(graph.depth, 0)
    segments = (
        Segment(start=0, stop=height, cut=1, strips=((60, 0), (160, 0), (200, 0), (224, height))),
    )

    strips = Strips(tau=graph.depth, segments=segments)
    before, after = (Timing(item).strip_problem(strips) for item in (free, costly))

    sent_bytes = before.link_ns[:, 0] * 1e-9 * free.link.up_bytes_per_s
    assert len(set(sent_bytes.round().tolist())) == len(sent_bytes) == 4
    expected_s = sent_bytes * s_per_byte
    received_s = (after.edge_ns - before.edge_ns)[:, 0] * 1e-9
    assert received_s == pytest.approx(expected_s, abs=1e-8)
    assert np.array_equal(before.device_ns, after.device_ns)
    assert np.array_equal(before.link_ns, after.link_ns)


def test_a_result_that_is_not_counted_returns_in_no_time(tiny_yolo):
    free = msgspec.structs.replace(RUNTIME, counts_result=False)
    setting = replace(setting_of(tiny_yolo, link="1.8MB/s"), convention=free)

    plan = planned(setting, "stream", tau=tiny_yolo.graph.depth)

    assert plan.timeline.on(Lane.DOWNLINK) == ()
    assert plan.makespan_s == plan.timeline.end_s


@pytest.mark.parametrize("link", ["1.1MB/s", "12MB/s"])
def test_bounds_optimum_and_heuristics_are_in_their_order(link):
    setting = setting_of(small_detector(), link=link)
    plans = {
        name: planned(setting, name, budget=UNLIMITED)
        for name in ("exact", "bf", "mw", "jps", "auto")
    }

    assert plans["exact"].status == "optimal"
    for name in ("bf", "mw", "jps"):
        assert plans["exact"].makespan_s <= plans[name].makespan_s
    for plan in plans.values():
        assert plans["auto"].lower_bound_s <= plan.makespan_s  # the fluid bound holds for all


def test_fixed_costs_make_strips_fewer(squeezenet):
    cheap = planned(setting_of(squeezenet), "stream")
    graph = squeezenet.graph
    profile = MachineProfile(
        model_sha256=graph.sha256,
        layers=tuple(
            LayerTime(name=layer.name, seconds=5e-3, fixed_s=1e-3) for layer in graph.layers
        ),
    )
    dear = planned(replace(setting_of(squeezenet), device=profile, edge=profile), "stream")

    assert len(dear.cuts) < len(cheap.cuts)


def test_stream_and_auto_choose_their_own_grid(squeezenet):
    with pytest.raises(InputError, match="leave out grid"):
        planned(setting_of(squeezenet), "stream", grid=Grid(2, 2))
    with pytest.raises(InputError, match="leave out grid"):
        planned(setting_of(squeezenet), "auto", grid=Grid(2, 2))


def test_a_network_that_cannot_be_tiled_has_no_stream_but_an_auto_plan():
    setting = Setting(
        graph=untileable(),
        device=ComputeRate(1e9),
        edge=ComputeRate(1e10),
        link=parse_link("1MB/s"),
    )

    with pytest.raises(InfeasibleError, match="strips"):
        planned(setting, "stream")
    assert not planned(setting, "auto").arrangement.is_split


@pytest.mark.parametrize("field", ["order", "cuts", "arrangement"])
def test_a_stream_plan_that_contradicts_its_segments_is_refused(tiny_yolo, field):
    plan = planned(setting_of(tiny_yolo), "stream")
    assert len(plan.cuts) > 2
    first, *others = plan.arrangement.segments
    other = msgspec.structs.replace(first, cut=first.cut + 1)
    wrong = {
        "order": tuple(reversed(plan.order)),
        "cuts": tuple(1 if cut > 1 else 2 for cut in plan.cuts),
        "arrangement": Strips(tau=plan.tau, segments=(other, *others)),
    }

    broken = with_recipe(plan, **{field: wrong[field]})

    with pytest.raises(FileFormatError):
        check_plan(broken, tiny_yolo.graph)
