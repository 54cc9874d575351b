"""What a probe shows of a link, wherever it leads."""

from __future__ import annotations

import pytest

from fusepath.cost import Link
from fusepath.offload.observed import is_crowded, probed

LINK = Link(up_bytes_per_s=2e6, down_bytes_per_s=8e6, delay_s=0.001)


@pytest.mark.parametrize("round_trip_s", [0.0005, 0.002, 0.06])
def test_how_far_the_server_is_does_not_make_a_link_seem_slow(round_trip_s):
    up_s, down_s = 32_000 / 2e6, 32_000 / 8e6
    shown = probed(32_000, (round_trip_s, round_trip_s + up_s, round_trip_s + down_s), LINK)

    assert shown.up.measured_s == pytest.approx(shown.up.planned_s) == pytest.approx(up_s)
    assert shown.down.measured_s == pytest.approx(shown.down.planned_s) == pytest.approx(down_s)


def test_of_a_server_that_is_far_away_little_shows_nothing():
    near, far = (probed(2048, (empty_s, 0.05, 0.05), LINK) for empty_s in (0.0005, 0.04))

    assert near.up.unclear_s < 0.002
    assert far.up.unclear_s > 0.01
    assert probed(2048, (0.04, 0.03, 0.03), LINK).up.measured_s == 0.0


def test_a_probe_shows_how_much_further_away_the_server_is_than_planned():
    assert probed(2048, (0.042, 0.05, 0.05), LINK).further_s == pytest.approx(0.02)
    assert probed(2048, (0.0005, 0.05, 0.05), LINK).further_s == pytest.approx(-0.00075)


def test_what_was_sent_beside_a_probe_has_taken_its_part_of_the_time():
    shown = probed(8000, (0.0, 0.005, 0.0012), LINK, (2000, 1600))

    assert shown.up.measured_s == pytest.approx(shown.up.planned_s)
    assert shown.down.measured_s == pytest.approx(shown.down.planned_s)
    assert shown.up.unclear_s == pytest.approx(0.001 + 0.005 / 5)
    assert shown.down.unclear_s == pytest.approx(0.001 + 0.0012 / 6)
    alone = probed(8000, (0.0, 0.005, 0.0012), LINK)
    assert (alone.up.measured_s, alone.down.measured_s) == (0.005, 0.0012)


def test_beside_more_than_half_of_it_a_probe_shows_nothing():
    assert not is_crowded(8000, (4000, 4000))
    assert is_crowded(8000, (4001, 0))
    assert is_crowded(8000, (0, 4001))
