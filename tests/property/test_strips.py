"""Strips against brute force: who holds which rows, strip after strip, on random networks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fusepath.cost import RUNTIME, ComputeRate, strip_costs
from fusepath.errors import GeometryError
from fusepath.graph import Kind, ModelGraph
from fusepath.tiling import Band, StripRows, StripTiling
from fusepath.tiling.reach import stop_read
from tests.effort import some
from tests.footprints import taps
from tests.networks import networks

COMMON = settings(max_examples=some(200), deadline=None)


@st.composite
def marks(draw, released: int, stop: int) -> tuple[tuple[int, int], ...]:
    """Any marks that never fall and end with all rows done."""
    first = sorted(draw(st.lists(st.integers(0, released), min_size=1, max_size=5)))
    second = sorted(draw(st.lists(st.integers(0, stop), min_size=len(first), max_size=len(first))))
    pairs = [*zip(first, second, strict=True), (first[-1], stop)]
    return tuple(dict.fromkeys(pair for pair in pairs if pair != (0, 0)))


@st.composite
def strip_tilings(draw) -> StripTiling:
    """One to three bands over a random network, in any order, with random strips and cuts."""
    graph: ModelGraph = draw(networks())
    if graph.mirrored is not None and draw(st.booleans()):
        graph = graph.mirrored
    tau = draw(st.integers(1, graph.tileable_layers))
    try:
        height = StripRows(graph, tau).height
    except GeometryError:
        assume(False)  # windows over padding alone
        raise
    edges = sorted(draw(st.sets(st.integers(1, height - 1), max_size=2)) if height > 1 else [])
    bands = []
    for start, stop in itertools.pairwise([0, *edges, height]):
        bands.append(Band(start, stop, draw(marks(graph.input.size(0), stop))))
    bands = draw(st.permutations(bands))
    cuts = tuple(draw(st.integers(1, tau + 1)) for _ in bands)
    return StripTiling(graph, tau, tuple(bands), cuts, draw(st.booleans()))


@COMMON
@given(strip_tilings())
def test_every_row_that_an_operator_reads_is_at_hand(tiling: StripTiling):
    """Plays both machines with sets of rows, tap by tap."""
    graph = tiling.graph
    fused: dict[str, set[int]] = {name: set() for name in graph.frontier(tiling.tau)}
    kept_on_edge: dict[str, set[int]] = {}
    kept_on_device: dict[str, set[int]] = {}
    for strip, (index, _, _) in enumerate(tiling.strips):
        cut = tiling.cuts[index]
        rows = {graph.input.name: set(range(*tiling.new_rows(strip, graph.input.name)))}
        kept_on_device = _play(tiling, strip, 1, cut - 1, rows, kept_on_device)
        sent = {name: rows.get(name, set()) for name in graph.frontier(cut - 1)}
        kept_on_edge = _play(tiling, strip, cut, tiling.tau, sent, kept_on_edge)
        for name in fused:
            fused[name] |= sent.get(name, set())
    for name, done in fused.items():
        assert done == set(range(graph.tensors[name].size(0)))


def _play(tiling, strip, first, last, new, kept):
    """One machine, one strip: adds what it makes to ``new``, returns what it keeps."""
    if first > last:
        return kept
    graph = tiling.graph
    step = tiling.step(strip, first, last)
    at_hand = {}
    for name, rows in step.maps.items():
        cached = set(range(rows.cached, rows.known))
        assert cached <= kept.get(name, set()), f"{name}: rows are taken that nobody kept"
        at_hand[name] = cached | set(range(rows.known, rows.reached))
    for item in step.operations:
        op = item.operator
        for reading in item.readings:
            size = graph.tensors[reading.tensor].size(0)
            wanted = set(range(*item.rows))
            if op.kind is Kind.WINDOW:
                wanted = {row for j in range(*item.rows) for row in taps(op.rows, j, size)}
            assert wanted <= set(range(reading.start, reading.stop))
            assert set(range(reading.start, reading.stop)) <= at_hand[reading.tensor]
        for out in op.outputs:
            new[out] = set(range(*item.rows))
    for name, sent in step.sent.items():
        assert set(range(*sent)) <= at_hand[name]
        new[name] = set(range(*sent))
    for name, rows in step.maps.items():
        made_here = any(name in op.outputs for op in graph.operators(first, last))
        arrived = set(range(rows.known, rows.reached))
        assert arrived <= new.get(name, set()) or not made_here or name in step.sent
    return {name: set(range(rows.kept, rows.reached)) for name, rows in step.maps.items()}


@COMMON
@given(strip_tilings())
def test_nothing_is_computed_or_sent_twice_within_a_band(tiling: StripTiling):
    names = {name for op in tiling.graph.operators(1, tiling.tau) for name in op.outputs}
    for name in names | {tiling.graph.input.name}:
        for band in range(len(tiling.bands)):
            rows = [
                row
                for strip, (index, _, _) in enumerate(tiling.strips)
                if index == band
                for row in range(*tiling.new_rows(strip, name))
            ]
            assert len(rows) == len(set(rows))


@COMMON
@given(strip_tilings())
def test_what_crosses_a_cut_is_made_as_soon_as_it_can_be(tiling: StripTiling):
    """And so is everything behind it, unless it waits; never more than the band needs."""
    graph, ready, stops = tiling.graph, tiling.rows.ready, tiling.rows.stops
    for index, _, (released, done) in tiling.strips:
        cut, last = tiling.cuts[index], tiling.bands[index].stop
        behind = {out for op in graph.operators(cut, tiling.tau) for out in op.outputs}
        if tiling.waits:
            behind &= {*graph.frontier(tiling.tau)}
        for name in (behind | {*graph.frontier(cut - 1)}) & stops.keys():
            wanted = min(max(ready[name][released], stops[name][done]), stops[name][last])
            assert tiling._reached(name, (released, done), index) == wanted


@COMMON
@given(strip_tilings())
def test_no_row_is_made_that_nothing_uses_yet_where_machines_wait(tiling: StripTiling):
    """None is further down than those that others are made of: the device waits always."""
    graph = tiling.graph
    for (index, _, mark), machine in itertools.product(tiling.strips, range(1 + tiling.waits)):
        cut = tiling.cuts[index]
        first, last = ((1, cut - 1), (cut, tiling.tau))[machine]
        operators, crossing = graph.operators(first, last), graph.frontier(last)
        for op in operators:
            readers = [item for item in operators if not set(op.outputs).isdisjoint(item.inputs)]
            if not readers or not set(op.outputs).isdisjoint(crossing):
                continue
            read = [0]
            for reader in readers:
                rows = tiling._reached(reader.outputs[0], mark, index)
                if rows and reader.kind is Kind.WINDOW:
                    size = graph.tensors[op.outputs[0]].size(0)
                    rows = int(np.clip(stop_read(reader.rows, np.array(rows - 1)), 1, size))
                read.append(rows)
            assert tiling._reached(op.outputs[0], mark, index) <= max(read)


@pytest.mark.parametrize(
    "given_marks",
    [
        ((9, 3), (9, 2), (9, 8)),  # rows become undone
        ((9, 0), (5, 8)),  # rows are taken back
        ((2, 0), (4, 4)),  # not all rows are done
        ((0, 0), (9, 8)),  # a strip that does nothing
        ((9, 8), (9, 8)),
        (),
    ],
)
def test_marks_that_do_not_ascend_to_the_end_are_refused(given_marks):
    with pytest.raises(GeometryError):
        Band(0, 8, given_marks)


@COMMON
@given(strip_tilings(), st.data())
def test_bands_that_leave_rows_out_are_refused(tiling: StripTiling, data):
    assume(len(tiling.bands) > 1)
    lost = data.draw(st.integers(0, len(tiling.bands) - 1))
    bands = tuple(band for at, band in enumerate(tiling.bands) if at != lost)

    with pytest.raises(GeometryError, match="do not cover"):
        StripTiling(tiling.graph, tiling.tau, bands, tiling.cuts[: len(bands)])


@COMMON
@given(strip_tilings())
def test_maps_taken_together_cost_what_they_cost_one_by_one(tiling: StripTiling):
    costs = strip_costs(
        tiling.rows, device=ComputeRate(1e9), edge=ComputeRate(3e9), convention=RUNTIME
    )
    together = np.concatenate(
        [
            costs.segment(cut, band.start, band.stop, resume, band.marks)
            for band, cut, resume in zip(tiling.bands, tiling.cuts, tiling.resumes, strict=True)
        ],
        axis=1,
    )

    for strip, (index, _, _) in enumerate(tiling.strips):
        added = [end - begin for begin, end in (tiling.new_rows(strip, m) for m in costs.maps)]
        one_by_one = costs.per_row[:, tiling.cuts[index] - 1] @ added
        resume, (_, before, after) = tiling.resumes[index], tiling.strips[strip]
        ends = [tiling.rows.stops[m][tiling.bands[index].start] for m in costs.maps]
        reached = [[tiling._reached(m, at, index) for m in costs.maps] for at in (before, after)]
        next_rows = np.diff(np.maximum(reached, ends), axis=0)[0]
        computed = costs.prices.computed[resume.device, costs._places]
        one_by_one[0] += computed @ (next_rows - added)
        np.testing.assert_allclose(together[:, strip], one_by_one, rtol=1e-12, atol=1e-15)
