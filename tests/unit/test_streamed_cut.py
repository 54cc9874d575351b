"""The streamed single cut: between the best single cut and auto, one cut, and the best of them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from fusepath.cost import RUNTIME, ComputeRate, parse_link, range_macs
from fusepath.errors import InfeasibleError, InputError
from fusepath.graph import ModelGraph
from fusepath.onnx_io import Model, load_model
from fusepath.plan import (
    Constraints,
    Setting,
    check_plan,
    problem_of,
    problem_of_plan,
    simulate,
)
from fusepath.runtime.device_share import DeviceShare
from fusepath.runtime.edge_share import EdgeShare
from fusepath.schedule import evaluate, violations
from fusepath.tiling import Grid, Segment, Strips, Whole
from fusepath.timeline import violations as timeline_violations
from tests.networks import untileable
from tests.planning import planned

LINKS = ("0.3MB/s", "12MB/s")


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("zoo:tiny-yolov2?size=64")


def setting_of(graph: ModelGraph, link: str = "1.1MB/s") -> Setting:
    return Setting(
        graph=graph,
        device=ComputeRate(10e9),
        edge=ComputeRate(200e9),
        link=parse_link(link),
        convention=RUNTIME,
    )


@pytest.mark.parametrize("link", LINKS)
def test_it_lies_between_the_best_single_cut_and_auto(model, link):
    setting = setting_of(model.graph, link)

    single, streamed, auto = (
        planned(setting, name).makespan_s for name in ("nfl", "streamed-cut", "auto")
    )

    assert auto <= streamed <= single


def test_it_is_quicker_than_the_best_single_cut_where_machines_can_overlap(model):
    setting = setting_of(model.graph)

    assert planned(setting, "streamed-cut").makespan_s < 0.9 * planned(setting, "nfl").makespan_s


@pytest.mark.parametrize("link", LINKS)
def test_it_has_one_cut_and_obeys_the_rules(model, link):
    setting = setting_of(model.graph, link)

    plan = planned(setting, "streamed-cut")

    check_plan(plan, model.graph)
    assert len(set(plan.cuts)) == 1
    problem, cuts = problem_of_plan(setting, plan)
    schedule = evaluate(problem, [path - 1 for path in plan.order], cuts)
    assert violations(problem, schedule) == []
    assert timeline_violations(plan.timeline) == []
    assert schedule.makespan_ns / 1e9 == plan.makespan_s
    assert set(simulate(plan, setting).spans) == set(plan.timeline.spans)


def test_no_evenly_released_segment_of_any_cut_is_quicker(model):
    """Every cut before every other fused layer, in 1 to 16 strips, timed by hand."""
    setting = setting_of(model.graph)
    height = model.graph.input.size(0)

    found_s = planned(setting, "streamed-cut").makespan_s

    for tau in range(1, model.graph.tileable_layers + 1, 2):
        rows = model.graph.fused_size(tau, 0)
        for cut, strips in itertools.product(range(1, tau + 2), (1, 4, 16)):
            marks = tuple((height * (i + 1) // strips, 0) for i in range(strips - 1))
            segment = Segment(start=0, stop=rows, cut=cut, strips=(*marks, (height, rows)))
            other_s = by_hand_s(setting, Strips(tau=tau, segments=(segment,)))
            assert found_s <= other_s * (1 + 1e-6)


def by_hand_s(setting: Setting, strips: Strips) -> float:
    """One strip after the other through device, link and edge server, tail and result behind."""
    problem = problem_of(setting, strips)
    back_ns = problem.back_ns if problem.back_ns is not None else 0 * problem.device_ns
    device = link = edge = back = 0
    for strip in range(problem.paths):
        device += int(problem.device_ns[strip, 0])
        link = max(link, device) + int(problem.link_ns[strip, 0])
        edge = max(edge, link + problem.delay_ns) + int(problem.edge_ns[strip, 0])
        back = max(back, edge) + int(back_ns[strip, 0])
    if not (problem.link_ns.any() or problem.edge_ns.any()):
        return device / 1e9
    return (max(back, edge + problem.tail_ns) + problem.down_ns) / 1e9


def test_machines_carry_it_out_as_strips_of_one_segment(model):
    plan = planned(setting_of(model.graph), "streamed-cut")

    device, edge = DeviceShare(model, plan.recipe), EdgeShare(model, plan.recipe)

    assert isinstance(plan.arrangement, Strips)
    assert len(plan.arrangement.segments) == 1
    assert device.macs + edge.macs == range_macs(model.graph, 1, model.graph.depth)


def test_a_network_without_strips_has_its_single_cut():
    setting = setting_of(untileable())

    plan = planned(setting, "streamed-cut")

    assert isinstance(plan.arrangement, Whole)
    assert plan.makespan_s == planned(setting, "nfl").makespan_s


def test_it_keeps_to_limits_and_says_where_nothing_does(model):
    plan = planned(
        setting_of(model.graph), "streamed-cut", constraints=Constraints(keep_on_device=2)
    )

    assert min(plan.cuts) > 2
    limits = Constraints(keep_on_device=2, device_macs=1)
    with pytest.raises(InfeasibleError, match="must stay on the device"):
        planned(setting_of(model.graph), "streamed-cut", constraints=limits)


def test_it_takes_no_grid(model):
    with pytest.raises(InputError, match="does not tile"):
        planned(setting_of(model.graph), "streamed-cut", grid=Grid(2, 2))


def test_it_says_no_more_than_it_knows(model):
    """A bound of all plans: that no single cut is better proves nothing of those streamed."""
    setting = replace(setting_of(model.graph), device=ComputeRate(1e12))

    plan = planned(setting, "streamed-cut")

    assert plan.lower_bound_s <= planned(setting, "auto").makespan_s
