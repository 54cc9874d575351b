"""What strips cost is fitted to measurements, and is never below what there can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fusepath.profiling.strips import bounded_fit

LEAST = np.array([1.0, 1.0, 0.0])
NUMBERS = st.floats(-4, 4, allow_subnormal=False)


def error(equations, wanted, values):
    return np.sum((equations @ values - wanted) ** 2)


def test_what_is_not_below_its_least_is_found_exactly():
    equations = np.array([[2.0, 0.0, 1.0], [0.0, 2.0, 1.0], [2.0, 0.0, 4.0], [0.0, 2.0, 4.0]])

    fitted = bounded_fit(equations, equations @ [1.5, 1.0, 0.25], LEAST)

    assert fitted == pytest.approx([1.5, 1.0, 0.25])


def test_others_make_up_for_what_may_not_be_below_its_least():
    """Thick strips are quicker than whole maps, thin ones slower."""
    equations, wanted = np.array([[1.0, 0.0, 0.1], [1.0, 0.0, 0.4]]), np.array([0.9, 1.2])

    assert bounded_fit(equations, wanted, LEAST) == pytest.approx([1.0, 1.0, 0.07 / 0.17])


@given(arrays.arrays(float, (6, 3), elements=NUMBERS), arrays.arrays(float, 6, elements=NUMBERS))
def test_no_change_of_one_value_makes_it_better(equations, wanted):
    fitted = bounded_fit(equations, wanted, LEAST)

    assert (fitted >= LEAST).all()
    for place in range(3):
        for step in (-0.01, 0.01):
            other = fitted.copy()
            other[place] = max(other[place] + step, LEAST[place])
            assert error(equations, wanted, fitted) <= error(equations, wanted, other) + 1e-9
