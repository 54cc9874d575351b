"""The lower of two neighbouring segments goes on with what the device made for the upper one."""

from __future__ import annotations

import pytest

from fusepath.graph import Window
from fusepath.tiling import Band, Resume, StripTiling
from tests.unit.test_fluid import chain_of_windows

LAYERS, ROWS = 6, 16


def tiling(*segments: tuple[int, int, int]) -> StripTiling:
    """Segments (first row, row behind the last, cut) of one strip each, over six 3x3 windows."""
    windows = [Window(kernel=3, stride=1, pad_begin=1, pad_end=1)] * LAYERS
    graph = chain_of_windows(*windows)
    bands = tuple(Band(start, stop, ((0, stop),)) for start, stop, _ in segments)
    return StripTiling(graph, LAYERS, bands, tuple(cut for *_, cut in segments))


def made(tiling: StripTiling, layer: int) -> list[int]:
    """Rows of a layer's map that the device makes, strip by strip."""
    (name,) = tiling.graph.layers[layer - 1].operators[-1].outputs
    return [
        row
        for strip, (band, _, _) in enumerate(tiling.strips)
        if layer < tiling.cuts[band]
        for row in range(*tiling.made_rows(strip, name))
    ]


@pytest.mark.parametrize("cuts", [(3, 6), (6, 3), (5, 5), (2, 7)])
def test_layers_that_both_run_on_the_device_make_every_row_once(cuts):
    both = tiling((0, 8, cuts[0]), (8, ROWS, cuts[1]))

    assert both.resumes[1] == Resume(min(cuts) - 1, max(cuts))
    for layer in range(1, min(cuts)):
        assert made(both, layer) == list(range(ROWS))


def test_layers_behind_the_earlier_cut_have_a_halo_of_rows_that_the_device_has_kept():
    """Layers 3 to 5 of the lower one read rows of layer 2 that were made for the upper one."""
    both = tiling((0, 8, 3), (8, ROWS, 6))

    reached = 8 + 1  # the upper rows need one more of layer 5, from where the edge server goes on
    assert made(both, 5)[0] == reached
    assert made(both, 3)[0] == reached - 2
    step = both.step(1, 1, 5)
    (second,) = both.graph.layers[1].operators[-1].outputs
    assert step.maps[second].cached == reached - 3
    assert step.maps[second].known == 8 + 4
    assert step.sent == {}


def test_rows_that_were_not_sent_are_sent_from_what_was_kept():
    """The upper one was sent behind layer 5, the lower one behind layer 2: its halo as well."""
    both = tiling((0, 8, 6), (8, ROWS, 3))

    (second,) = both.graph.layers[1].operators[-1].outputs
    step = both.step(1, 1, 2)
    assert step.sent[second] == both.new_rows(1, second) == (8 + 1 - 3, ROWS)
    assert step.maps[second].known == 8 + 4
    assert both.step(0, 1, 5).maps[second].kept == 8 + 1 - 3


def test_what_nobody_has_made_on_the_device_is_made_there():
    """The rows that a thin segment's successor reads again were sent raw before it."""
    thin = tiling((0, 8, 1), (8, 9, 5), (9, ROWS, 7))

    assert thin.resumes == (Resume(0, 7), Resume(0, 5), Resume(0, 7))
    thick = tiling((0, 2, 1), (2, 9, 5), (9, ROWS, 7))
    assert thick.resumes[2] == Resume(4, 7)


def test_a_segment_that_is_not_right_below_begins_afresh():
    apart = tiling((8, ROWS, 4), (0, 8, 4))

    assert apart.resumes == (Resume(0, LAYERS + 1),) * 2
