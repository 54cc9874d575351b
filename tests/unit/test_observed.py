"""What a probe shows of a link, wherever it leads."""

from __future__ import annotations

import pytest

from fusepath.cost import Link
from fusepath.offload.observed import probed

LINK = Link(up_bytes_per_s=2e6, down_bytes_per_s=8e6, delay_s=0.001)


@pytest.mark.parametrize("round_trip_s", [0.0005, 0.002, 0.06])
def test_how_far_the_server_is_does_not_make_a_link_seem_slow(round_trip_s):
    up_s, down_s = 32_000 / 2e6, 32_000 / 8e6
    shown = probed(32_000, round_trip_s, round_trip_s + up_s, round_trip_s + down_s, LINK)

    assert shown.up.measured_s == pytest.approx(shown.up.planned_s) == pytest.approx(up_s)
    assert shown.down.measured_s == pytest.approx(shown.down.planned_s) == pytest.approx(down_s)


def test_of_a_server_that_is_far_away_little_shows_nothing():
    near, far = (probed(2048, empty_s, 0.05, 0.05, LINK) for empty_s in (0.0005, 0.04))

    assert near.up.unclear_s < 0.002
    assert far.up.unclear_s > 0.01
    assert probed(2048, 0.04, 0.03, 0.03, LINK).up.measured_s == 0.0


def test_a_probe_shows_how_much_further_away_the_server_is_than_planned():
    assert probed(2048, 0.042, 0.05, 0.05, LINK).further_s == pytest.approx(0.02)
    assert probed(2048, 0.0005, 0.05, 0.05, LINK).further_s == pytest.approx(-0.00075)
