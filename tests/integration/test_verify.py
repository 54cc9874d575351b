"""`--verify` judges by what ONNX Runtime itself does, and still finds what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper, parser

from fusepath import Model
from fusepath.offload.verify import measured_reference, run_unsplit
from fusepath.onnx_io import read_model, summands
from fusepath.plan import InputFormat

VALUES = InputFormat(dtype="float32")


def model(body: str, **weights: np.ndarray) -> Model:
    text = f'<ir_version: 8, opset_import: ["": 17]> g (float[1,4,16,16] x) => {body}'
    proto = parser.parse_model(text)
    for name, value in weights.items():
        proto.graph.initializer.append(numpy_helper.from_array(value.astype("f4"), name))
    return read_model(proto.SerializeToString(), name="net", source="net")


def image() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((1, 4, 16, 16), dtype=np.float32)


def weights() -> np.ndarray:
    return np.random.default_rng(2).standard_normal((6, 4, 3, 3))


def test_outputs_that_are_almost_zero_are_judged_by_what_they_were_made_of():
    found = model(
        "(float[] y) { a = Conv<pads = [1, 1, 1, 1]>(x, w, b)  y = Sigmoid(a) }",
        w=weights() * 0.01,
        b=np.full(6, -16.2),
    )
    reference = measured_reference(found, image(), VALUES)
    small = reference.outputs["y"]

    assert float(small.max()) < 3e-7
    assert reference.judge({"y": small + np.float32(1.4e-7)}).passed
    assert not reference.judge({"y": small + np.float32(1e-5)}).passed


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_a_row_that_belongs_elsewhere_is_found_at_any_size(factor):
    found = model("(float[] y) { y = Conv<pads = [1, 1, 1, 1]>(x, w) }", w=weights() * factor)
    reference = measured_reference(found, image(), VALUES)
    wrong = reference.outputs["y"].copy()
    wrong[:, :, 8] = wrong[:, :, 7]

    assert not reference.judge({"y": wrong}).passed
    assert reference.judge(run_unsplit(found, image(), VALUES, "off")).passed


def test_shares_are_as_exact_as_they_are_large():
    found = model(
        "(float[] y) { a = Conv<pads = [1, 1, 1, 1]>(x, w)  y = Softmax<axis = 1>(a) }", w=weights()
    )

    assert summands(found) == {"y": (frozenset({"y"}), 0.0)}


def test_the_last_sums_of_an_output_are_found_behind_what_sums_nothing():
    found = model(
        """(float[] y, float[] z) { a = Conv<pads = [1, 1, 1, 1]>(x, w)  b = Relu(a)
            c = MaxPool<kernel_shape = [2, 2]>(b)  d = Conv(c, v)  e = Sigmoid(d)
            y = Flatten(e)  z = GlobalMaxPool(b) }""",
        w=weights(),
        v=np.random.default_rng(3).standard_normal((2, 6, 1, 1)),
    )

    assert summands(found) == {
        "y": (frozenset({"c", "d", "y"}), 1.0),
        "z": (frozenset({"x", "a", "z"}), 0.0),
    }


def quantised() -> Model:
    """Two convolutions in integers: in float32 some values come out a step away."""
    rng = np.random.default_rng(4)
    text = """<ir_version: 8, opset_import: ["": 17]> g (float[1,4,16,16] x) => (float[] y) {
        q = QuantizeLinear(x, s, z)  d = DequantizeLinear(q, s, z)
        w = DequantizeLinear(k, t, n)  v = DequantizeLinear(l, t, n)
        a = Conv<pads = [1, 1, 1, 1]>(d, w)  p = QuantizeLinear(a, r, z)
        b = DequantizeLinear(p, r, z)  c = Conv<pads = [1, 1, 1, 1]>(b, v)
        e = QuantizeLinear(c, u, z)  y = DequantizeLinear(e, u, z) }"""
    proto = parser.parse_model(text)
    constants = {
        "k": rng.integers(-60, 60, (6, 4, 3, 3)).astype(np.int8),
        "l": rng.integers(-60, 60, (6, 6, 3, 3)).astype(np.int8),
        "s": np.float32(0.03), "t": np.float32(0.01), "r": np.float32(0.1),
        "u": np.float32(0.3), "z": np.uint8(128), "n": np.int8(0),
    }  # fmt: skip
    for name, value in constants.items():
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return read_model(proto.SerializeToString(), name="net", source="net")


def test_one_step_too_many_is_found_in_a_quantised_network():
    found = quantised()
    reference = measured_reference(found, image(), VALUES)
    wrong = reference.outputs["y"].copy()
    wrong[0, 0, 8, 8] += np.float32(0.3)

    assert summands(found) == {"y": (frozenset({"y"}), 0.0)}
    assert reference.judge(dict(reference.outputs)).passed
    assert not reference.judge({"y": wrong}).passed
