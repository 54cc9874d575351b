"""What is computed from the channels of one position runs in tiles, also spelled out."""

from __future__ import annotations

import numpy as np
import pytest

from tests.written_models import assert_all_agree, assert_splits, ints, net, op_types

ONE = np.float32(1)
HALF = np.float32(0.5)
CONSTANTS = {
    "zero": np.float32(0),
    "one": ONE,
    "two": np.float32(2),
    "three": np.float32(3),
    "six": np.float32(6),
    "half": HALF,
    "root": np.float32(2**0.5),
    "epsilon": np.float32(1e-5),
    "s": (4, 1, 1),
    "b": (4, 1, 1),
    "axis": ints(1),
    "full": np.full((1, 4, 13, 10), 2, np.float32),
    "yes": np.bool_(True),
}
SPELLED_OUT = {
    "layer normalisation": (
        """m = ReduceMean<axes = [1]>(a)  d = Sub(a, m)  q = Pow(d, two)
           k = ReduceMean<axes = [-3]>(q)  e = Add(k, epsilon)  r = Sqrt(e)  n = Div(d, r)
           t = Mul(n, s)  o = Add(t, b)"""
    ),
    "gelu": """d = Div(a, root)  e = Erf(d)  f = Add(e, one)  g = Mul(a, f)  o = Mul(g, half)""",
    "hard swish": "d = Add(a, three)  c = Clip(d, zero, six)  e = Div(c, six)  o = Mul(a, e)",
    "softplus with a threshold": (
        """e = Exp(a)  f = Add(e, one)  l = Log(f)  g = Greater(a, three)
           o = Where(g, a, l)"""
    ),
    "mish": "e = Exp(a)  f = Add(e, one)  l = Log(f)  t = Tanh(l)  o = Mul(a, t)",
    "silu": "e = Neg(a)  f = Exp(e)  g = Add(f, one)  o = Div(a, g)",
    "l2 normalisation": ("""n = ReduceL2<axes = [1]>(a)  c = Clip(n, epsilon)  o = Div(a, c)"""),
    "softmax": (
        """m = ReduceMax<axes = [1]>(a)  d = Sub(a, m)  e = Exp(d)  t = ReduceSum(e, axis)
           o = Div(e, t)"""
    ),
}
EXACT = {
    "prelu by where": "g = Less(a, zero)  n = Mul(a, two)  o = Where(g, n, a)",
    "prelu by two relus": "p = Relu(a)  n = Neg(a)  q = Relu(n)  r = Mul(q, s)  o = Sub(p, r)",
    "bools": (
        """g = Greater(a, zero)  l = LessOrEqual(a, three)  k = And(g, l)  e = Equal(a, full)
           n = Not(e)  x1 = Xor(n, k)  x2 = Or(x1, yes)  x3 = And(x1, x2)
           o = Where(x3, a, two)"""
    ),
    "a mask that is cast": "g = GreaterOrEqual(a, one)  f = Cast<to = 1>(g)  o = Mul(a, f)",
    "a condition that is cast": "r = Relu(a)  c = Cast<to = 9>(r)  o = Where(c, a, zero)",
    "masks that are joined": (
        """g = Greater(a, one)  l = Less(a, zero)  c = Concat<axis = 1>(g, l)
           f = Cast<to = 1>(c)  p, q = Split<axis = 1>(f)  o = Sub(p, q)"""
    ),
    "sum of channels": "m = ReduceSum(a, axis)  o = Sub(a, m)",
    "largest channel": "m = ReduceMax<axes = [1]>(a)  n = ReduceMin<axes = [1]>(a)  o = Sub(m, n)",
    "axis dropped and put back": (
        "m = ReduceMax<axes = [1], keepdims = 0>(a)  u = Unsqueeze(m, axis)  o = Sub(a, u)"
    ),
    "channel picked and put back": (
        "m = Gather<axis = 1>(a, i)  u = Unsqueeze(m, axis)  o = Sub(a, u)"
    ),
}


def around(body: str, *, integer: bool = False) -> object:
    """The operators between two convolutions."""
    return net(
        f"""(float[] y) {{ a = Conv<pads = [1, 1, 1, 1]>(x, w)  {body}
            y = Conv<pads = [1, 1, 1, 1]>(o, v) }}""",
        integer=integer,
        w=(4, 4, 3, 3),
        v=(3, 1 if "m, n" in body else 4, 3, 3),
        i=np.int64(2),
        **CONSTANTS,
    )


@pytest.mark.parametrize("body", SPELLED_OUT.values(), ids=SPELLED_OUT)
def test_an_operator_spelled_out_is_pointwise(body):
    model = around(body)

    assert model.graph.tileable_layers == model.graph.depth == 2
    assert_all_agree(model, [[], [1]])
    assert_splits(model, exact=False)


@pytest.mark.parametrize("body", EXACT.values(), ids=EXACT)
def test_comparisons_and_reductions_of_integers_are_exact(body):
    model = around(body, integer=True)

    assert model.graph.tileable_layers == model.graph.depth == 2
    assert_all_agree(model, [[], [1]])
    assert_splits(model)


def test_a_mask_may_cross_a_cut():
    """It is made in the first layer and read behind the second."""
    model = net(
        """(float[] y) {
            a = Conv<pads = [1, 1, 1, 1]>(x, w)  g = Greater(a, one)
            b = Conv<pads = [1, 1, 1, 1]>(a, u)  c = Where(g, b, one)
            y = Conv<pads = [1, 1, 1, 1]>(c, w) }""",
        integer=True,
        w=(4, 4, 3, 3),
        u=(4, 4, 3, 3),
        one=ONE,
    )

    assert model.graph.frontier(1) == ("a", "g")
    assert model.graph.tensors["g"].dtype == "bool"
    assert model.graph.tileable_layers == 3
    assert_all_agree(model, [[1], [2]])
    assert_splits(model)


def test_a_reduction_whose_axis_is_not_put_back_stays_beside_the_one_that_is():
    model = net(
        """(float[] y, float[] m) {
            a = Conv(x, w)  m = ReduceMean<axes = [1], keepdims = 0>(a)  u = Unsqueeze(m, axis)
            y = Sub(a, u) }""",
        w=(4, 4, 3, 3),
        axis=ints(1),
    )

    assert op_types(model).count("ReduceMean") == 2
    assert model.graph.tileable_layers == 1
    assert_all_agree(model, [[]])


def test_axes_of_a_reduction_may_be_an_input():
    model = net("(float[] y) { y = ReduceMean(x, axis) }", opset=18, axis=ints(-3))

    assert model.graph.tileable_layers == 1
    assert_all_agree(model, [[]])
