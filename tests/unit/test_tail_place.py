"""Where the tail of a detector runs: planned on both machines, kept to limits, predicted."""

from __future__ import annotations

import math
from functools import cache

import pytest

from benchmarks.models.families import FAMILIES
from benchmarks.models.measure import build
from fusepath.cost import ComputeRate, Link
from fusepath.onnx_io import Model, load_model
from fusepath.onnx_io.read import read_model
from fusepath.plan import (
    Budget,
    Constraints,
    Plan,
    PlanRequest,
    Search,
    Setting,
    TailPlace,
    Timing,
    fluid_bound_s,
    limit_violations,
    predict,
    simulate,
)
from fusepath.plan.families.before_tail import fronts
from fusepath.plan.families.strips import search_stream
from fusepath.plan.totals import tail_macs
from fusepath.report import plan_text
from fusepath.report.page import Story, curves_of_plan, report_page
from fusepath.timeline import Lane, violations
from tests.planning import planned
from tests.plans import plan_of

FEW = Budget(evaluations=60_000)


@cache
def detector() -> Model:
    """Heads at two scales, and a tail that puts boxes into rows and decodes them."""
    written = build("blazeface", FAMILIES["blazeface"], "tf2onnx")
    return read_model(written.SerializeToString(), name="blazeface", source="blazeface.onnx")


@cache
def setting() -> Setting:
    """At the crossover of device and edge server."""
    return Setting(
        graph=detector().graph,
        device=ComputeRate(1e9),
        edge=ComputeRate(500e9),
        link=Link(up_bytes_per_s=1.8e6, down_bytes_per_s=1.8e6),
    )


@cache
def best(algorithm: str = "stream") -> Plan:
    return planned(setting(), algorithm, codecs="off", budget=FEW)


@pytest.mark.parametrize("algorithm", ["stream", "auto"])
def test_a_detector_gains_by_its_tail_on_the_device(algorithm):
    plan, nfl = best(algorithm), best("nfl")

    assert plan.tail is TailPlace.DEVICE
    assert nfl.makespan_s / plan.makespan_s > 1.15
    assert "tail on the device" in plan.family
    assert fluid_bound_s(setting()) <= plan.makespan_s
    (last,) = [span for span in plan.timeline.on(Lane.DEVICE) if span.path is None] or [None]
    assert last is None or last.end_s == pytest.approx(plan.makespan_s)
    assert violations(plan.timeline) == []
    assert simulate(plan, setting()).end_s == pytest.approx(plan.makespan_s)


def test_a_classifier_leaves_its_tail_to_the_edge_server():
    model = load_model("zoo:squeezenet")
    where = Setting(
        graph=model.graph,
        device=ComputeRate(8e9),
        edge=ComputeRate(500e9),
        link=Link(up_bytes_per_s=1.8e6, down_bytes_per_s=1.8e6),
    )

    assert planned(where, "stream", codecs="off").tail is TailPlace.EDGE


def test_a_plan_of_the_device_alone_has_no_tail_elsewhere():
    alone, offloaded = best("device-only"), best("full-offload")

    assert alone.stays_on_device
    assert not offloaded.stays_on_device
    for told in (plan_text(alone), report_page(story_of(alone))):
        assert "all on the device" in told
        assert "tail on the edge" not in told
    assert "tail on the edge" in plan_text(offloaded)


def story_of(plan: Plan) -> Story:
    graph, curves = setting().graph, curves_of_plan(plan, setting())
    return Story(plan=plan, graph=graph, predicted=plan.timeline, curves=curves)


def test_limits_count_the_tail():
    graph = detector().graph
    free = best()
    limits = Constraints(device_macs=round(0.8 * free.device_macs))

    plan = planned(setting(), "stream", codecs="off", budget=FEW, constraints=limits)
    narrow = Constraints(device_macs=free.device_macs - 1)

    assert limit_violations(plan, graph, limits) == []
    assert plan.device_macs <= limits.device_macs < free.device_macs
    assert limit_violations(free, graph, narrow)


def test_a_search_within_memory_leaves_room_for_the_tail():
    graph = detector().graph
    (said,) = limit_violations(best(), graph, Constraints(device_memory_bytes=0))
    limits = Constraints(device_memory_bytes=int(said.split()[0]) - 1)

    plan = planned(setting(), "stream", codecs="off", budget=FEW, constraints=limits)

    assert limit_violations(plan, graph, limits) == []


def test_memory_for_the_tail_is_held_beside_that_for_paths():
    graph = detector().graph
    tau = graph.tileable_layers
    on_device = plan_of(detector(), tau=tau, grid=(1, 1), cuts=[1], tail=TailPlace.DEVICE)
    on_edge = plan_of(detector(), tau=tau, grid=(1, 1), cuts=[1])
    behind = graph.operators(tau + 1, graph.depth)
    read = {name for op in behind for name in op.inputs} & set(graph.frontier(tau))
    least = sum(4 * graph.tensors[name].elements for name in read)

    assert limit_violations(on_edge, graph, Constraints(device_memory_bytes=0)) == []
    (said,) = limit_violations(on_device, graph, Constraints(device_memory_bytes=least - 1))
    assert int(said.split()[0]) >= least


def test_the_tail_on_the_device_is_predicted_from_its_measured_time():
    tau = detector().graph.tileable_layers
    plan = plan_of(detector(), tau=tau, grid=(2, 1), cuts=[1, tau + 1], tail=TailPlace.DEVICE)

    timeline = predict(
        detector().graph,
        plan,
        device_s=[0.0, 0.050],
        sent_bytes=[10_000, 0],
        edge_s=[0.002, 0.0],
        tail_s=0.0,
        finish_s=0.007,
    )

    tail = timeline.on(Lane.DEVICE)[-1]
    (part,) = timeline.on(Lane.DOWNLINK)
    assert part.path == 1
    assert tail.path is None
    assert tail.duration_s == pytest.approx(0.007)
    assert tail.start_s >= max(part.end_s, 0.050)
    assert violations(timeline) == []


def test_times_and_counts_of_the_tail_are_those_of_its_layers():
    graph = detector().graph
    tau = 10
    prices = Timing(setting()).prices

    assert prices.finish_s(tau) == pytest.approx(sum(prices.device_layers_s[tau:]))
    assert prices.finish_s(graph.depth) == 0.0
    assert tail_macs(graph, 0) == tail_macs(graph, tau) + tail_macs(graph.front(tau), 0)


def test_a_search_on_both_places_spends_one_budget():
    meter = Budget(evaluations=20_000).begin()

    search_stream(Timing(setting()), Search(PlanRequest(algorithm="stream"), meter))

    assert meter.spent <= 1.1 * 20_000


def test_what_only_the_tail_reads_stays_and_what_the_edge_server_makes_of_it_returns():
    graph = detector().graph
    tau = graph.tileable_layers
    front = graph.front(tau)
    spared = 0

    for cut in range(1, tau + 2):
        made = {name for op in graph.operators(1, cut - 1) for name in op.outputs}
        read = {name for op in graph.operators(cut, tau) for name in op.inputs}
        assert set(front.sent(cut)) == read & {*made, graph.input.name}
        assert set(front.returned(cut)) == set(front.outputs) - made
        spared += len(set(graph.sent(cut)) - set(front.sent(cut)))

    assert spared > 0
    assert set(front.outputs) == set(graph.frontier(tau))


def test_the_tail_takes_from_limits_what_it_needs():
    graph, tau = detector().graph, 10
    needs = tail_macs(graph, tau)
    timing = Timing(setting())

    (front,) = fronts(timing, tau, Constraints(device_macs=needs + 7), math.inf)

    assert front.constraints.device_macs == 7
    assert front.timing.finish_s == timing.prices.finish_s(tau) > 0
    assert list(fronts(timing, tau, Constraints(device_macs=needs - 1), math.inf)) == []
    assert list(fronts(timing, tau, Constraints(keep_on_device=tau + 1), math.inf)) == []
