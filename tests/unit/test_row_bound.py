"""The row bound: below every plan of whole rows, and close to the least loads that they have."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusepath.cost import ALL_LAYERS, RUNTIME, ComputeRate, Link
from fusepath.errors import GeometryError, InfeasibleError, UnsupportedOperatorError
from fusepath.graph import Window
from fusepath.plan import Search, Setting, Timing, compare_plans
from fusepath.plan.fluid import fluid_bound_s, row_bound_s
from fusepath.plan.fluid.rows import _FusedLayer
from fusepath.plan.planner import ALGORITHMS
from fusepath.schedule import NS_PER_S, evaluate
from fusepath.tiling import Grid, Mark, Resume, Segment, StripRows, strip_rows
from tests.planning import planned
from tests.unit.test_fluid import chain_of_windows, slack, small_settings
from tests.written_models import ints, net


@settings(max_examples=10, deadline=None)
@given(small_settings())
def test_no_single_cut_beats_the_bound(setting: Setting):
    least_s = slack(row_bound_s(setting))

    assert slack(fluid_bound_s(setting)) <= least_s
    whole = Timing(setting).whole_problem()
    for cut in range(1, whole.cuts + 1):
        assert least_s <= evaluate(whole, (0,), (cut,)).makespan_ns / NS_PER_S


@settings(max_examples=10, deadline=None)
@given(small_settings(), st.data())
def test_no_strips_beat_the_bound(setting: Setting, data):
    """Whatever their segments and cuts, in any order, as one strip, in many, and as searched."""
    least_s = slack(row_bound_s(setting))
    try:
        found = ALGORITHMS["stream"].search(Timing(setting), Search())
        assert least_s <= found.schedule.makespan_ns / NS_PER_S
    except (InfeasibleError, UnsupportedOperatorError):
        return
    tau = data.draw(st.integers(1, setting.graph.tileable_layers))
    timing = Timing(setting)
    timing = data.draw(st.sampled_from([timing, timing.up_to(tau)]))
    try:
        strips = timing.strips(strip_rows(timing.setting.graph, tau))
    except GeometryError:
        return
    height = strips.rows.height
    edges = sorted(data.draw(st.sets(st.integers(1, height - 1)))) if height > 1 else []
    bands = data.draw(st.permutations(list(itertools.pairwise([0, *edges, height]))))
    cuts = [data.draw(st.integers(1, tau + 1)) for _ in bands]
    segments = []
    for band, cut, resume in zip(bands, cuts, strips.rows.resumes(cuts, bands), strict=True):
        start, stop = band
        marks = one_by_one(strips.rows, band, resume) if data.draw(st.booleans()) else ((0, stop),)
        segments.append(Segment(start=start, stop=stop, cut=cut, strips=marks))
    problem = timing.problem_of_strips(strips, segments)
    schedule = evaluate(problem, range(problem.paths), [1] * problem.paths)
    assert least_s <= schedule.makespan_ns / NS_PER_S


def one_by_one(rows: StripRows, band: tuple[int, int], resume: Resume) -> tuple[Mark, ...]:
    """A strip for every row of the input that is released, and for every fused row then left."""
    (start, stop), source = band, rows.graph.source
    begins = rows.begins(ALL_LAYERS if resume.device else resume.edge)
    last = int(rows.stops[source][stop]) - 1
    released = [*range(int(begins[source][start]) + 1, last + 1)]
    most = released[-1] if released else 0
    done = min(max(int(rows.done[most]), start), stop - 1)
    return (*((row, 0) for row in released), *((most, row + 1) for row in range(done, stop)))


@pytest.mark.parametrize("edge", [1e4, 2e4])
def test_what_can_only_be_made_of_the_last_row_comes_behind_the_link(edge: float):
    """The device is no help, so the best there is sends the picture in rows."""
    windows = [Window(kernel=3, stride=s, pad_begin=1, pad_end=1) for s in (2, 1, 1)]
    setting = Setting(
        graph=chain_of_windows(*windows),
        device=ComputeRate(1e3),
        edge=ComputeRate(edge),
        link=Link(up_bytes_per_s=2e3, down_bytes_per_s=1e9),
        convention=RUNTIME,
    )
    found = ALGORITHMS["stream"].search(Timing(setting), Search())
    loads_s = setting.link.up_s(setting.graph.tensors[setting.graph.source].elements)

    plan_s = found.schedule.makespan_ns / NS_PER_S
    assert loads_s * 1.04 < plan_s
    assert 0.97 * plan_s <= row_bound_s(setting) <= plan_s


@pytest.mark.parametrize(
    ("link_bytes_per_s", "device"), [(2e4, 1e6), (2e4, 4e5), (1e4, 5e5), (5e4, 2e6)]
)
def test_the_bound_is_near_the_least_loads_of_all_ways_to_share_rows_out(link_bytes_per_s, device):
    """All bands and all cuts, one by one, loads as the strips' own costs have them."""
    graph = chain_of_windows(
        *[Window(kernel=3, stride=s, pad_begin=1, pad_end=1) for s in (2, 1, 1)]
    )
    setting = Setting(
        graph=graph,
        device=ComputeRate(device),
        edge=ComputeRate(1e9),
        link=Link(up_bytes_per_s=link_bytes_per_s, down_bytes_per_s=1e9),
        convention=RUNTIME,
    )
    timing = Timing(setting)
    least_s = min(
        evaluate(timing.whole_problem(), (0,), (cut,)).makespan_ns / NS_PER_S
        for cut in range(1, graph.depth + 2)
    )
    for tau in range(1, graph.tileable_layers + 1):
        strips = timing.strips(strip_rows(graph, tau))
        height = strips.rows.height
        around_s = strips.tail_s + strips.down_s + strips.finish_s
        for inner in (
            *itertools.combinations(range(1, height), 1),
            *itertools.combinations(range(1, height), 2),
        ):
            bands = list(itertools.pairwise([0, *inner, height]))
            for cuts in itertools.product(range(1, tau + 2), repeat=len(bands)):
                segments = [
                    Segment(start=start, stop=stop, cut=cut, strips=((0, stop),))
                    for (start, stop), cut in zip(bands, cuts, strict=True)
                ]
                loads_s = strips.durations(segments).sum(axis=1)
                least_s = min(least_s, float(loads_s.max()) + around_s)

    bound_s = row_bound_s(setting)
    found = ALGORITHMS["stream"].search(timing, Search())
    assert max(fluid_bound_s(setting), 0.9 * least_s) <= bound_s
    assert bound_s <= found.schedule.makespan_ns / NS_PER_S


def test_no_band_is_charged_more_than_its_strips_cost():
    """Whatever the cuts of it and of the band above it, and wherever they meet."""
    windows = [Window(kernel=3, stride=s, pad_begin=1, pad_end=1) for s in (2, 1, 1, 1)]
    setting = Setting(
        graph=chain_of_windows(*windows),
        device=ComputeRate(1e6),
        edge=ComputeRate(1e7),
        link=Link(up_bytes_per_s=1e4, down_bytes_per_s=1e4),
        convention=RUNTIME,
    )
    strips = Timing(setting).strips(strip_rows(setting.graph, 3))
    bands, fresh, height = _FusedLayer(strips), strips.rows.fresh.edge, strips.rows.height
    for above, below in itertools.product(range(1, fresh + 1), repeat=2):
        for edge in range(1, height):
            afresh, goes_on = strips.rows.fresh, Resume(min(above, below) - 1, max(above, below))
            charged = bands._band_s(above, afresh)[:, 0, edge]
            charged = charged + bands._band_s(below, goes_on)[:, edge, height]
            ends = ((0, edge, above), (edge, height, below))
            segments = [
                Segment(start=start, stop=stop, cut=cut, strips=((0, stop),))
                for start, stop, cut in ends
            ]
            assert (charged <= strips.durations(segments).sum(axis=1) * (1 + 1e-9)).all()


@pytest.mark.parametrize(("first", "step"), [(5, 1), (0, 3), (2, 4)])
def test_rows_that_nothing_needs_are_not_charged(first: int, step: int):
    """The image's middle is read, or every third or fourth row: each by its own segment."""
    model = net(
        "(float[n,c,h,w] y) { s = Slice (x, begin, end, axis, step) y = Conv (s, k) }",
        shape="1,2,13,8",
        k=(4, 2, 1, 1),
        begin=ints(first),
        end=ints(8 if step == 1 else 13),
        axis=ints(2),
        step=ints(step),
    )
    setting = Setting(
        graph=model.graph,
        device=ComputeRate(1e3),
        edge=ComputeRate(1e9),
        link=Link(up_bytes_per_s=1e4, down_bytes_per_s=1e9),
        convention=RUNTIME,
    )
    timing = Timing(setting)
    strips = timing.strips(strip_rows(setting.graph, setting.graph.tileable_layers))
    segments = [
        Segment(start=row, stop=row + 1, cut=1, strips=((0, row + 1),))
        for row in range(strips.rows.height)
    ]
    problem = timing.problem_of_strips(strips, segments)
    plan_s = evaluate(problem, range(problem.paths), [1] * problem.paths).makespan_ns / NS_PER_S

    assert slack(row_bound_s(setting)) <= plan_s
    rows_s = strips.row_loads_s[1, 0]
    assert rows_s == pytest.approx(np.full(strips.rows.height, 2 * 8 / 1e4))


def test_plans_of_whole_rows_are_held_against_it_and_tiles_are_not():
    graph = chain_of_windows(
        *[Window(kernel=3, stride=s, pad_begin=1, pad_end=1) for s in (2, 1, 1)]
    )
    setting = Setting(
        graph=graph,
        device=ComputeRate(1e6),
        edge=ComputeRate(1e9),
        link=Link(up_bytes_per_s=2e4, down_bytes_per_s=1e9),
        convention=RUNTIME,
    )
    plans = [planned(setting, "stream"), planned(setting, "mw", grid=Grid(2, 2))]

    strips, tiles = compare_plans(setting, plans, rows=True)

    assert strips.row_bound_s == row_bound_s(setting)
    assert strips.lower_bound_s < strips.row_bound_s <= strips.plan.makespan_s
    open_s = strips.plan.makespan_s - strips.lower_bound_s
    assert strips.out_of_reach == (strips.row_bound_s - strips.lower_bound_s) / open_s
    assert (tiles.row_bound_s, tiles.out_of_reach) == (None, None)
    assert compare_plans(setting, plans)[0].row_bound_s is None
