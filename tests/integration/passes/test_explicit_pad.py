"""Pad nodes go into the window behind them where that computes the same, and stay elsewhere."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fusepath.onnx_io import read_model
from tests.written_models import assert_all_agree, assert_splits, ints, net, net_bytes, op_types

ONE = ints(0, 0, 0, 0, 0, 0, 1, 1)
"""A row below and a column to the right: how Keras pads before a stride of two."""
AROUND = ints(0, 0, 1, 1, 0, 0, 1, 1)
POOL = "kernel_shape = [3, 3], strides = [2, 2]"
WIDE_PADS = tuple(map(int, ort.__version__.split(".")[:2])) >= (1, 32)
"""Whether ONNX Runtime runs a maximum of padding alone; before, it moves a Pad into the window by
itself, and refuses it there."""

ABSORBED = {
    "conv": ("p = Pad(x, pads)  y = Conv<strides = [2, 2]>(p, w)", ONE),
    "conv with pads of its own": ("p = Pad(x, pads)  y = Conv<pads = [1, 0, 0, 1]>(p, w)", ONE),
    "a value that is given": ("p = Pad(x, pads, zero)  y = Conv(p, w)", AROUND),
    "two pads": ("o = Pad(x, pads)  p = Pad(o, pads)  y = Conv(p, w)", ONE),
    "two readers": (
        "p = Pad(x, pads)  a = Conv(p, w)  b = Conv(p, v)  y = Add(a, b)",
        AROUND,
    ),
    "average": (f"p = Pad(x, pads)  y = AveragePool<{POOL}>(p)", AROUND),
    "average that counts": (
        f"p = Pad(x, pads)  y = AveragePool<{POOL}, pads = [1, 1, 0, 0], count_include_pad = 1>(p)",
        ONE,
    ),
    "maximum of what is positive": (
        f"a = Relu(x)  p = Pad(a, pads)  y = MaxPool<{POOL}>(p)",
        AROUND,
    ),
    "maximum behind branches": (
        f"""a = Relu(x)  b = Sigmoid(x)  c = Concat<axis = 1>(a, b)
            d = MaxPool<kernel_shape = [1, 1]>(c)  p = Pad(d, pads)  y = MaxPool<{POOL}>(p)""",
        AROUND,
    ),
    "maximum with a clip": (
        f"a = Clip(x, zero, six)  p = Pad(a, pads)  y = MaxPool<{POOL}, ceil_mode = 1>(p)",
        AROUND,
    ),
    "maximum with the lowest value": (f"p = Pad(x, pads, low)  y = MaxPool<{POOL}>(p)", AROUND),
    "maximum with endless pads": (f"p = Pad(x, pads, least)  y = MaxPool<{POOL}>(p)", AROUND),
}
CONSTANTS = {
    "zero": np.float32(0),
    "six": np.float32(2),
    "low": np.finfo(np.float32).min,
    "least": np.float32(-np.inf),
    "half": np.float32(0.5),
}


@pytest.mark.parametrize(("body", "pads"), ABSORBED.values(), ids=ABSORBED)
def test_a_pad_goes_into_the_window_behind_it(body, pads):
    model = net(
        f"(float[] y) {{ {body} }}",
        integer=True,
        pads=pads,
        w=(3, 4, 3, 3),
        v=(3, 4, 3, 3),
        **CONSTANTS,
    )

    assert "Pad" not in op_types(model)
    assert_all_agree(model, [[]])
    assert model.graph.tileable_layers == model.graph.depth
    assert_splits(model, exact="Average" not in body and "Sigmoid" not in body)


LEFT = {
    "maximum of anything": (f"p = Pad(x, pads)  y = MaxPool<{POOL}>(p)", AROUND),
    "maximum with a value that may win": (
        f"a = Relu(x)  p = Pad(a, pads, half)  y = MaxPool<{POOL}>(p)",
        AROUND,
    ),
    "maximum of padding alone": (
        "a = Relu(x)  p = Pad(a, pads)  y = MaxPool<kernel_shape = [2, 2]>(p)",
        ints(0, 0, 2, 2, 0, 0, 2, 2),
    ),
    "average that does not count": (
        f"p = Pad(x, pads)  y = AveragePool<{POOL}, pads = [1, 1, 1, 1]>(p)",
        ONE,
    ),
    "average in ceil mode": (
        f"p = Pad(x, pads)  y = AveragePool<{POOL}, ceil_mode = 1>(p)",
        ONE,
    ),
    "a value": ("p = Pad(x, pads, half)  y = Conv(p, w)", ONE),
    "channels": ("p = Pad(x, pads)  y = Conv(p, u)", ints(0, 1, 0, 0, 0, 0, 0, 0)),
    "cropped": ("p = Pad(x, pads)  y = Conv(p, w)", ints(0, 0, -1, 1, 0, 0, 1, 1)),
    "mirrored": ('p = Pad<mode = "reflect">(x, pads)  y = Conv(p, w)', AROUND),
    "as weights": ("p = Pad(w, pads)  q = Mul(p, k)  y = Conv(x, q)", AROUND),
}


@pytest.mark.parametrize(("body", "pads"), LEFT.values(), ids=LEFT)
def test_a_pad_that_a_window_cannot_stand_for_stays(body, pads):
    if not WIDE_PADS and body == LEFT["maximum of padding alone"][0]:
        pytest.skip("this ONNX Runtime does not run the model")
    model = net(
        f"(float[] y) {{ k = GlobalAveragePool(x)  {body} }}"
        if "k)" in body
        else f"(float[] y) {{ {body} }}",
        pads=pads,
        w=(3, 4, 3, 3),
        u=(3, 5, 3, 3),
        **CONSTANTS,
    )

    assert ("Pad" in op_types(model)) == ("Pad(w" not in body)
    assert_all_agree(model, [[]])


def test_pads_of_some_axes_are_read():
    model = net(
        "(float[] y) { p = Pad(x, pads, , axes)  y = Conv<strides = [2, 1]>(p, w) }",
        opset=18,
        integer=True,
        pads=ints(1, 0, 2, 1),
        axes=ints(-1, 2),
        w=(3, 4, 3, 3),
    )

    assert op_types(model) == ["Conv"]
    assert model.graph.layers[0].operators[0].cols.pad_begin == 1
    assert model.graph.layers[0].operators[0].rows.pad_end == 1
    assert_all_agree(model, [[]])


def test_pads_that_are_attributes_are_read():
    model = net(
        "(float[] y) { p = Pad<pads = [0, 0, 1, 2, 0, 0, 0, 1]>(x)  y = Conv(p, w) }",
        opset=9,
        w=(3, 4, 3, 3),
    )

    assert op_types(model) == ["Conv"]
    assert_all_agree(model, [[]])


def test_a_pad_that_is_an_output_stays_beside_the_window():
    model = net(
        "(float[] y, float[] p) { p = Pad(x, pads)  y = Conv(p, w) }", pads=ONE, w=(3, 4, 3, 3)
    )

    assert sorted(op_types(model)) == ["Conv", "Pad"]
    assert model.graph.tileable_layers >= 1
    assert_all_agree(model, [[]])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_random_pads_before_random_windows_compute_the_same(data):
    draw = data.draw
    op = draw(st.sampled_from(["Conv", "MaxPool", "AveragePool"]))
    height, width = draw(st.integers(5, 9)), draw(st.integers(5, 9))
    added = [draw(st.integers(-1, 2)) for _ in range(4)]
    own = [draw(st.integers(0, 1)) for _ in range(4)]
    kernel = [draw(st.integers(2, 3)) for _ in range(2)]
    strides = [draw(st.integers(1, 2)) for _ in range(2)]
    attributes = f"pads = {own}, strides = {strides}, kernel_shape = {kernel}"
    if op == "AveragePool":
        attributes += f", count_include_pad = {draw(st.integers(0, 1))}"
    if op != "Conv" and min(strides) == max(strides) == 1:
        attributes += f", ceil_mode = {draw(st.integers(0, 1))}"
    first = draw(st.sampled_from(["Relu", "Neg", "Abs"]))
    value = draw(st.sampled_from(["zero", "low", "half"]))
    padded = [height + added[0] + added[2], width + added[1] + added[3]]
    assume(all(size >= k for size, k in zip(padded, kernel, strict=True)))
    pads = zip(own, added, 2 * kernel, strict=True)
    assume(WIDE_PADS or op != "MaxPool" or all(a + b < k for a, b, k in pads))
    weights = {"w": (2, 4, *kernel)} if op == "Conv" else {}
    operands = "p, w" if op == "Conv" else "p"
    written = net_bytes(
        f"(float[] y) {{ a = {first}(x)  p = Pad(a, pads, {value})"
        f" y = {op}<{attributes}>({operands}) }}",
        shape=f"1,4,{height},{width}",
        pads=ints(0, 0, *added[:2], 0, 0, *added[2:]),
        **CONSTANTS,
        **weights,
    )

    assert_all_agree(read_model(written, name="net", source="net.onnx"), [[]])
