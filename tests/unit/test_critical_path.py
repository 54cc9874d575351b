"""What the end of an inference waited for."""

from __future__ import annotations

from fusepath.timeline import Lane, Span, Timeline, critical_path


def span(lane: Lane, start_s: float, end_s: float, path: int | None = None) -> Span:
    return Span(lane=lane, start_s=start_s, end_s=end_s, path=path)


def test_the_link_is_waited_for_where_it_is_busy_all_the_time():
    timeline = Timeline(
        spans=(
            span(Lane.DEVICE, 0, 3, 2),
            span(Lane.UPLINK, 0, 4, 1),
            span(Lane.UPLINK, 4, 6, 2),
            span(Lane.EDGE, 4, 5, 1),
            span(Lane.EDGE, 6, 7, 2),
            span(Lane.EDGE, 7, 8),
            span(Lane.DOWNLINK, 8, 9),
        )
    )

    assert [(item.lane, item.path) for item in critical_path(timeline)] == [
        (Lane.UPLINK, 1),
        (Lane.UPLINK, 2),
        (Lane.EDGE, 2),
        (Lane.EDGE, None),
        (Lane.DOWNLINK, None),
    ]


def test_the_device_is_waited_for_where_the_link_waits_for_it():
    timeline = Timeline(
        spans=(
            span(Lane.DEVICE, 0, 5, 2),
            span(Lane.UPLINK, 0, 4, 1),
            span(Lane.UPLINK, 5, 6, 2),
            span(Lane.EDGE, 6, 7, 2),
        )
    )

    assert [item.lane for item in critical_path(timeline)] == [
        Lane.DEVICE,
        Lane.UPLINK,
        Lane.EDGE,
    ]


def test_other_paths_on_other_lanes_are_not_waited_for():
    timeline = Timeline(spans=(span(Lane.UPLINK, 0, 4, 1), span(Lane.DEVICE, 4, 6, 2)))

    assert [item.path for item in critical_path(timeline)] == [2]


def test_clocks_that_are_a_little_off_do_not_break_the_chain():
    spans = (span(Lane.UPLINK, 0, 4.1, 1), span(Lane.EDGE, 4, 6, 1))

    assert len(critical_path(Timeline(spans=spans, clock_error_s=0.2))) == 2
    assert len(critical_path(Timeline(spans=spans))) == 1


def test_nothing_waits_for_nothing():
    assert critical_path(Timeline(spans=())) == ()
