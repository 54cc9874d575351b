"""Random ONNX models, read, cut into tiles and run in parts, against the untouched original."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from fusepath.onnx_io import read_model
from fusepath.plan import InputFormat
from tests.effort import some
from tests.onnx_models import Drawn, onnx_models, run_original, striplings, tilings
from tests.plans import assert_close, carry_out, plan_of

COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
REPEATABLE = settings(COMMON, max_examples=some(200), derandomize=True)
THOROUGH = settings(COMMON, max_examples=some(3000))


def split(drawn: Drawn, data: st.DataObject) -> dict[str, np.ndarray]:
    """The outputs in tiles, or now and then in strips."""
    model = read_model(drawn.data, name="drawn", source="drawn.onnx")
    form = InputFormat(dtype=drawn.image.dtype.name, mean=(0.0,), std=(1.0,))
    arrangements = data.draw(st.sampled_from([tilings, tilings, striplings]))
    plan = plan_of(model, form=form, **data.draw(arrangements(model)))
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


def test_a_window_behind_a_pool_whose_last_window_is_dropped_is_padded_for_the_real_size():
    """ONNX and ONNX Runtime differ on the size of a ceil_mode pool; auto_pad follows the runtime.

    The first pool makes 3 columns, for ONNX's own shape inference it makes 4.
    """
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 1, 6, 6))
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, None)
    window = {"kernel_shape": [1, 3], "strides": [1, 2], "pads": [0, 0, 0, 2], "ceil_mode": 1}
    same = {"kernel_shape": [1, 2], "strides": [1, 2], "auto_pad": "SAME_UPPER"}
    nodes = [
        helper.make_node("MaxPool", ["image"], ["middle"], "first", **window),
        helper.make_node("MaxPool", ["middle"], ["output"], "second", **same),
    ]
    graph = helper.make_graph(nodes, "pools", [image], [output])
    opset = helper.make_opsetid("", 13)
    data = helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
    values = np.arange(36, dtype=np.float32).reshape(1, 1, 6, 6)
    expected = run_original(data, values)["output"]
    model = read_model(data, name="pools", source="pools.onnx")
    form = InputFormat(dtype="float32")

    for tiling in ({"cuts": [1]}, {"tau": 2, "grid": (3, 1), "cuts": [1, 2, 3]}):
        carried = carry_out(model, plan_of(model, form=form, **tiling), values)

        np.testing.assert_array_equal(carried.outputs["output"], expected)


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
