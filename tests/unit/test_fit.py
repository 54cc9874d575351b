"""From times of pieces to costs: what was put in comes out again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusepath.cost import fit_error, fixed_part_s

SHARES = (0.5, 0.25, 0.1, 0.0625)


@given(fixed_s=st.floats(1e-6, 1e-3), moving_s=st.floats(1e-5, 1.0))
def test_a_fixed_part_that_is_there_is_found(fixed_s, moving_s):
    pieces = [(share, fixed_s + moving_s * share) for share in SHARES]

    assert fixed_part_s(fixed_s + moving_s, pieces) == pytest.approx(fixed_s, rel=1e-6, abs=1e-12)


def test_errors_of_the_pieces_cancel_out():
    noise = (1.02, 0.98, 1.02, 0.98)
    pieces = [
        (share, (1e-4 + 1e-3 * share) * off) for share, off in zip(SHARES, noise, strict=True)
    ]

    assert fixed_part_s(1.1e-3, pieces) == pytest.approx(1e-4, rel=0.05)


def test_the_fixed_part_is_never_below_zero_nor_above_the_whole():
    assert fixed_part_s(1.0, [(0.5, 0.4), (0.1, 0.05)]) == 0.0
    assert fixed_part_s(1.0, [(0.5, 3.0), (0.1, 3.0)]) == 1.0


def test_without_pieces_or_with_whole_ones_nothing_is_known_to_be_fixed():
    assert fixed_part_s(1.0, []) == 0.0
    assert fixed_part_s(1.0, [(1.0, 1.0)]) == 0.0


def test_errors_are_relative_to_what_was_measured():
    error = fit_error([(1.1, 1.0), (0.8, 1.0), (2.0, 2.0)])

    assert error is not None
    assert error.shapes == 3
    assert error.median == pytest.approx(0.1)
    assert error.worst == pytest.approx(0.2)
    assert error.p90 == pytest.approx(0.18)
    assert error.bias == 0.0


def test_nothing_compared_has_no_error():
    assert fit_error([]) is None
