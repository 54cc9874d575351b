"""Timelines: what they say, and the checker that finds everything impossible."""

from __future__ import annotations

import msgspec
import pytest

from fusepath.offload.inference import in_a_row
from fusepath.report import parting_text, paths_table, render
from fusepath.timeline import HEAD, Lane, Span, Timeline, parting, steps, typical, violations


def span(
    lane: Lane, start_s: float, end_s: float, path: int | None = None, worker: int = 0
) -> Span:
    return Span(lane=lane, start_s=start_s, end_s=end_s, path=path, worker=worker)


POSSIBLE = (
    span(Lane.DEVICE, 0, 2, 1),
    span(Lane.DEVICE, 2, 3, 2),
    span(Lane.UPLINK, 2, 4, 1),
    span(Lane.UPLINK, 4, 5, 2),
    span(Lane.EDGE, 4, 6, 1),
    span(Lane.EDGE, 6, 7, 2),
    span(Lane.EDGE, 7, 9),
    span(Lane.DOWNLINK, 9, 10),
)


def changed(index: int, **changes: object) -> Timeline:
    spans = list(POSSIBLE)
    spans[index] = msgspec.structs.replace(spans[index], **changes)
    return Timeline(spans=tuple(spans))


def test_a_possible_timeline_has_no_violations():
    assert violations(Timeline(spans=POSSIBLE)) == []
    assert violations(Timeline(spans=tuple(reversed(POSSIBLE)))) == []
    assert violations(Timeline(spans=())) == []


def test_a_timeline_knows_its_end_its_lanes_and_their_load():
    timeline = Timeline(spans=tuple(reversed(POSSIBLE)))

    assert timeline.end_s == 10
    assert [item.path for item in timeline.on(Lane.EDGE)] == [1, 2, None]
    assert timeline.busy_s(Lane.EDGE) == 5
    assert timeline.busy_s(Lane.DEVICE) == 3
    assert Timeline(spans=()).end_s == 0


IMPOSSIBLE = {
    "time runs backwards": (0, {"start_s": 1.0, "end_s": 0.5}, "ends at 0.5 before it starts"),
    "two paths on the device": (1, {"start_s": 1.5}, "path 2 on device starts at 1.5 while path 1"),
    "two paths on the link": (3, {"start_s": 3.5}, "path 2 on uplink starts at 3.5 while path 1"),
    "two paths on a worker": (5, {"start_s": 5.5}, "path 2 on edge starts at 5.5 while path 1"),
    "sent before it is computed": (2, {"start_s": 1.0}, "starts at 1.0 before path 1 on device"),
    "taken up before it arrives": (4, {"start_s": 3.0}, "starts at 3.0 before path 1 on uplink"),
    "a tail that does not wait": (6, {"start_s": 6.5}, "the tail on edge starts at 6.5 before"),
    "a result before the tail ends": (7, {"start_s": 8.0}, "on downlink starts at 8.0 before"),
}


@pytest.mark.parametrize(("index", "changes", "words"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_everything_impossible_is_found(index, changes, words):
    problems = violations(changed(index, **changes))

    assert any(words in problem for problem in problems), problems


IN_PARTS = (
    *POSSIBLE[:6],
    span(Lane.DOWNLINK, 6, 8, 1),
    span(Lane.DOWNLINK, 8, 9, 2),
    span(Lane.DOWNLINK, 9, 10),
)
WRONG_PARTS = {
    "returned before it is done": (6, {"start_s": 5.0}, "starts at 5.0 before path 1 on edge"),
    "two parts at once": (7, {"start_s": 7.5}, "path 2 on downlink starts at 7.5 while path 1"),
    "an end before the last part": (8, {"start_s": 8.5}, "before path 2 on downlink ends"),
}


@pytest.mark.parametrize(("index", "changes", "words"), WRONG_PARTS.values(), ids=WRONG_PARTS)
def test_parts_return_after_their_paths_one_at_a_time_and_before_the_end(index, changes, words):
    spans = list(IN_PARTS)
    assert violations(Timeline(spans=IN_PARTS)) == []
    spans[index] = msgspec.structs.replace(spans[index], **changes)

    problems = violations(Timeline(spans=tuple(spans)))

    assert any(words in problem for problem in problems), problems


def test_parts_need_not_wait_for_each_other_on_links_of_their_own():
    spans = list(IN_PARTS)
    spans[7] = msgspec.structs.replace(spans[7], start_s=7.5)

    assert violations(Timeline(spans=tuple(spans)), shared_link=False) == []


def test_slack_forgives_as_much_as_it_says():
    late = changed(2, start_s=1.9)

    assert violations(late, tolerance_s=0.2) == []
    assert violations(late, tolerance_s=0.05) != []


def test_the_clock_error_forgives_between_machines_but_not_on_one():
    between = msgspec.structs.replace(changed(4, start_s=3.9), clock_error_s=0.2)
    within = msgspec.structs.replace(changed(1, start_s=1.9), clock_error_s=0.2)

    assert violations(between) == []
    assert violations(within) != []


def test_workers_of_the_edge_server_work_at_the_same_time():
    both = changed(5, start_s=5.0, end_s=6.0, worker=1)

    assert violations(both) == []


def test_links_of_their_own_may_carry_at_the_same_time():
    together = changed(3, start_s=3.0)

    assert violations(together) != []
    assert violations(together, shared_link=False) == []


def test_a_path_that_is_kept_or_sent_raw_has_fewer_spans():
    spans = (
        span(Lane.UPLINK, 0, 1, 1),
        span(Lane.DEVICE, 0, 2, 2),
        span(Lane.UPLINK, 2, 3, 2),
        span(Lane.EDGE, 1, 2, 1),
        span(Lane.EDGE, 3, 4),
    )

    assert violations(Timeline(spans=spans)) == []
    early = (*spans[:-1], span(Lane.EDGE, 2.5, 4))
    assert any("the tail" in problem for problem in violations(Timeline(spans=early)))


def delayed(by_s: float, *, lane: Lane, path: int | None) -> Timeline:
    """`POSSIBLE` with one step longer and everything behind it later."""
    first = next(i for i, s in enumerate(POSSIBLE) if (s.lane, s.path) == (lane, path))
    end_s = POSSIBLE[first].end_s
    spans = []
    for item in POSSIBLE:
        start_s = item.start_s + (by_s if item.start_s >= end_s else 0)
        stop_s = item.end_s + (by_s if item.end_s >= end_s else 0)
        spans.append(span(item.lane, start_s, stop_s, item.path, item.worker))
    return Timeline(spans=tuple(spans), measured=True)


def test_equal_timelines_do_not_part():
    predicted = Timeline(spans=POSSIBLE)

    found = steps(predicted, delayed(0.0, lane=Lane.EDGE, path=1))

    assert [step.predicted for step in found] == sorted(POSSIBLE, key=lambda item: item.end_s)
    assert {step.late_s for step in found} == {0.0}
    assert parting(predicted, found) is None


@pytest.mark.parametrize("at", [(Lane.EDGE, 2), (Lane.EDGE, None), (Lane.DOWNLINK, None)])
def test_timelines_part_where_something_took_longer(at):
    predicted = Timeline(spans=POSSIBLE)
    lane, path = at

    found = steps(predicted, delayed(0.5, lane=lane, path=path))

    first = parting(predicted, found)
    assert first is not None
    assert (first.lane, first.path) == at
    assert first.longer_s == pytest.approx(0.5)
    assert first.late_s == pytest.approx(0.5)
    assert all(step.longer_s == pytest.approx(0) for step in found if step is not first)


def test_what_happens_in_only_one_timeline_is_no_step():
    measured = Timeline(spans=POSSIBLE[:-1], measured=True)

    assert len(steps(Timeline(spans=POSSIBLE), measured)) == len(POSSIBLE) - 1


def test_a_lateness_that_is_made_up_for_is_no_parting():
    predicted = Timeline(spans=POSSIBLE)
    late = list(POSSIBLE)
    late[1] = span(Lane.DEVICE, 2, 3.9, 2)

    found = steps(predicted, Timeline(spans=tuple(late), measured=True))

    assert max(step.late_s for step in found) == pytest.approx(0.9)
    assert parting(predicted, found) is None


def test_paths_are_shown_with_both_times_and_the_parting_in_words():
    predicted, measured = Timeline(spans=POSSIBLE), delayed(0.5, lane=Lane.EDGE, path=2)

    table = render(paths_table(predicted, measured))

    assert "2000.0 / 2000.0" in table
    assert "1000.0 / 1500.0" in table
    assert "tail, result" in table
    assert "they part on the edge at path 2, which took +500.0 ms" in parting_text(
        predicted, measured
    )


def later(seconds: float, index: int = 0) -> Timeline:
    """The possible one, from one piece of work on so much later."""
    return Timeline(
        spans=tuple(
            msgspec.structs.replace(
                item, start_s=item.start_s + seconds, end_s=item.end_s + seconds
            )
            if place >= index
            else item
            for place, item in enumerate(POSSIBLE)
        ),
        measured=True,
    )


def test_a_typical_timeline_has_the_middle_of_every_beginning_and_end():
    several = [later(3), later(0), later(50), later(1, index=2), later(2, index=6)]

    middle = typical(several)

    assert middle.end_s == sorted(item.end_s for item in several)[2]
    assert not middle.measured
    assert violations(middle) == []
    assert [item.path for item in middle.spans] == [item.path for item in POSSIBLE]
    assert typical(several[1:2]).spans == POSSIBLE


def test_a_typical_timeline_has_what_all_have():
    fewer = Timeline(spans=POSSIBLE[1:])

    assert typical([fewer, Timeline(spans=POSSIBLE)]).spans == POSSIBLE[1:]


def test_of_a_batch_each_image_has_its_own_head_and_tail():
    image = Timeline(
        spans=(
            span(Lane.DEVICE, 0, 1, HEAD),
            span(Lane.DEVICE, 1, 2, 1),
            span(Lane.UPLINK, 2, 3, 1),
            span(Lane.EDGE, 3, 4),
        )
    )

    batch = in_a_row([image, image])
    found = steps(batch, batch)

    assert [item.path for item in batch.spans] == [HEAD, 1, 1, None, HEAD, 2, 2, None]
    assert len(found) == 8
    assert {step.late_s for step in found} == {0.0}
