"""Networks with operators that need whole maps in the middle, and plans that begin behind them."""

from __future__ import annotations

import msgspec
import pytest

from fusepath.cost import ComputeRate, parse_link, tileable_share
from fusepath.errors import FileFormatError, InfeasibleError, InputError
from fusepath.onnx_io import Model, load_model
from fusepath.plan import (
    Budget,
    Constraints,
    Plan,
    PlanRequest,
    Setting,
    check_plan,
    fluid_bound_s,
    limit_violations,
    load_plan,
    make_book,
    make_plan,
    save_plan,
    simulate,
)
from fusepath.plan.fluid import section_bound
from fusepath.plan.limits.head import left_by_head
from fusepath.plan.timing import problem_of_plan
from fusepath.report.gantt import gantt
from fusepath.runtime.compare import compare
from fusepath.runtime.device_share import DeviceShare
from fusepath.runtime.edge_share import EdgeShare
from fusepath.schedule import violations
from fusepath.schedule.schedule import evaluate
from fusepath.tiling import Grid
from fusepath.timeline import HEAD, Lane
from fusepath.timeline import violations as impossible
from tests.planning import planned
from tests.plans import carry_out, pixels, plan_of, with_recipe
from tests.runs import run

START = 26
"""Layers before the longest of the later sections of MobileNetV3."""


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("zoo:mobilenetv3-large")


@pytest.fixture(scope="module")
def setting(model: Model) -> Setting:
    """At the crossover, where the device takes as long as sending the image."""
    return Setting(
        graph=model.graph,
        device=ComputeRate(5.2e9),
        edge=ComputeRate(5e11),
        link=parse_link("1.8MB/s"),
    )


@pytest.fixture(scope="module")
def best(setting: Setting) -> Plan:
    return planned(setting, budget=Budget(evaluations=300_000))


@pytest.fixture(scope="module")
def late(setting: Setting) -> dict[str, Plan]:
    return {name: planned(setting, name, start=START) for name in ("mw", "stream")}


def test_sections_lie_between_operators_that_need_whole_maps(model):
    graph = model.graph

    for before, after in zip(graph.sections, graph.sections[1:], strict=False):
        barrier = graph.barrier_at(before)
        assert barrier is not None
        assert barrier.op_type == "GlobalAveragePool"
        assert before.end < after.start
        for name in graph.frontier(after.start):
            assert graph.tensors[name].is_map  # a gate is multiplied in before
    assert len(graph.frontier(START)) == 2  # the gated map, and what is added to it later
    assert tileable_share(graph) > 0.97


def test_the_rest_of_a_network_is_a_network(model):
    graph = model.graph
    rest = graph.behind(START)

    assert rest.depth == graph.depth - START
    assert rest.entry == graph.frontier(START)
    assert [layer.name for layer in rest.layers] == [layer.name for layer in graph.layers[START:]]
    for cut in range(1, rest.depth + 2):
        assert rest.sent(cut) == graph.sent(cut + START)
    assert graph.behind(0) is graph
    assert rest.tileable_layers == next(s.layers for s in graph.sections if s.start == START)


def test_auto_begins_where_it_pays(setting, best):
    nfl = planned(setting, "nfl")

    assert best.start > 0
    assert nfl.makespan_s > 1.05 * best.makespan_s
    assert min(best.cuts) > best.start
    assert best.lower_bound_s <= fluid_bound_s(setting) <= best.makespan_s
    assert planned(setting, start=0).makespan_s >= best.makespan_s
    check_plan(best, setting.graph)


def test_a_bound_that_knew_no_sections_would_be_none(setting, best):
    assert section_bound(setting).bound_s > best.makespan_s


@pytest.mark.parametrize("name", ["mw", "stream"])
def test_every_way_to_tell_how_long_it_takes_agrees(setting, late, name, tmp_path):
    plan = late[name]
    played = simulate(plan, setting)

    assert plan.start == START
    assert played.end_s == plan.makespan_s
    assert sorted(map(str, played.spans)) == sorted(map(str, plan.timeline.spans))
    assert impossible(plan.timeline) == []
    (head,) = (span for span in plan.timeline.spans if span.path == HEAD)
    assert (head.lane, head.start_s) == (Lane.DEVICE, 0.0)
    assert gantt(plan.timeline).splitlines()[0].split()[1].startswith("H")
    save_plan(tmp_path / "plan.json", plan)
    assert load_plan(tmp_path / "plan.json") == plan


def test_a_timeline_in_which_the_head_comes_late_is_impossible(late):
    timeline = late["mw"].timeline
    spans = tuple(
        msgspec.structs.replace(span, end_s=span.end_s * 1.5) if span.path == HEAD else span
        for span in timeline.spans
    )

    assert impossible(msgspec.structs.replace(timeline, spans=spans))


@pytest.mark.parametrize("name", ["mw", "stream"])
def test_what_is_predicted_is_what_is_done(model, setting, late, name):
    plan = late[name]
    device, edge = DeviceShare(model, plan.recipe), EdgeShare(model, plan.recipe)

    assert (device.macs, edge.macs) == (plan.device_macs, plan.edge_macs)
    carried = carry_out(model, plan, pixels(model))
    assert carried.up_bytes == plan.up_bytes
    whole = carry_out(model, plan_of(model, form=plan.input), pixels(model))
    for output, want in whole.outputs.items():
        assert compare({output: carried.outputs[output]}, {output: want}).passed


def test_a_run_shows_the_head_and_is_verified():
    model = load_model("zoo:mobilenetv3-large?size=64")
    cuts = [START + 1, START + 4, START + 6]
    plan = plan_of(model, start=START, tau=START + 5, grid=(2, 2), cuts=cuts)

    report = run(model, pixels(model), edge="memory:", plan=plan, verify=True)

    assert report.comparison.passed
    (inference,) = report.runs
    assert next(s.path for s in inference.timeline.on(Lane.DEVICE)) == HEAD
    assert impossible(inference.timeline, tolerance_s=1e-3) == []
    assert inference.device_macs == DeviceShare(model, plan.recipe).macs
    assert any(span.path == HEAD for span in report.predicted.spans)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start": START + 1}, "sections of 'mobilenetv3-large' begin behind layers 0, 14, 20"),
        ({"start": -1}, "begin behind"),
        ({"start": 10**9}, "begin behind"),
        ({"start": 68}, "do not fit"),
        ({"cuts": (START,) * 4}, f"a layer from {START + 1} to {START + 6}"),
    ],
)
def test_a_recipe_that_begins_nowhere_is_refused(model, changes, words):
    good = plan_of(model, start=START, tau=START + 5, grid=(2, 2), cuts=[START + 1])
    check_plan(good, model.graph)

    with pytest.raises(FileFormatError, match=words):
        check_plan(with_recipe(good, **changes), model.graph)


def test_a_recipe_from_before_begins_at_the_image(model):
    written = msgspec.to_builtins(plan_of(model).recipe)
    del written["start"]

    assert msgspec.convert(written, type(plan_of(model).recipe)).start == 0


@pytest.mark.parametrize(
    "constraints",
    [
        Constraints(device_macs=150_000_000),
        Constraints(device_memory_bytes=6_500_000),
        Constraints(keep_on_device=30),
        Constraints(upload_bytes=200_000),
    ],
)
def test_limits_count_what_comes_before_the_paths(setting, constraints):
    graph = setting.graph
    grid = Grid(2, 2)
    plan = planned(setting, "mw", start=START, grid=grid, constraints=constraints)

    assert plan.start == START
    assert limit_violations(plan, graph, constraints) == []
    least = Constraints(device_macs=plan.device_macs)
    assert limit_violations(plan, graph, least) == []
    short = Constraints(device_macs=plan.device_macs - 1)
    assert limit_violations(plan, graph, short) != []


def test_a_head_that_breaks_limits_is_said(setting):
    tight = Constraints(device_macs=1_000_000)

    assert left_by_head(tight, setting.graph, START) is None
    result = make_plan(setting, PlanRequest(algorithm="mw", start=START, constraints=tight))
    assert result.plans == ()
    with pytest.raises(InfeasibleError, match="layers 1 to 26, computed whole"):
        _ = result.best


def test_what_does_not_tile_begins_at_the_image(setting):
    with pytest.raises(InputError, match="leave out start"):
        planned(setting, "nfl", start=START)
    with pytest.raises(InputError, match=r"no section of .* begins behind"):
        planned(setting, "mw", start=START + 1)
    with pytest.raises(InputError, match=r"does not lie behind.* tau may be from 27 to 41$"):
        planned(setting, "mw", start=START, tau=START)


@pytest.mark.parametrize("algorithm", ["device-only", "full-offload", "nfl"])
@pytest.mark.parametrize("asked", [{"grid": Grid(2, 2)}, {"tau": 3}], ids=str)
def test_what_does_not_tile_ignores_no_grid_and_no_fused_layer(setting, algorithm, asked):
    with pytest.raises(InputError, match="does not tile: leave out grid and tau"):
        planned(setting, algorithm, **asked)


def test_schedules_of_the_rest_are_checked_behind_the_head(setting, late):
    plan = late["mw"]
    problem, cuts = problem_of_plan(setting, plan)
    schedule = evaluate(problem, [path - 1 for path in plan.order], cuts)

    assert problem.head_ns > 0
    assert schedule.makespan_ns == round(plan.makespan_s * 1e9)
    assert violations(problem, schedule) == []
    early = schedule.behind(0, -1)
    assert any("head" in text for text in violations(problem, early))


def test_a_book_has_plans_of_later_sections(setting):
    request = PlanRequest(codecs="off", budget=Budget(evaluations=30_000))
    book = make_book(setting, (1.75e6, 1.85e6), request)
    link = parse_link("1.8MB/s")
    plan = book.plan_for(link)

    assert plan.start > 0
    assert plan.makespan_s == pytest.approx(simulate(plan, setting).end_s, rel=1e-6)


def test_networks_of_one_section_are_searched_as_ever():
    graph = load_model("zoo:squeezenet").graph

    assert [(item.start, item.end) for item in graph.sections] == [(0, graph.tileable_layers)]
    assert graph.layers[graph.tileable_layers].operators[0].op_type == "GlobalAveragePool"
