"""Is a split result the unsplit one? What counts as equal, close and wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fusepath.runtime.compare import HALF_TOLERANCE, TOLERANCE, compare, measured_tolerances


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_equal_results_are_bit_equal_and_pass():
    comparison = compare({"y": floats(1, -2)}, {"y": floats(1, -2)})

    assert comparison.bit_equal
    assert comparison.passed
    assert (comparison.max_abs_error, comparison.max_rel_error) == (0, 0)


def test_errors_are_relative_to_the_largest_value_of_their_own_output():
    results = {"large": floats(1000, 1), "small": floats(0.1, 0.05001)}
    reference = {"large": floats(1000, 1.001), "small": floats(0.1, 0.05)}

    comparison = compare(results, reference)

    assert comparison.max_abs_error == pytest.approx(1e-3, rel=1e-3)
    assert comparison.max_rel_error == pytest.approx(1e-4, rel=1e-2)  # of the small one
    assert not comparison.bit_equal
    assert not comparison.passed


@pytest.mark.parametrize(("factor", "passed"), [(0.9, True), (1.1, False)])
def test_the_tolerance_is_where_it_says(factor, passed):
    reference = np.array([-4.0, 1.0])
    result = reference + np.array([0, 4 * TOLERANCE * factor])

    assert compare({"y": result}, {"y": reference}).passed is passed


def test_nan_equals_nan_in_the_same_place_alone():
    reference = {"y": floats(np.nan, 1, 2)}

    assert compare({"y": floats(np.nan, 1, 2)}, reference).bit_equal
    for wrong in (floats(0, 1, 2), floats(np.nan, np.nan, 2)):
        comparison = compare({"y": wrong}, reference)
        assert math.isinf(comparison.max_abs_error)
        assert not comparison.passed


def test_infinity_equals_itself_alone():
    reference = {"y": floats(np.inf, 1)}

    assert compare({"y": floats(np.inf, 1)}, reference).passed
    assert not compare({"y": floats(-np.inf, 1)}, reference).passed
    assert not compare({"y": floats(3e38, 1)}, reference).passed


def test_a_wrong_value_beside_an_expected_infinity_or_nan_does_not_pass():
    for strange in (np.inf, -np.inf, np.nan):
        reference = {"y": floats(strange, 1)}

        assert not compare({"y": floats(strange, 1.1)}, reference).passed
        close = compare({"y": floats(strange, 1 + 2e-6)}, reference)
        assert close.passed
        assert close.max_abs_error == pytest.approx(2e-6, rel=0.1)


def test_a_result_that_is_infinite_does_not_pass():
    comparison = compare({"y": floats(np.inf, 1)}, {"y": floats(1, 1)})

    assert math.isinf(comparison.max_abs_error)
    assert not comparison.passed


def test_an_expected_zero_allows_no_error():
    assert compare({"y": floats(0, 0)}, {"y": floats(0, 0)}).passed
    comparison = compare({"y": floats(0, 1e-30)}, {"y": floats(0, 0)})
    assert math.isinf(comparison.max_rel_error)
    assert not comparison.passed


def test_another_shape_is_infinitely_wrong():
    comparison = compare({"y": floats(1, 2)}, {"y": floats(1, 2).reshape(1, 2)})

    assert math.isinf(comparison.max_abs_error)
    assert not comparison.passed


@pytest.mark.parametrize("names", [[], ["z"], ["y", "z"]], ids=str)
def test_a_missing_or_unknown_output_is_infinitely_wrong(names):
    comparison = compare({name: floats(1) for name in names}, {"y": floats(1)})

    assert math.isinf(comparison.max_abs_error)
    assert not comparison.bit_equal
    assert not comparison.passed


@pytest.mark.parametrize("dtype", ["int64", "bool", "uint8"])
def test_outputs_that_are_no_floats_are_compared_as_well(dtype):
    reference = {"y": np.array([0, 1, 1], dtype=dtype)}

    assert compare({"y": np.array([0, 1, 1], dtype=dtype)}, reference).bit_equal
    assert not compare({"y": np.array([1, 1, 1], dtype=dtype)}, reference).passed


def test_an_output_without_elements_is_equal():
    empty = {"y": np.zeros((1, 0), np.float32)}

    assert compare(empty, empty).bit_equal


def test_a_measured_tolerance_is_that_of_its_own_output():
    reference = {"large": floats(1000), "small": floats(1e-7)}
    tolerances = {"large": 1e-2, "small": 2e-7}

    results = {"large": floats(1000.005), "small": floats(2.5e-7)}
    comparison = compare(results, reference, tolerances)
    assert comparison.passed
    assert comparison.max_abs_error == pytest.approx(5e-3, rel=0.1)
    assert comparison.error == pytest.approx(1.5e-7, rel=0.1)  # it is nearer to its tolerance
    assert comparison.tolerance == 2e-7

    assert not compare({"large": floats(1000), "small": floats(4e-7)}, reference, tolerances).passed
    assert not compare(
        {"large": floats(1000.02), "small": floats(1e-7)}, reference, tolerances
    ).passed


def test_the_claim_is_the_least_tolerance():
    runs = [{"y": floats(-4, 1)}] * 2

    assert measured_tolerances(runs, {})["y"] == pytest.approx(4 * TOLERANCE)
    assert measured_tolerances(runs, {}, halves=True)["y"] == pytest.approx(4 * HALF_TOLERANCE)


def test_the_engines_own_spread_widens_the_tolerance_twice():
    runs = [{"y": floats(1, 2)}, {"y": floats(1, 2.25)}, {"y": floats(0.75, 2)}]

    assert measured_tolerances(runs, {})["y"] == pytest.approx(0.5)


def test_values_that_were_summed_say_how_exact_a_small_output_is():
    runs = [{"y": floats(9e-8)}]

    assert measured_tolerances(runs, {"y": 1.0})["y"] == pytest.approx(2.4e-7, rel=0.02)
    assert measured_tolerances(runs, {"y": 1e3})["y"] == pytest.approx(2.4e-4, rel=0.02)


def test_levels_that_disagree_about_infinity_say_nothing():
    runs = [{"y": floats(np.inf, 1)}, {"y": floats(3e38, 1)}]

    assert measured_tolerances(runs, {})["y"] == pytest.approx(TOLERANCE)
