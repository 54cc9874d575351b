"""Geometry against brute force: every tap of every output, on random chains and branches."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fusepath.graph import Kind, ModelGraph, Operator, Tensor, Window, build_graph
from fusepath.tiling import (
    Grid,
    Intervals,
    Tiling,
    aligned_regions,
    ends_of,
    even_ends,
    even_sizes,
    first_read,
    needed_regions,
    scaled_intervals,
    stop_read,
    violations,
)
from fusepath.tiling.check import _taps_of as checked_taps
from tests.effort import some
from tests.footprints import resamplings, session_size, taps
from tests.networks import networks
from tests.written_models import ints, net

COMMON = settings(max_examples=some(150), deadline=None)


def even_shares(graph: ModelGraph, tau: int, parts: int, axis: int) -> dict[str, Intervals]:
    """Parts of the maps of a fused layer that are as equal as can be."""
    fused = graph.fused_size(tau, axis)
    ends = ends_of(even_sizes(fused, parts))
    sizes = {name: graph.tensors[name].size(axis) for name in graph.frontier(tau)}
    return {name: scaled_intervals(ends, fused, size) for name, size in sizes.items()}


@given(st.integers(1, 500), st.data())
def test_even_parts_cover_an_axis_and_differ_by_at_most_one(size, data):
    parts = data.draw(st.integers(1, size))

    sizes = even_sizes(size, parts)

    assert sum(sizes) == size
    assert 1 <= min(sizes) <= max(sizes) <= min(sizes) + 1
    assert even_ends(size, [parts]).tolist() == [list(pair) for pair in ends_of(sizes)]


@given(st.integers(1, 60), st.integers(0, 60), st.data())
def test_parts_of_a_larger_map_are_neighbours_that_cover_it_and_none_is_empty(fused, more, data):
    parts = data.draw(st.integers(1, fused))
    size = fused + more

    scaled = scaled_intervals(ends_of(even_sizes(fused, parts)), fused, size)

    pieces = [scaled[i] for i in range(parts)]
    assert [i for piece in pieces for i in range(piece.start, piece.stop)] == list(range(size))
    assert min(map(len, pieces)) >= 1


@COMMON
@given(networks(), st.data())
def test_tiles_hold_every_tap_that_their_outputs_read(graph: ModelGraph, data):
    tau = data.draw(st.integers(1, graph.tileable_layers))
    grid = Grid(
        data.draw(st.integers(1, min(4, graph.fused_size(tau, 0)))),
        data.draw(st.integers(1, min(4, graph.fused_size(tau, 1)))),
    )

    assert violations(Tiling(graph, tau, grid)) == []


@COMMON
@given(networks(kinds=("window", "pointwise", "branch", "skip")), st.data())
def test_needed_regions_are_not_larger_than_the_hull_of_the_taps(graph: ModelGraph, data):
    tau = data.draw(st.integers(1, graph.tileable_layers))
    axis = data.draw(st.sampled_from([0, 1]))
    size = {name: graph.tensors[name].size(axis) for name in graph.frontier(tau)}
    parts = data.draw(st.integers(1, min(size.values())))
    fused = even_shares(graph, tau, parts, axis)

    needed = needed_regions(graph, tau, fused, axis=axis)

    for tile in range(parts):
        taken = {name: set(range(*_ends(fused[name], tile))) for name in fused}
        for op in reversed(graph.operators(1, tau)):
            outputs = set().union(*(taken.get(out, set()) for out in op.outputs))
            for name in op.inputs:
                taken.setdefault(name, set()).update(_taps(graph, op, name, outputs, axis))
        for name, wanted in taken.items():
            if wanted:
                start, stop = _ends(needed[name], tile)
                assert (start, stop) == (min(wanted), max(wanted) + 1)


@COMMON
@given(networks(), st.data())
def test_a_session_over_an_aligned_piece_sees_the_network_shifted(graph: ModelGraph, data):
    """Simulates the session's own size arithmetic, operator by operator, on the fed piece."""
    tau = data.draw(st.integers(1, graph.tileable_layers))
    first = data.draw(st.integers(1, tau))
    axis = data.draw(st.sampled_from([0, 1]))
    parts = data.draw(st.integers(1, min(3, graph.fused_size(tau, axis))))
    fused = even_shares(graph, tau, parts, axis)
    needed = needed_regions(graph, tau, fused, axis=axis)

    regions = aligned_regions(graph, first, tau, needed, axis=axis)

    for tile in range(parts):
        for name, region in regions.items():
            start, stop = _ends(region, tile)
            inner_start, inner_stop = _ends(needed[name], tile)
            assert start <= inner_start
            assert inner_stop <= stop
        for op in graph.operators(first, tau):
            produced = [_length(regions[out], tile) for out in op.outputs]
            for name in op.inputs:
                assert produced == [_session_output(graph, op, regions[name], tile, axis)] * len(
                    produced
                )


def _session_output(graph, op, region, tile, axis):
    length = _length(region, tile)
    if op.kind is not Kind.WINDOW:
        return length
    sizes = [graph.tensors[name].size(axis) for name in (op.inputs[0], op.outputs[0])]
    return session_size(op.footprints[axis], tuple(sizes), length)


def _taps(graph, op, name, outputs, axis):
    if op.kind is not Kind.WINDOW:
        return outputs
    footprint, size = op.footprints[axis], graph.tensors[name].size(axis)
    if not isinstance(footprint, Window):
        return {tap for j in outputs for tap in taps(footprint, j, size)}
    first = [j * footprint.stride - footprint.pad_begin for j in outputs]
    # The hull of the window, clipped: holes of a dilation lie inside it.
    spans = [(max(f, 0), min(f + footprint.extent, size)) for f in first]
    spans = [(a, b) if a < b else _nearest(a, size) for a, b in spans]
    return {i for a, b in spans for i in range(a, b)}


def _nearest(start, size):
    at = min(max(start, 0), size - 1)
    return at, at + 1


def _ends(intervals, tile):
    return int(intervals.start[tile]), int(intervals.stop[tile])


def _length(intervals, tile):
    start, stop = _ends(intervals, tile)
    return stop - start


@COMMON
@given(st.integers(1, 30), st.data())
def test_what_a_footprint_is_said_to_read_holds_its_taps_in_order(size, data):
    """First and last element rise along the outputs, so that a range of them has a hull."""
    footprint, made = data.draw(resamplings(size=size))
    outputs = np.arange(max(made, 0))

    first, stop = first_read(footprint, outputs), stop_read(footprint, outputs)

    assert (first < stop).all()
    assert (np.diff(first) >= 0).all()
    assert (np.diff(stop) >= 0).all()
    for j in outputs:
        assert taps(footprint, j, size) <= set(range(first[j].clip(0, size - 1), stop[j].clip(1)))


@COMMON
@given(st.integers(1, 30), st.data())
def test_the_checker_counts_the_taps_of_every_footprint(size, data):
    footprint, made = data.draw(resamplings(size=size))

    for j in range(made):
        inside = {tap for tap in checked_taps(footprint, j, size) if 0 <= tap < size}
        assert inside == taps(footprint, j, size)


def test_the_checker_finds_a_tile_that_is_one_row_short():
    graph = _two_convolutions()
    tiling = Tiling(graph, 2, Grid(2, 1))
    rows, cols = tiling.needed
    short = Intervals(rows["image"].start, rows["image"].stop - 1)
    tiling.__dict__["needed"] = ({**rows, "image": short}, cols)

    problems = violations(tiling)

    assert any("reads 'image'" in problem for problem in problems)


def test_the_checker_finds_shares_that_overlap():
    graph = _two_convolutions()
    tiling = Tiling(graph, 2, Grid(2, 1))
    rows, cols = tiling.needed
    wide = Intervals(rows["y2"].start, rows["y2"].stop.clip(max=7) + 1)
    tiling.__dict__["needed"] = ({**rows, "y2": wide}, cols)

    assert any("do not cover" in problem for problem in violations(tiling))


def test_parts_of_a_split_overlap_as_far_as_one_of_them_is_read():
    graph = net(
        """(float[] y, float[] b) { a, b = Split<axis = 1>(x, s)
            y = Conv<pads = [1, 1, 1, 1]>(a, w) }""",
        s=ints(1, 3),
        w=(2, 1, 3, 3),
    ).graph

    assert violations(Tiling(graph, graph.depth, Grid(3, 2))) == []


def test_an_output_that_reads_padding_alone_gets_a_row_all_the_same():
    """SqueezeNet's first edition pads a 1×1 convolution by 1."""
    window = Window(kernel=1, pad_begin=1, pad_end=1)
    graph = build_graph(
        name="padded",
        sha256="0",
        input=Tensor(name="image", shape=(1, 1, 4, 4)),
        outputs=("y",),
        tensors={
            "image": Tensor(name="image", shape=(1, 1, 4, 4)),
            "y": Tensor(name="y", shape=(1, 1, 6, 6)),
        },
        operators=[
            Operator(
                name="conv",
                op_type="Conv",
                kind=Kind.WINDOW,
                inputs=("image",),
                outputs=("y",),
                rows=window,
                cols=window,
            )
        ],
    )
    tiling = Tiling(graph, 1, Grid(6, 6))

    assert violations(tiling) == []
    assert tiling.region(0, "image").area == 1
    assert tiling.region(35, "image").area == 1


def _two_convolutions() -> ModelGraph:
    """Two 3×3 convolutions with padding 1 on an 8×8 image."""
    window = Window(kernel=3, pad_begin=1, pad_end=1)
    names = ["image", "y1", "y2"]
    return build_graph(
        name="two",
        sha256="0",
        input=Tensor(name="image", shape=(1, 1, 8, 8)),
        outputs=("y2",),
        tensors={name: Tensor(name=name, shape=(1, 1, 8, 8)) for name in names},
        operators=[
            Operator(
                name=f"conv{i}",
                op_type="Conv",
                kind=Kind.WINDOW,
                inputs=(names[i - 1],),
                outputs=(names[i],),
                rows=window,
                cols=window,
            )
            for i in (1, 2)
        ],
    )
