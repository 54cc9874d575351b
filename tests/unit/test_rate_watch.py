"""When a link is believed to have changed."""

from __future__ import annotations

import numpy as np
import pytest

from fusepath.protocol.rate_watch import FRAMES_QUICKER, FRAMES_SLOWER, Carried, RateWatch

PLANNED = 1e6


def frame(rate: float, *, of_latency: float = 0.5) -> Carried:
    """100 kB over a link of this rate, planned for 1 MB/s."""
    return Carried(
        measured_s=1e5 / rate,
        predicted_s=1e5 / PLANNED,
        planned_bytes_per_s=PLANNED,
        latency_s=0.1 / of_latency,
    )


def test_a_link_that_is_as_planned_is_believed_for_ever():
    watch = RateWatch(PLANNED)
    rates = np.random.default_rng(0).uniform(0.85, 1.2, 1000) * PLANNED
    said = [watch.handle(frame(rate)) for rate in rates]
    assert said == [None] * 1000


@pytest.mark.parametrize(("rate", "frames"), [(0.5e6, FRAMES_SLOWER), (2e6, FRAMES_QUICKER)])
def test_a_link_that_has_changed_is_believed_after_some_frames(rate, frames):
    watch = RateWatch(PLANNED)
    said = [watch.handle(frame(rate)) for _ in range(frames)]
    assert said[:-1] == [None] * (frames - 1)
    assert said[-1] == pytest.approx(rate)
    assert watch.handle(frame(rate)) is None


def test_of_slower_frames_the_quickest_is_believed():
    watch = RateWatch(PLANNED)
    for rate in (0.3e6, 0.2e6, 0.5e6, 0.1e6):
        assert watch.handle(frame(rate)) is None
    assert watch.handle(frame(0.4e6)) == pytest.approx(0.5e6)


def test_single_frames_and_frames_to_both_sides_say_nothing():
    watch = RateWatch(PLANNED)
    for _ in range(50):
        for rate in (0.3e6, 0.3e6, 0.3e6, 1e6, 3e6, 3e6, 0.3e6):
            assert watch.handle(frame(rate)) is None


def test_what_does_not_matter_to_the_latency_says_nothing():
    watch = RateWatch(PLANNED)
    for _ in range(50):
        assert watch.handle(frame(0.5e6, of_latency=0.1)) is None


def test_a_frame_that_sent_nothing_says_nothing():
    watch = RateWatch(PLANNED)
    for _ in range(50):
        assert watch.handle(Carried(0.0, 0.0, PLANNED, 0.1)) is None


def test_a_link_that_goes_up_and_down_is_followed_ever_more_slowly_and_then_anew():
    watch = RateWatch(PLANNED)

    def until_believed(rate: float) -> int:
        for count in range(1, 1000):
            if watch.handle(frame(rate)) is not None:
                return count
        raise AssertionError

    waits = [until_believed(rate) for rate in (0.4e6, 1e6, 0.4e6, 1e6)]
    assert waits == [5, 3, 10, 12]
    for _ in range(100):
        watch.handle(frame(1e6))
    assert until_believed(0.4e6) == 5


def test_plans_made_for_what_is_believed_are_compared_with_that():
    """The plan is an old one: it was made for 1 MB/s, and 0.5 MB/s are known by now."""
    watch = RateWatch(PLANNED)
    watch.believe(0.5e6)
    assert [watch.handle(frame(0.5e6)) for _ in range(20)] == [None] * 20
