"""Random ONNX models, read, cut into tiles and run in parts, against the untouched original."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusepath.onnx_io import read_model
from fusepath.plan import InputFormat
from tests.onnx_models import Drawn, onnx_models, run_original, tilings
from tests.plans import assert_close, carry_out, plan_of

COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
REPEATABLE = settings(COMMON, max_examples=100, derandomize=True)
THOROUGH = settings(COMMON, max_examples=3000)


def split(drawn: Drawn, data: st.DataObject) -> dict[str, np.ndarray]:
    model = read_model(drawn.data, name="drawn", source="drawn.onnx")
    form = InputFormat(dtype=drawn.image.dtype.name, mean=(0.0,), std=(1.0,))
    plan = plan_of(model, form=form, **data.draw(tilings(model)))
    return carry_out(model, plan, drawn.image).outputs


def assert_integers_agree(drawn: Drawn, data: st.DataObject) -> None:
    expected = run_original(drawn.data, drawn.image)

    outputs = split(drawn, data)

    assert outputs.keys() == expected.keys()
    for name, want in expected.items():
        np.testing.assert_array_equal(outputs[name], want, err_msg=name)


def assert_reals_agree(drawn: Drawn, data: st.DataObject) -> None:
    assert_close(split(drawn, data), run_original(drawn.data, drawn.image))


@REPEATABLE
@given(onnx_models(integer=True), st.data())
def test_random_integer_models_give_the_same_bits_in_tiles(drawn, data):
    assert_integers_agree(drawn, data)


@REPEATABLE
@given(onnx_models(integer=False), st.data())
def test_random_real_models_agree_to_1e_5_of_the_largest_value(drawn, data):
    assert_reals_agree(drawn, data)


@pytest.mark.slow
@THOROUGH
@given(onnx_models(integer=True), st.data())
def test_thousands_of_integer_models_give_the_same_bits_in_tiles(drawn, data):
    assert_integers_agree(drawn, data)


@pytest.mark.slow
@THOROUGH
@given(onnx_models(integer=False), st.data())
def test_thousands_of_real_models_agree_to_1e_5_of_the_largest_value(drawn, data):
    assert_reals_agree(drawn, data)
