"""When something is believed to have become slower or quicker."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from fusepath.protocol.gauge import FORGIVEN, FRAMES, HIDDEN, MOST_DOUBT, Gauge, Taken

PLANNED_S, UNCLEAR_S = 0.05, 0.002


def taken(slowness: float, *, planned_s: float = PLANNED_S) -> Taken:
    return Taken(planned_s * slowness, planned_s, UNCLEAR_S)


def after(gauge: Gauge, slowness: float, most: int = 1000) -> int:
    """Frames of such a slowness until it is believed."""
    for number in range(1, most):
        gauge.handle(taken(slowness))
        if abs(math.log(gauge.slowness / slowness)) < 0.05:
            return number
    raise AssertionError(f"{gauge.slowness} is believed, not {slowness}")


@pytest.mark.parametrize("slowness", [0.1, 0.3, 0.6, 1.6, 4.0, 40.0])
def test_a_change_is_believed_after_two_frames(slowness):
    assert after(Gauge(), slowness) == FRAMES


def test_one_frame_says_nothing_nor_do_frames_to_both_sides():
    gauge = Gauge()
    for slowness in (4.0, 1.0, 0.2, 4.0, 0.2, 4.0, 1.0) * 20:
        gauge.handle(taken(slowness))
        assert 0.9 < gauge.slowness < 1.1


def test_what_is_unclear_and_what_was_not_used_say_nothing():
    gauge = Gauge()
    for _ in range(50):
        gauge.handle(taken(2.0, planned_s=0.8 * UNCLEAR_S))
        gauge.handle(Taken(0.05, 0.0, UNCLEAR_S))
    assert gauge.slowness == 1.0
    assert not gauge.tells(0.8 * UNCLEAR_S, UNCLEAR_S)
    assert gauge.tells(3 * UNCLEAR_S, UNCLEAR_S)


@pytest.mark.parametrize("noise", [0.03, 0.1, 0.2, 0.3])
def test_a_noisy_thing_that_is_steady_is_believed_to_be_steady(noise):
    gauge = Gauge()
    random = np.random.default_rng(0)
    believed = []
    for slowness in np.exp(random.normal(0, noise, 2000)):
        gauge.handle(taken(float(slowness)))
        believed.append(gauge.slowness)
    off = np.abs(np.log(believed))
    assert np.mean(off > 3 * noise) < 0.01
    assert np.median(off) < 0.5 * noise


def test_noise_is_next_to_never_believed_to_be_a_change():
    believed = 0
    for noise, seed in product((0.08, 0.12, 0.3), range(30)):
        gauge, random = Gauge(), np.random.default_rng(seed)
        for number, slowness in enumerate(np.exp(random.normal(0, noise, 600))):
            gauge.handle(taken(float(slowness)))
            if number > 100 and abs(math.log(gauge.slowness)) > 1.7 * noise:
                believed += 1
                break
    assert believed <= 2


@pytest.mark.parametrize("unusual", [-0.3, 0.3])
def test_a_few_calm_frames_do_not_make_two_noisy_ones_a_change(unusual):
    gauge = Gauge()
    for off in [0.1, -0.1] * 50 + [0.0] * 8 + [unusual] * FRAMES:
        gauge.handle(taken(math.exp(off)))
    assert abs(math.log(gauge.slowness)) < 0.1


@pytest.mark.parametrize("slowness", [0.25, 0.5, 2.0, 4.0])
def test_on_a_noisy_link_what_matters_is_still_believed_after_two_frames(slowness):
    late = 0
    for seed in range(40):
        gauge, random = Gauge(), np.random.default_rng(seed)
        for number, noise in enumerate(random.normal(0, 0.1, 102)):
            gauge.handle(taken(math.exp(noise) * (slowness if number >= 100 else 1.0)))
        late += abs(math.log(gauge.slowness / slowness)) > 0.3
    assert late <= 4


def test_small_changes_are_followed_by_and_by():
    gauge = Gauge()
    for _ in range(20):
        gauge.handle(taken(1.1))
    assert gauge.slowness == pytest.approx(1.1, rel=0.01)


def test_of_the_frames_that_are_believed_the_one_nearest_to_what_was_counts():
    for frames, expected in (((2.0, 4.0), 2.0), ((4.0, 2.0), 2.0), ((0.2, 0.4), 0.4)):
        gauge = Gauge()
        for slowness in frames:
            gauge.handle(taken(slowness))
        assert gauge.slowness == pytest.approx(expected)


def test_what_is_quick_in_bursts_is_believed_to_be_quick_ever_more_slowly_then_anew():
    gauge = Gauge()
    waits = []
    for _ in range(7):
        waits.append(after(gauge, 0.1))
        assert after(gauge, 1.0) <= FRAMES
    assert waits == [FRAMES * 2**doubt for doubt in range(6)] + [FRAMES * MOST_DOUBT]

    assert not gauge.is_trusted
    for _ in range(FORGIVEN):
        gauge.handle(taken(1.0))
    assert gauge.is_trusted
    assert after(gauge, 0.1) == FRAMES


def test_what_stays_quick_for_long_is_no_burst():
    gauge = Gauge()
    for _ in range(5):
        assert after(gauge, 0.1) == FRAMES
        for _ in range(60):
            gauge.handle(taken(0.1))
        assert after(gauge, 1.0) == FRAMES
        gauge.handle(taken(1.0))


def test_after_forgetting_the_next_frame_is_believed():
    gauge = Gauge()
    gauge.forget()
    assert after(gauge, 30.0) == 1


def test_a_link_that_was_down_is_believed_to_be_quick_at_once_whatever_bursts_it_had():
    gauge = Gauge()
    for _ in range(3):
        after(gauge, 0.1)
        after(gauge, 1.0)
    assert not gauge.is_trusted
    gauge.forget()
    assert after(gauge, 0.1) == 1


def test_whether_something_is_quicker_is_told_beyond_what_is_unclear():
    gauge = Gauge()
    assert gauge.is_quicker(taken(0.5))
    assert not gauge.is_quicker(taken(0.9))
    assert not gauge.is_quicker(taken(0.5, planned_s=UNCLEAR_S))
    gauge.handle(taken(3.0))
    assert gauge.is_unsure
    gauge.handle(taken(1.0))
    assert not gauge.is_unsure


def test_what_is_told_counts_where_frames_show_nothing_and_it_is_more():
    gauge = Gauge(is_probed=False)
    gauge.tell(3.0)
    gauge.tell(2.0)
    assert gauge.slowness == 3.0

    gauge.handle(taken(1.2))
    assert gauge.slowness == pytest.approx(1.2)  # the first frame is believed at once
    gauge.tell(5.0)
    assert gauge.slowness == pytest.approx(1.2)

    gauge.handle(Taken(0.0, 0.0, UNCLEAR_S))
    gauge.tell(5.0)
    assert gauge.slowness == 5.0


def test_what_is_told_is_forgotten_once_nobody_says_so_any_more():
    gauge = Gauge(is_probed=False)
    gauge.tell(4.0)
    for number in range(3 * HIDDEN):
        gauge.handle(Taken(0.0, 0.0, UNCLEAR_S))
        gauge.tell(4.0 if number == HIDDEN // 2 else 1.0)
        assert (gauge.slowness > 1) is (number < HIDDEN // 2 + HIDDEN)


@pytest.mark.parametrize("steady", [1.0, 4.0])
def test_what_was_steady_for_long_is_forgotten_ever_more_slowly_where_it_is_slow_still(steady):
    gauge = Gauge(is_probed=False, slowness=steady)
    for _ in range(2 * FORGIVEN):
        gauge.handle(taken(steady))
    if steady != 4.0:
        assert after(gauge, 4.0) == FRAMES
    for patience in (1, 2, 4):
        for _ in range(HIDDEN * patience):
            assert gauge.slowness == pytest.approx(4.0)
            gauge.handle(Taken(0.0, 0.0, UNCLEAR_S))
        assert gauge.slowness == 1.0
        gauge.handle(taken(4.0))
