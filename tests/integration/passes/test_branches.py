"""Branches that the input's size decides are taken when a model is read."""

from __future__ import annotations

import numpy as np
import pytest

from tests.written_models import assert_all_agree, assert_splits, ints, net, op_types

FORK = """
    size = Shape(a)  here = Gather<axis = 0>(size, axis)  small = Equal(here, {wanted})
    {outputs} = If(small) <
        then_branch = yes () => (float[1,4,13,10] t) {{ {then} }},
        else_branch = no () => (float[1,4,13,10] e) {{ {otherwise} }}
    >"""


def forked(then: str, otherwise: str, *, wanted: str, integer: bool = True):
    fork = FORK.format(then=then, otherwise=otherwise, wanted=wanted, outputs="b")
    return net(
        f"""(float[] y) {{ a = Conv<pads = [1, 1, 1, 1]>(x, w)  {fork}
            y = Conv<pads = [1, 1, 1, 1]>(b, w) }}""",
        integer=integer,
        w=(4, 4, 3, 3),
        inside=(4, 4, 3, 3),
        axis=np.int64(1),
        four=np.int64(4),
        five=np.int64(5),
        target=ints(1, 4, 13, 10),
    )


@pytest.mark.parametrize(("wanted", "taken"), [("four", "Relu"), ("five", "Neg")])
def test_the_branch_that_is_taken_becomes_part_of_the_graph(wanted, taken):
    then = "r = Relu(a)  k = Constant<value = float {2.0}>()  t = Mul(r, k)"
    otherwise = "n = Neg(a)  r = Add(n, a)  e = Sub(r, n)"
    model = forked(then, otherwise, wanted=wanted)

    assert "If" not in op_types(model)
    assert taken in op_types(model)
    assert model.graph.tileable_layers == model.graph.depth == 2
    assert_all_agree(model, [[], [1]])
    assert_splits(model)


def test_a_branch_that_gives_what_is_around_it():
    model = forked("t = Identity(a)", "e = Exp(a)", wanted="four")

    assert op_types(model) == ["Conv", "Conv"]
    assert_all_agree(model, [[]])


def test_a_branch_that_reads_constants_of_the_graph_around_it():
    conv = "Conv<pads = [1, 1, 1, 1]>(a, inside)"
    model = forked(f"t = {conv}", f"f = {conv}  e = Neg(f)", wanted="four")

    assert op_types(model) == ["Conv", "Conv", "Conv"]
    assert_all_agree(model, [[], [1]])
    assert_splits(model)


def test_what_a_branch_computes_can_decide_the_next():
    inner = """n = Shape(a)  k = Gather<axis = 0>(n, axis)  l = Equal(k, four)
        t = If(l) <then_branch = i () => (float[1,4,13,10] p) { r = Relu(a)  p = Neg(r) },
                   else_branch = j () => (float[1,4,13,10] q) { q = Exp(a) }>"""
    model = forked(inner, "e = Exp(a)", wanted="four")

    assert op_types(model) == ["Conv", "Relu", "Neg", "Conv"]
    assert_all_agree(model, [[]])


def test_a_branch_that_nobody_reads_does_not_matter():
    model = net(
        """(float[] y) {
            y = Relu(x)  m = ReduceMax<keepdims = 0>(x)  c = Cast<to = 9>(m)
            z = If(c) <then_branch = i () => (float[1,4,13,10] p) { p = Neg(x) },
                       else_branch = j () => (float[1,4,13,10] q) { q = Exp(x) }> }"""
    )

    assert op_types(model) == ["Relu"]
    assert_all_agree(model, [[]])
