"""Operators between Transposes work on channels first, and the Transposes are gone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.written_models import assert_all_agree, assert_splits, ints, net, op_types

CONSTANTS = {
    "g": (4,),
    "h": (4,),
    "grow": (4, 6),
    "shrink": (6, 4),
    "wide": (6,),
    "zero": np.float32(0),
    "one": np.float32(1),
    "two": np.float32(2),
    "half": np.float32(0.5),
    "root": np.float32(2**0.5),
    "epsilon": np.float32(1e-5),
    "axis": ints(3),
    "last": ints(-1),
    "from1": ints(1),
    "to3": ints(3),
    "parts": ints(1, 3),
    "order": ints(2, 0, 3, 1),
    "full": np.full((1, 13, 10, 4), 3, np.float32),
    "pads": ints(0, 1, 2, 0, 0, 0, 1, 0),
    "p2": (1, 1, 1, 2),
}
NORMAL = "n = LayerNormalization<axis = -1, epsilon = 1e-6>(t, g, h)"
CONVNEXT = f"""{NORMAL}  a = MatMul(n, grow)  b = Add(a, wide)  c = Div(b, root)  d = Erf(c)
    e = Add(d, one)  f = Mul(b, e)  i = Mul(f, half)  j = MatMul(i, shrink)  k = Add(h, j)
    o = Mul(k, g)"""
ISLANDS = {
    "layer normalisation": NORMAL.replace("n =", "o ="),
    "without a bias": "o = LayerNormalization<axis = 3>(t, g)",
    "a block of ConvNeXt": CONVNEXT,
    "normalisation spelled out": (
        """m = ReduceMean<axes = [-1]>(t)  d = Sub(t, m)  q = Pow(d, two)
           k = ReduceMean<axes = [3]>(q)  e = Add(k, epsilon)  r = Sqrt(e)  n = Div(d, r)
           s = Mul(n, g)  o = Add(s, h)"""
    ),
    "softmax": "o = Softmax<axis = -1>(t)",
}
EXACT = {
    "product": "m = MatMul(t, grow)  o = MatMul(m, shrink)",
    "layer scale": "m = Mul(t, g)  o = PRelu(m, h)",
    "residual": "m = MatMul(t, grow)  r = Relu(m)  p = MatMul(r, shrink)  o = Add(p, t)",
    "full constant": "c = Greater(t, full)  k = Not(c)  o = Where(k, t, full)",
    "channels": (
        """p, q = Split<axis = 3>(t, parts)  s = Slice(t, from1, to3, axis)
           u = Gather<axis = -1>(t, order)  c = Concat<axis = -1>(q, p, s, u)
           o = ReduceMax<axes = [3]>(c)"""
    ),
    "sum": "m = ReduceSum(t, last)  c = Clip(m, zero)  o = Sub(t, c)",
    "pad": "r = Relu(t)  o = Pad(r, pads, zero)",
    "nothing": "o = Identity(t)",
}


def island(body: str, *, integer: bool) -> object:
    channels = 1 if "o = ReduceMax" in body else 4
    return net(
        f"""(float[] y) {{ a0 = Conv<pads = [1, 1, 1, 1]>(x, w)
            t = Transpose<perm = [0, 2, 3, 1]>(a0)  {body}
            z = Transpose<perm = [0, 3, 1, 2]>(o)  y = Conv<pads = [1, 1, 1, 1]>(z, v) }}""",
        integer=integer,
        w=(4, 4, 3, 3),
        v=(3, channels, 3, 3),
        **CONSTANTS,
    )


@pytest.mark.parametrize("body", ISLANDS.values(), ids=ISLANDS)
def test_an_island_of_real_numbers_is_gone(body):
    model = island(body, integer=False)

    assert not {"Transpose", "MatMul", "LayerNormalization"} & set(op_types(model))
    assert model.graph.tileable_layers == model.graph.depth
    assert_all_agree(model, [[], [1]])
    assert_splits(model, exact=False)


@pytest.mark.parametrize("body", EXACT.values(), ids=EXACT)
def test_an_island_of_integers_is_gone_and_exact(body):
    model = island(body, integer=True)

    assert not {"Transpose", "MatMul"} & set(op_types(model))
    assert model.graph.tileable_layers == model.graph.depth
    assert_all_agree(model, [[], [1]])
    assert_splits(model)


@pytest.mark.parametrize("opset", [12, 18])
def test_axes_of_other_opsets(opset):
    """Before 13 a Softmax works over all axes behind its own; from 18 on axes are an input."""
    reduce = "ReduceMean<axes = [3]>(t)" if opset == 12 else "ReduceMean(t, last)"
    model = net(
        f"""(float[] y) {{
            t = Transpose<perm = [0, 2, 3, 1]>(x)  m = {reduce}  d = Sub(t, m)
            s = Softmax<axis = 3>(d)  y = Transpose<perm = [0, 3, 1, 2]>(s) }}""",
        opset=opset,
        last=ints(-1),
    )

    assert ("Transpose" in op_types(model)) == (opset == 12)
    assert_all_agree(model, [[]])


def test_what_has_no_form_in_channels_first_gets_its_transpose_back():
    model = net(
        """(float[] y, float[] z, float[] t) {
            a = Conv(x, w)  t = Transpose<perm = [0, 2, 3, 1]>(a)  r = Relu(t)  s = Sigmoid(r)
            f = Flatten(s)  y = Gemm(f, m)  z = Transpose<perm = [0, 2, 1, 3]>(s) }""",
        w=(6, 4, 1, 1),
        m=(780, 3),
    )

    assert op_types(model).count("Transpose") == 2
    assert model.graph.tileable_layers == 1
    assert [op.op_type for op in model.graph.operators(1, 1)] == ["Conv", "Relu", "Sigmoid"]
    assert_all_agree(model, [[], [1]])


def test_statistics_over_space_are_those_of_channels_first():
    model = net(
        """(float[] y, float[] z) {
            t = Transpose<perm = [0, 2, 3, 1]>(x)  y = ReduceMean<axes = [1, 2], keepdims = 0>(t)
            z = ReduceMax<axes = [1], keepdims = 0>(t) }"""
    )

    assert op_types(model).count("Transpose") == 1
    assert_all_agree(model, [[]])


def test_an_operand_that_varies_over_rows_is_transposed_too():
    model = net(
        """(float[] y) { t = Transpose<perm = [0, 2, 3, 1]>(x)  s = Add(t, position)
            y = Transpose<perm = [0, 3, 1, 2]>(s) }""",
        position=(13, 10, 1),
    )

    assert op_types(model) == ["Add"]
    assert_all_agree(model, [[]])


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.data())
def test_random_islands_compute_the_same(data):
    """Operators in a row, of which some end the island and some are read twice."""
    draw = data.draw
    steps = {
        "Relu": "Relu({0})",
        "add": "Add({0}, {1})",
        "scale": "Mul({0}, g)",
        "product": "MatMul({0}, square)",
        "mean": "ReduceMean<axes = [3]>({0})",
        "columns": "ReduceMax<axes = [2]>({0})",
        "order": "Gather<axis = 3>({0}, order)",
        "rows": "Softmax<axis = 1>({0})",
        "channels": "Softmax<axis = 3>({0})",
        "back": "Transpose<perm = [0, 3, 1, 2]>({0})",
        "there": "Transpose<perm = [0, 2, 3, 1]>({0})",
        "turn": "Transpose<perm = [0, 2, 1, 3]>({0})",
    }
    known = [("t0", (1, 4, 4, 4))]
    body = "t0 = Transpose<perm = [0, 2, 3, 1]>(x)"
    for at in range(1, draw(st.integers(2, 8))):
        (first, shape) = draw(st.sampled_from(known[-2:]))
        alike = [name for name, other in known if other == shape]
        op = draw(st.sampled_from(sorted(steps)))
        made = list(shape)
        if op == "mean":
            made[3] = 1
        elif op == "columns":
            made[2] = 1
        elif op in {"back", "there", "turn"}:
            perm = {"back": (0, 3, 1, 2), "there": (0, 2, 3, 1), "turn": (0, 2, 1, 3)}[op]
            made = [shape[axis] for axis in perm]
        elif op in {"scale", "product", "order"} and shape[3] != 4:
            continue
        body += f"  t{at} = " + steps[op].format(first, draw(st.sampled_from(alike)))
        known.append((f"t{at}", tuple(made)))
    outputs = {known[-1][0], draw(st.sampled_from(known))[0]}
    declared = ", ".join(f"float[] {name}" for name in sorted(outputs))
    model = net(
        f"({declared}) {{ {body} }}",
        shape="1,4,4,4",
        g=(4,),
        square=(4, 4),
        order=ints(1, 0, 3, 2),
    )

    assert_all_agree(model, [[]])
