"""Weights stored in eight or sixteen bits become float32 when a model is read."""

from __future__ import annotations

import numpy as np
import pytest

from tests.written_models import assert_all_agree, assert_splits, net, op_types

RNG = np.random.default_rng(3)
INT8 = RNG.integers(-127, 128, (6, 4, 3, 3)).astype(np.int8)
UINT8 = RNG.integers(0, 256, (6, 4, 3, 3)).astype(np.uint8)
SCALES = np.array([0.5, 0.25, 1, 2, 0.125, 0.5], np.float32)

WEIGHTS = {
    "per tensor": ("(k, scale)", 10, {"k": INT8, "scale": np.float32(0.25)}),
    "with a zero point": (
        "(k, scale, zero)",
        13,
        {"k": UINT8, "scale": np.float32(0.25), "zero": np.uint8(128)},
    ),
    "per output channel": (
        "<axis = 0>(k, scale, zero)",
        17,
        {"k": INT8, "scale": SCALES, "zero": np.zeros(6, np.int8)},
    ),
    "per input channel": (
        "<axis = -3>(k, scale, zero)",
        17,
        {"k": UINT8, "scale": SCALES[:4], "zero": np.array([1, 2, 3, 250], np.uint8)},
    ),
    "of 32 bits": ("(k, scale)", 17, {"k": INT8.astype(np.int32), "scale": np.float32(0.25)}),
}


@pytest.mark.parametrize(("call", "opset", "weights"), WEIGHTS.values(), ids=WEIGHTS)
def test_quantised_weights_of_a_float_operator_are_dequantised(call, opset, weights):
    model = net(
        f"""(float[] y) {{
            w = DequantizeLinear{call}  a = Conv<pads = [1, 1, 1, 1]>(x, w)
            y = Conv<strides = [2, 2]>(a, v) }}""",
        opset=opset,
        integer=True,
        v=(5, 6, 3, 3),
        **weights,
    )

    assert op_types(model) == ["Conv", "Conv"]
    assert model.graph.tileable_layers == model.graph.depth == 2
    assert_all_agree(model, [[], [1]])
    assert_splits(model)


def test_real_scales_give_the_bits_of_the_runtime():
    scales = RNG.random(6, np.float32) / 50
    model = net(
        "(float[] y) { w = DequantizeLinear<axis = 1>(k, s, z)  y = Add(x, w) }",
        shape="1,6,3,4",
        k=RNG.integers(0, 256, (6, 6, 3, 4)).astype(np.uint8)[:1],
        s=scales,
        z=np.array([7, 0, 1, 255, 128, 127], np.uint8),
    )

    assert op_types(model) == ["Add"]
    assert_all_agree(model, [[]])


def test_dequantised_weights_that_are_then_transposed_are_constant():
    model = net(
        """(float[] y) { d = DequantizeLinear(k, s)  w = Transpose<perm = [1, 0, 2, 3]>(d)
            y = Conv(x, w) }""",
        k=INT8.reshape(4, 6, 3, 3),
        s=np.float32(0.5),
    )

    assert op_types(model) == ["Conv"]
    assert_all_agree(model, [[]])


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_weights_behind_a_cast_are_constant(dtype):
    model = net(
        "(float[] y) { w = Cast<to = 1>(k)  y = Conv(x, w) }",
        k=RNG.standard_normal((6, 4, 3, 3)).astype(dtype),
    )

    assert op_types(model) == ["Conv"]
    assert_all_agree(model, [[]])


def test_weights_that_meet_quantised_activations_stay_quantised():
    """ONNX Runtime computes such a Conv in integers; in float32 it would round otherwise."""
    model = net(
        """(float[] y) {
            q = QuantizeLinear(x, s, z)  d = DequantizeLinear(q, s, z)
            w = DequantizeLinear(k, s, n)  b = DequantizeLinear(c, s)
            a = Conv(d, w, b)  p = QuantizeLinear(a, s, z)  y = DequantizeLinear(p, s, z) }""",
        k=INT8,
        c=np.arange(6, dtype=np.int32),
        s=np.float32(0.1),
        z=np.uint8(128),
        n=np.int8(0),
    )

    assert op_types(model).count("DequantizeLinear") == 4
    assert_all_agree(model, [[]])
