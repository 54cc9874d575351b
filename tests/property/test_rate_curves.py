"""Makespans over the link rate: lines against schedules, the envelope against the least of all."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusepath.cost import RUNTIME, Convention, Link
from fusepath.plan.book.envelope import fewest, lower_envelope
from fusepath.plan.book.rate_curve import Line, RateCurve, follows_lines, rate_curve
from fusepath.plan.book.steps import Steps

FASTEST, SLOWEST = 1e-7, 1e-5  # 10 MB/s and 0.1 MB/s

CONVENTIONS = [
    RUNTIME,
    msgspec.structs.replace(RUNTIME, counts_result=False),
    msgspec.structs.replace(RUNTIME, edge_workers=0),
    msgspec.structs.replace(RUNTIME, edge_workers=0, shared_link=False),
]


@st.composite
def plans(draw) -> tuple[Steps, tuple[int, ...], Link]:
    paths = draw(st.integers(1, 12))

    def numbers(most: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(st.integers(0, most), min_size=paths, max_size=paths)))

    in_parts = draw(st.booleans())
    steps = Steps(
        device_ns=numbers(40_000_000),
        sent_bytes=numbers(60_000),
        edge_ns=numbers(30_000_000),
        tail_ns=draw(st.integers(0, 10_000_000)),
        result_bytes=0 if in_parts else draw(st.integers(0, 10_000)),
        back_bytes=numbers(60_000) if in_parts else None,
        chained=in_parts or draw(st.booleans()),
    )
    numbered = range(1, paths + 1)
    order = numbered if steps.chained else draw(st.permutations(numbered))
    link = Link(
        up_bytes_per_s=1e6,
        down_bytes_per_s=draw(st.sampled_from([5e5, 1e6, 8e6])),
        delay_s=draw(st.sampled_from([0.0, 0.0123])),
    )
    return steps, tuple(order), link


def curve_of(steps: Steps, order: tuple[int, ...], link: Link, convention: Convention):
    def link_at(rate: float) -> Link:
        down = link.down_bytes_per_s * rate / link.up_bytes_per_s
        return Link(up_bytes_per_s=rate, down_bytes_per_s=down, delay_s=link.delay_s)

    def schedule_at(rate: float):
        return steps.schedule(order, link_at(rate), convention)

    curve = rate_curve(schedule_at, steps, link_at, fastest=FASTEST, slowest=SLOWEST)
    return curve, schedule_at


@pytest.mark.parametrize("convention", CONVENTIONS, ids=["runtime", "up", "workers", "free"])
@given(plan=plans(), share=st.floats(0, 1))
def test_a_few_lines_are_the_makespan_at_every_rate(convention, plan, share):
    steps, order, link = plan
    if not convention.counts_result:
        steps = msgspec.structs.replace(steps, result_bytes=0)
    assert follows_lines(convention)
    curve, schedule_at = curve_of(steps, order, link, convention)
    pace = FASTEST * (SLOWEST / FASTEST) ** share

    value_s = float(curve.at(np.array(pace)))

    expected_s = schedule_at(1 / pace).makespan_ns / 1e9
    assert value_s == pytest.approx(expected_s, rel=1e-8, abs=2e-8)


@given(plan=plans())
def test_lines_get_steeper_and_each_is_needed(plan):
    curve, _ = curve_of(*plan, RUNTIME)

    assert list(curve.lines) == sorted(curve.lines)
    assert list(curve.kinks) == sorted(curve.kinks)


def test_where_paths_overtake_each_other_there_are_no_lines():
    assert not follows_lines(msgspec.structs.replace(RUNTIME, edge_workers=2))
    assert not follows_lines(msgspec.structs.replace(RUNTIME, shared_link=False))
    many = msgspec.structs.replace(RUNTIME, edge_workers=0)
    assert follows_lines(many)
    assert follows_lines(msgspec.structs.replace(many, shared_link=False))


@st.composite
def curves(draw) -> list[RateCurve]:
    """Random convex curves, the first of them straight."""
    found = []
    for index in range(draw(st.integers(1, 6))):
        count = 1 if index == 0 else draw(st.integers(1, 4))
        slopes = sorted(draw(st.sets(st.integers(0, 50_000), min_size=count, max_size=count)))
        value, pace = draw(st.integers(1, 400)) / 1e3, FASTEST
        lines = []
        for slope in slopes:
            lines.append(Line(sent_bytes=float(slope), seconds=value - slope * pace))
            step = draw(st.floats(0.05, 0.5)) * (SLOWEST - pace)
            value, pace = value + slope * step, pace + step
        found.append(RateCurve(tuple(lines)))
    return found


@given(curves=curves(), shares=st.lists(st.floats(0, 1), min_size=20, max_size=20))
def test_the_envelope_is_the_least_of_all_curves_everywhere(curves, shares):
    pieces = lower_envelope(curves, FASTEST, SLOWEST)

    starts = [start for start, _ in pieces]
    assert starts[0] == FASTEST
    assert starts == sorted(starts)
    assert {type(start) for start in starts} == {float}  # they go into a file
    assert all(left[1] != right[1] for left, right in pairwise(pieces))
    paces = FASTEST + np.array(shares) * (SLOWEST - FASTEST)
    numbers = np.searchsorted(starts, paces, side="right") - 1
    chosen = [pieces[number][1] for number in numbers]
    actual = [curves[index].at(pace) for index, pace in zip(chosen, paces, strict=True)]
    least = np.min([curve.at(paces) for curve in curves], axis=0)
    np.testing.assert_allclose(actual, least, rtol=1e-7)


def test_a_curve_that_is_the_least_at_one_point_only_has_no_piece():
    pace = 1e-6
    lines = [Line(sent_bytes=sent, seconds=0.1 - sent * pace) for sent in (3e4, 2e4, 1e4)]

    pieces = lower_envelope([RateCurve((line,)) for line in lines], FASTEST, SLOWEST)

    assert [at for _, at in pieces] == [0, 2]
    assert pieces[1][0] == pytest.approx(pace)


@given(
    curves=curves(),
    slack=st.sampled_from([0.0, 0.01, 0.1]),
    shares=st.lists(st.floats(0, 1), min_size=20, max_size=20),
)
def test_few_curves_stay_within_the_slack_and_below_the_caps(curves, slack, shares):
    kept = fewest(curves, [0], FASTEST, SLOWEST, slack)

    paces = FASTEST + np.array(shares) * (SLOWEST - FASTEST)
    least = np.min([curve.at(paces) for curve in curves], axis=0)
    few = np.min([curves[index].at(paces) for index in kept], axis=0)
    assert (few <= least * (1 + slack) * (1 + 1e-7)).all()
    assert (few <= curves[0].at(paces) * (1 + 1e-7)).all()
