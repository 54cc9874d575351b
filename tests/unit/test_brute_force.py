"""Searches over all tilings: pruned against plain, on the same small network."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusepath.cost import (
    CONVENTIONS,
    ComputeRate,
    LayerTable,
    Link,
    TableLayer,
    TableLink,
    layer_table,
    load_layer_table,
)
from fusepath.errors import FileFormatError, UndecidedError
from fusepath.jsonfile import save
from fusepath.onnx_io import load_model
from fusepath.plan import (
    ALGORITHMS,
    PlanRequest,
    Search,
    Setting,
    Timing,
    best_single_cut,
    problem_of_table,
    search_plainly,
)
from fusepath.schedule import (
    NS_PER_S,
    brute_force,
    lower_bound_ns,
    minimizing_waiting,
    pruned_brute_force,
    violations,
)
from fusepath.tiling import Grid
from tests.effort import some
from tests.unit.test_conventions import small_network

CONVENTION_NAMES = sorted(CONVENTIONS)


def setting(convention: str, bytes_per_s: float = 1e3, device: float = 2e4) -> Setting:
    """Machines on which neither keeping nor sending everything is best."""
    return Setting(
        graph=small_network(),
        device=ComputeRate(device),
        edge=ComputeRate(4e5),
        link=Link(up_bytes_per_s=bytes_per_s, down_bytes_per_s=bytes_per_s),
        convention=CONVENTIONS[convention],
    )


@pytest.mark.parametrize("convention", CONVENTION_NAMES)
@pytest.mark.parametrize("bytes_per_s", [300.0, 1e3, 4e3])
def test_pruned_and_plain_brute_force_agree_over_all_fused_layers(convention, bytes_per_s):
    where = setting(convention, bytes_per_s)

    plain = search_plainly(Timing(where), Search())
    pruned = ALGORITHMS["bf"].search(Timing(where), Search())

    assert pruned.schedule.makespan_ns == plain.schedule.makespan_ns
    assert violations(Timing(where).problem(pruned.tau, pruned.grid), pruned.schedule) == []


@pytest.mark.parametrize("convention", CONVENTION_NAMES)
@pytest.mark.parametrize("grid", [Grid(2, 2), None])
@pytest.mark.parametrize("bytes_per_s", [300.0, 4e3])
def test_minimizing_waiting_skips_only_what_cannot_be_better(convention, grid, bytes_per_s):
    where = setting(convention, bytes_per_s)
    best = None
    bounds = []
    for tiled in Timing(where).prices.tilings(grid):
        problem = Timing(where).tiled_problem(tiled).restricted(tiled.tau)
        schedule = minimizing_waiting(problem)
        bounds.append(lower_bound_ns(problem))
        if best is None or schedule.makespan_ns <= best[0]:  # Algorithm 1, line 20
            best = (schedule.makespan_ns, tiled.tau, tiled.grid)
    assert best is not None

    found = ALGORITHMS["mw"].search(Timing(where), Search(PlanRequest(grid=grid)))

    assert (found.schedule.makespan_ns, found.tau, found.grid) == best
    assert found.lower_bound_ns <= min(best[0], *bounds)
    first = Search(PlanRequest(grid=grid), first=(1, Grid(2, 2)))
    hinted = ALGORITHMS["mw"].search(Timing(where), first)
    assert hinted.schedule == found.schedule


def test_another_link_changes_nothing_but_the_link():
    first = Timing(setting("table1", 300.0))
    first.prices.tilings()

    moved = first.at(Link(up_bytes_per_s=4e3, down_bytes_per_s=4e3))

    assert moved.prices.tilings() == first.prices.tilings()
    fresh = ALGORITHMS["mw"].search(Timing(setting("table1", 4e3)), Search())
    assert ALGORITHMS["mw"].search(moved, Search()).schedule == fresh.schedule


def test_too_many_schedules_are_refused_by_the_plain_search_and_fine_for_the_pruned_one():
    where = setting("table1")
    problem = Timing(where).problem(3, Grid(3, 3)).restricted(3)

    with pytest.raises(UndecidedError, match="use fewer paths"):
        brute_force(problem)
    best = pruned_brute_force(problem)
    assert lower_bound_ns(problem) <= best.makespan_ns
    assert best.makespan_ns <= minimizing_waiting(problem).makespan_ns


def enumerated(table: LayerTable, link: TableLink) -> tuple[int, float]:
    """Every cut, in words: (first layer on the edge server, seconds)."""
    times = []
    for cut in range(1, len(table.layers) + 2):
        here, there = table.layers[: cut - 1], table.layers[cut - 1 :]
        seconds = math.fsum(layer.device_s for layer in here)
        if there:
            seconds += there[0].sent_bytes / link.bytes_per_s + link.delay_s
            seconds += math.fsum(layer.edge_s for layer in there)
            seconds += table.result_bytes / link.bytes_per_s + link.delay_s
        times.append(seconds)
    best = min(range(len(times)), key=times.__getitem__)
    return best + 1, times[best]


def layer_tables() -> st.SearchStrategy[LayerTable]:
    times = st.floats(1e-4, 2.0)
    layer = st.builds(
        TableLayer,
        name=st.just("layer"),
        device_s=times,
        edge_s=times,
        sent_bytes=st.floats(1, 1e7),
    )
    link = st.builds(
        TableLink,
        name=st.just("link"),
        bytes_per_s=st.floats(1e4, 1e8),
        delay_s=st.sampled_from([0.0, 0.01]),
    )
    return st.builds(
        LayerTable,
        name=st.just("random"),
        layers=st.lists(layer, min_size=1, max_size=12).map(tuple),
        result_bytes=st.floats(0, 1e6),
        links=st.tuples(link),
    )


@settings(max_examples=some(200), deadline=None)
@given(layer_tables())
def test_single_cut_equals_enumeration_on_any_numbers(table):
    (link,) = table.links
    _, seconds = enumerated(table, link)

    schedule = best_single_cut(problem_of_table(table, link))

    assert schedule.makespan_ns == pytest.approx(seconds * NS_PER_S, abs=4)


@pytest.mark.parametrize(
    "source", ["zoo:squeezenet", "zoo:mobilenetv2?size=96", "zoo:resnet18?size=64"]
)
def test_single_cut_equals_enumeration_on_networks(source, tmp_path):
    check_network(source, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    ["zoo:alexnet", "zoo:vgg16", "zoo:resnet50", "zoo:yolov2", "zoo:tiny-yolov2"],
)
def test_single_cut_equals_enumeration_on_large_networks(source, tmp_path):
    check_network(source, tmp_path)


def check_network(source, tmp_path):
    graph = load_model(source).graph
    rates = [2e5, 1.1e6, 3e6, 2e7]
    table = layer_table(
        graph,
        device=ComputeRate(2e9),
        edge=ComputeRate(1e11),
        convention=CONVENTIONS["runtime"],
        links=tuple(TableLink(name=f"{rate:g}", bytes_per_s=rate) for rate in rates),
    )
    save(tmp_path / "table.json", table)
    loaded = load_layer_table(tmp_path / "table.json")
    assert loaded == table
    for link in loaded.links:
        cut, seconds = enumerated(loaded, link)
        schedule = best_single_cut(problem_of_table(loaded, link))
        planned = ALGORITHMS["nfl"].search(
            Timing(
                Setting(
                    graph=graph,
                    device=ComputeRate(2e9),
                    edge=ComputeRate(1e11),
                    link=Link(up_bytes_per_s=link.bytes_per_s, down_bytes_per_s=link.bytes_per_s),
                )
            ),
            Search(),
        )

        assert schedule.cuts == (cut,)
        assert schedule.makespan_ns == pytest.approx(seconds * NS_PER_S, abs=4)
        assert planned.schedule.cuts == (cut,)
        assert planned.schedule.makespan_ns == pytest.approx(schedule.makespan_ns, abs=4)


def test_a_layer_table_that_is_none_is_refused(tmp_path):
    file = tmp_path / "table.json"
    good = LayerTable(
        name="x",
        layers=(TableLayer(name="a", device_s=1.0, edge_s=0.1, sent_bytes=10),),
        links=(TableLink(name="l", bytes_per_s=1.0),),
    )
    save(file, good)
    text = file.read_text()
    for old, new in (
        ('"device_s": 1.0', '"device_s": -1.0'),
        ('"bytes_per_s": 1.0', '"bytes_per_s": 0.0'),
        ('"version": 1', '"version": 2'),
        ('"links"', '"rates"'),
        ("fusepath-layers", "fusepath-plan"),
    ):
        assert old in text
        file.write_text(text.replace(old, new))
        with pytest.raises(FileFormatError):
            load_layer_table(file)


def test_brute_force_is_no_worse_than_any_single_choice():
    where = setting("table1")
    problem = Timing(where).problem(2, Grid(2, 1)).restricted(2)
    everything = [
        (order, cuts)
        for order in itertools.permutations(range(2))
        for cuts in itertools.product((1, 2), repeat=2)
    ]

    assert len(everything) == 8
    assert brute_force(problem).makespan_ns == pruned_brute_force(problem).makespan_ns
