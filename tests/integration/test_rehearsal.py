"""Plans are predicted anew from the times of their very paths, and the best of them is run."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest

from fusepath.cost import RUNTIME, ComputeRate, Link
from fusepath.offload import plan_search
from fusepath.offload.emulation import Emulation
from fusepath.offload.machines import Machines, measured_link
from fusepath.offload.pairing import Pairing
from fusepath.offload.trials import Trials
from fusepath.onnx_io import load_model
from fusepath.plan import PlanRequest, Setting, predict, shortlist
from fusepath.profiling.layers import measure_layers
from fusepath.remote.client import connect, idle_s
from fusepath.runtime import edge_share
from fusepath.runtime.device_share import DeviceShare
from fusepath.runtime.edge_share import EdgeShare
from fusepath.tiling import Segment
from fusepath.timeline import Lane, Span, Timeline, violations
from tests.edges import Edge
from tests.planning import UNLIMITED, planned
from tests.plans import pixels, plan_of
from tests.runs import run


@pytest.fixture(scope="module")
def model():
    return load_model("zoo:squeezenet?size=64&weights=integer")


@pytest.fixture(scope="module")
def setting(model) -> Setting:
    return Setting(
        graph=model.graph,
        device=ComputeRate(1e9),
        edge=ComputeRate(5e10),
        link=Link(up_bytes_per_s=1e6, down_bytes_per_s=2e6),
        convention=RUNTIME,
    )


def test_a_prediction_is_made_of_the_measured_times(model):
    plan = plan_of(model, tau=5, grid=(2, 1), cuts=[3, 1], order=[2, 1])

    timeline = predict(
        model.graph,
        plan,
        device_s=[0.010, 0.0],
        sent_bytes=[4_000, 9_000],
        edge_s=[0.002, 0.005],
        tail_s=0.007,
    )

    spans = {(span.lane, span.path): (span.start_s, span.end_s) for span in timeline.spans}
    assert spans[Lane.DEVICE, 1] == (0.0, 0.010)
    assert spans[Lane.UPLINK, 2] == (0.0, 0.009)
    assert spans[Lane.UPLINK, 1] == (0.010, 0.014)
    assert spans[Lane.EDGE, 2] == (0.009, 0.014)
    assert spans[Lane.EDGE, 1] == (0.014, 0.016)
    assert spans[Lane.EDGE, None] == pytest.approx((0.016, 0.023))
    assert violations(timeline) == []


def test_a_prediction_has_parts_of_the_result_where_the_plan_returns_them():
    model = load_model("zoo:tiny-yolov2?size=64&weights=integer")
    depth = model.graph.depth
    segments = (
        Segment(start=0, stop=1, cut=1, strips=((30, 0), (50, 1))),
        Segment(start=1, stop=2, cut=depth + 1, strips=((64, 2),)),
    )
    plan = plan_of(model, segments=segments)

    timeline = predict(
        model.graph,
        plan,
        device_s=[0.0, 0.0, 0.010],
        sent_bytes=[1_000, 2_000, 0],
        edge_s=[0.001, 0.002, 0.0],
        tail_s=0.0,
    )

    (part,) = timeline.on(Lane.DOWNLINK)
    row_bytes = 4 * 125 * model.graph.fused_size(depth, 1)
    assert part.path == 2  # the first strip ends before any row of the result, the third stays
    assert part.start_s == pytest.approx(0.005)
    assert part.duration_s == pytest.approx(row_bytes / 1e6)
    assert violations(timeline) == []


def test_both_machines_time_every_path_of_a_plan(model, setting):
    plan = planned(setting, "stream")
    image = pixels(model)

    device, edge = DeviceShare(model, plan.recipe), EdgeShare(model, plan.recipe)
    on_device = device.rehearse(image, repeats=2)
    on_edge = edge.rehearse()

    assert [len(times) for times in on_device.paths_s] == [2] * len(plan.cuts)
    assert len(on_device.head_s) == 2
    assert len(on_edge.paths_s) == len(plan.cuts)
    assert min(on_edge.paths_s) >= 0
    assert (on_edge.tail_s > 0) == (plan.tau < model.graph.depth)
    sent = sum(device.sent_bytes(path) for path in range(len(plan.cuts)))
    assert sent == plan.up_bytes


def test_the_edge_server_idles_in_a_rehearsal_as_it_will():
    spans = (
        Span(lane=Lane.EDGE, path=2, start_s=0.004, end_s=0.006),
        Span(lane=Lane.EDGE, path=1, start_s=0.006, end_s=0.009),
        Span(lane=Lane.EDGE, start_s=0.012, end_s=0.020),
        Span(lane=Lane.EDGE, path=4, start_s=0.021, end_s=0.022),
        Span(lane=Lane.EDGE, path=5, worker=1, start_s=0.003, end_s=0.030),
    )
    plan = SimpleNamespace(cuts=(1, 1, 8, 1, 1), timeline=Timeline(spans=spans))

    assert idle_s(plan) == pytest.approx((0.0, 0.004, 0.0, 0.001, 0.003))


def test_idle_time_before_a_path_is_that_of_this_path_and_of_tiles_alike_the_mean(
    model, setting, monkeypatch
):
    slept_s: list[float] = []
    monkeypatch.setattr(edge_share.time, "sleep", slept_s.append)
    strips = planned(setting, "stream")
    waits_s = [0.001 * number for number in range(len(strips.cuts))]

    EdgeShare(model, strips.recipe).rehearse(idle_s=waits_s)
    rounds = len(slept_s) // (len(waits_s) - 1)
    assert rounds >= 2
    assert slept_s == [waits_s[path - 1] for path in strips.order if path > 1] * rounds

    slept_s.clear()
    tiles = EdgeShare(model, plan_of(model, tau=2, grid=(2, 4), cuts=[1] * 8).recipe)
    tiles.rehearse(idle_s=[0.008, 0.0, 0.0, 0.0, 0.0])
    assert sorted(set(slept_s)) == pytest.approx([0.008 / tiles._alike().count(0)])

    slept_s.clear()
    tiles.rehearse()
    assert slept_s == []


def test_the_shortlist_starts_with_the_best_and_repeats_nothing(setting):
    plans = shortlist(setting, PlanRequest(budget=UNLIMITED))

    assert plans[0].makespan_s == planned(setting, "auto", budget=UNLIMITED).makespan_s
    assert len(plans) > 1
    for earlier, later in itertools.pairwise(plans):
        assert earlier.makespan_s <= later.makespan_s
        assert (earlier.tau, earlier.cuts) != (later.tau, later.cuts)
    assert {plan.algorithm for plan in plans} == {"auto"}


def chosen(model, setting, edge: Edge, plans, *, pace_bytes_per_s=None):
    """Which of some plans is run, and how often plans are tried before."""
    tried = []

    class Watched(Pairing):
        async def infer(self, prepared, image, **options):
            tried.append(prepared.plan)
            return await super().infer(prepared, image, **options)

    async def choice():
        async with connect(edge.address) as client:
            emulation = Emulation(pace_bytes_per_s=pace_bytes_per_s)
            pairing = Watched(model=model, client=client, emulation=emulation)
            trials = Trials(pairing=pairing, sample=pixels(model))
            return await trials.choose(setting, lambda _: plans)

    return asyncio.run(choice()).plan, len(tried)


def offloaded_and_kept(model, claimed_bytes_per_s):
    link = Link(up_bytes_per_s=claimed_bytes_per_s, down_bytes_per_s=claimed_bytes_per_s)
    return [
        msgspec.structs.replace(plan_of(model, cuts=[cut]), link=link)
        for cut in (1, model.graph.depth + 1)
    ]


def test_the_plan_that_is_run_is_the_one_that_turns_out_quickest(model, setting, edge: Edge):
    """Both times the link is not what the plans were made for; 12 kB are sent over it."""
    offloaded, kept = offloaded_and_kept(model, 1e9)

    plan, trials = chosen(model, setting, edge, [offloaded, kept], pace_bytes_per_s=1e5)

    assert plan == kept
    assert trials == 3  # what is kept need not be tried


def test_where_trials_would_take_long_predictions_decide(model, setting, edge: Edge):
    offloaded, kept = offloaded_and_kept(model, 2e3)

    assert chosen(model, setting, edge, [offloaded, kept]) == (kept, 0)


def test_for_machines_or_a_link_that_are_given_predictions_decide(model, edge: Edge, monkeypatch):
    """Here and now the link may be another than the one that is planned for."""
    asked = []

    choose = Trials.choose

    async def watched(*args, trials, **options):
        asked.append(trials)
        return await choose(*args, trials=trials, **options)

    monkeypatch.setattr(Trials, "choose", watched)
    link = Link(up_bytes_per_s=1e6, down_bytes_per_s=1e6)
    rate = ComputeRate(1e9)
    given = [Machines(link=link), Machines(device=rate), Machines(edge=rate), Machines()]
    for item in given:
        run(
            model,
            pixels(model),
            request=PlanRequest(algorithm="nfl", codecs="off"),
            edge=edge.address,
            given=item,
        )

    assert asked == [0, 0, 0, 3]


@pytest.mark.parametrize("trials", [0, 3])
def test_for_a_machine_that_has_changed_all_is_planned_again(model, setting, edge: Edge, trials):
    """The profile says that the device is twenty times quicker than it is played to be."""
    profile = measure_layers(model)
    setting = replace(setting, device=profile.slowed(20), edge=profile)
    asked = []

    def plans_for(wanted: Setting):
        asked.append(wanted)
        return [planned(wanted, "device-only", source=model.source)]

    async def choice():
        async with connect(edge.address) as client:
            emulation = Emulation(slowdown=400)
            pairing = Pairing(model=model, client=client, emulation=emulation)
            tried = Trials(pairing=pairing, sample=pixels(model))
            return await tried.choose(setting, plans_for, trials=trials)

    prepared = asyncio.run(choice())

    assert asked[0] is setting
    assert len(asked) == (2 if trials else 1)
    assert prepared.plan.cuts == (model.graph.depth + 1,)
    if trials:
        assert asked[1].edge is profile  # of which that plan shows nothing
        assert asked[1].device.total_s > 5 * setting.device.total_s


def test_a_single_plan_is_not_tried(model, setting, edge: Edge):
    offloaded, _ = offloaded_and_kept(model, 1e9)

    assert chosen(model, setting, edge, [offloaded]) == (offloaded, 0)


def test_auto_runs_what_it_rehearsed_and_reports_that_prediction(model, edge: Edge, monkeypatch):
    listed = []

    def listing(*args, **options):
        listed.extend(shortlist(*args, **options))
        return listed

    monkeypatch.setattr(plan_search, "shortlist", listing)

    report = run(
        model,
        pixels(model),
        edge=edge.address,
        pace_bytes_per_s=1e6,
        slowdown=20,
        verify=True,
        mean=(0.0,),
        std=(1.0,),
    )

    # Only the bound is shared by all that were listed.
    assert report.plan.predicting(lower_bound_s=0.0) in [
        plan.predicting(lower_bound_s=0.0) for plan in listed
    ]
    assert report.comparison is not None
    assert report.comparison.bit_equal
    assert not report.predicted.measured
    assert violations(report.predicted) == []


def test_what_messages_cost_is_measured_on_both_machines(edge: Edge):
    async def measure() -> tuple[Link, Link]:
        async with connect(edge.address) as client:
            return await measured_link(client), await measured_link(client, pace_bytes_per_s=1e6)

    real, played = asyncio.run(measure())

    for link in (real, played):
        assert 0 < link.message_device_s < 0.05
        assert 0 < link.message_edge_s < 0.05
        assert 0 < link.delay_s < 0.5
    assert played.up_bytes_per_s == played.down_bytes_per_s == 1e6
    assert played.message_bytes == 0
    assert real.message_bytes > 0


def test_a_prediction_counts_what_messages_cost(model):
    link = Link(
        up_bytes_per_s=1e6,
        down_bytes_per_s=1e6,
        message_bytes=500,
        message_device_s=0.001,
        message_edge_s=0.002,
    )
    plan = plan_of(model, tau=5, grid=(2, 1), cuts=[3, 1], order=[2, 1])
    timeline = predict(
        model.graph,
        msgspec.structs.replace(plan, link=link),
        device_s=[0.010, 0.0],
        sent_bytes=[4_000, 9_000],
        edge_s=[0.002, 0.005],
        tail_s=0.007,
    )

    spans = {(span.lane, span.path): (span.start_s, span.end_s) for span in timeline.spans}
    assert spans[Lane.DEVICE, 2] == (0.0, 0.001)
    assert spans[Lane.UPLINK, 2] == pytest.approx((0.001, 0.0105))
    assert spans[Lane.EDGE, 2] == pytest.approx((0.0105, 0.0175))
    assert spans[Lane.DEVICE, 1] == pytest.approx((0.001, 0.012))
    assert spans[Lane.UPLINK, 1] == pytest.approx((0.012, 0.0165))
    assert spans[Lane.EDGE, 1] == pytest.approx((0.0175, 0.0215))
    assert spans[Lane.EDGE, None] == pytest.approx((0.0215, 0.0285))
