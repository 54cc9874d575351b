"""Timelines as text, character by character."""

from __future__ import annotations

from textwrap import dedent

from fusepath.report import gantt
from fusepath.timeline import Lane, Span, Timeline


def span(
    lane: Lane, start_s: float, end_s: float, path: int | None = None, worker: int = 0
) -> Span:
    return Span(lane=lane, start_s=start_s, end_s=end_s, path=path, worker=worker)


FIGURE_3 = Timeline(
    spans=(
        span(Lane.UPLINK, 0, 2, 1),
        span(Lane.DEVICE, 0, 2, 2),
        span(Lane.UPLINK, 2, 4, 2),
        span(Lane.DEVICE, 2, 4, 3),
        span(Lane.UPLINK, 4, 6, 3),
        span(Lane.EDGE, 2, 5, 1),
        span(Lane.EDGE, 5, 6, 2),
        span(Lane.EDGE, 6, 8, 3),
        span(Lane.EDGE, 8, 13),
    )
)
"""The paper's Fig. 3: cuts (1, 3, 2), 13 time units, five of which are layers 10 and 11."""


def drawing(text: str) -> str:
    return dedent(text).strip("\n")


def test_figure_3_of_the_paper():
    assert gantt(FIGURE_3, width=39) == drawing(
        """
        device   222222333333···························
        uplink   111111222222333333·····················
        edge     ······111111111222333333TTTTTTTTTTTTTTT
                 0               6500.0       13000.0 ms
        """
    )


def test_the_result_and_workers_have_signs_and_lines_of_their_own():
    timeline = Timeline(
        spans=(
            span(Lane.EDGE, 0, 2, 1, worker=0),
            span(Lane.EDGE, 1, 2, 2, worker=1),
            span(Lane.EDGE, 2, 3, worker=1),
            span(Lane.DOWNLINK, 3, 4),
        )
    )

    assert gantt(timeline, width=32) == drawing(
        """
        edge 1   1111111111111111················
        edge 2   ········22222222TTTTTTTT········
        downlink ························RRRRRRRR
                 0            2000.0    4000.0 ms
        """
    )


def test_a_short_span_does_not_vanish():
    timeline = Timeline(spans=(span(Lane.DEVICE, 0, 1e-6, 1), span(Lane.UPLINK, 1e-6, 1, 1)))

    lines = gantt(timeline, width=30).splitlines()
    assert lines[0] == "device   1" + "·" * 29
    assert lines[1] == "uplink   " + "1" * 30


def test_two_charts_can_be_drawn_to_one_scale():
    timeline = Timeline(spans=(span(Lane.DEVICE, 0, 1, 1),))

    assert gantt(timeline, width=20, until_s=2).splitlines()[0] == "device   1111111111··········"


def test_paths_beyond_the_alphabet_share_a_sign():
    spans = tuple(span(Lane.DEVICE, at, at + 1, at + 1) for at in range(64))

    line = gantt(Timeline(spans=spans), width=64).splitlines()[0].split()[1]
    assert line.startswith("123456789abc")
    assert line.endswith("XYZ####")


def test_an_empty_timeline_is_an_axis():
    assert gantt(Timeline(spans=()), width=20).splitlines() == ["         0        0.0  0.0 ms"]


def test_the_axis_never_runs_over_its_width():
    for width in (40, 72, 120):
        for end_s in (1e-6, 0.0123, 1.0, 98765.4):
            timeline = Timeline(spans=(span(Lane.DEVICE, 0, end_s, 1),))
            assert {len(line) for line in gantt(timeline, width=width).splitlines()} == {9 + width}
