"""Strided slices that are concatenated become a SpaceToDepth, in every order and spelling."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.written_models import assert_all_agree, assert_splits, ints, net, op_types

BOUNDS = {
    "none": ints(0, 0),
    "right": ints(0, 1),
    "below": ints(1, 0),
    "both": ints(1, 1),
    "end": ints(2**63 - 1, 2**31 - 1),
    "space": ints(2, 3),
    "twos": ints(2, 2),
    "zero": ints(0),
    "one": ints(1),
    "stop": ints(2**31 - 1),
    "rows": ints(-2),
    "cols": ints(3),
    "two": ints(2),
    "three": ints(3),
}
AT_ONCE = "".join(
    f" {name} = Slice(x, {start}, end, space, twos)"
    for name, start in zip("abcd", ["none", "below", "right", "both"], strict=True)
)
ROWS_THEN_COLUMNS = """ e = Slice(x, zero, stop, rows, two)  o = Slice(x, one, stop, rows, two)
    a = Slice(e, zero, stop, cols, two)  b = Slice(o, zero, stop, cols, two)
    c = Slice(e, one, stop, cols, two)  d = Slice(o, one, stop, cols, two)"""


@pytest.mark.parametrize("slices", [AT_ONCE, ROWS_THEN_COLUMNS], ids=["at once", "chains"])
@pytest.mark.parametrize("order", list(permutations("abcd"))[::3], ids=" ".join)
def test_a_focus_becomes_a_space_to_depth(slices, order):
    model = net(
        f"(float[] y) {{ {slices}  t = Concat<axis = 1>({', '.join(order)})  y = Conv(t, w) }}",
        shape="1,3,12,8",
        integer=True,
        w=(5, 12, 3, 3),
        **BOUNDS,
    )

    # A SpaceToDepth has the slice to the right before the one below.
    in_order = order == ("a", "c", "b", "d")
    assert op_types(model) == ["SpaceToDepth", *(["Gather"] if not in_order else []), "Conv"]
    assert model.graph.tileable_layers == model.graph.depth == 2
    assert_all_agree(model, [[], [1]])
    assert_splits(model)


OTHERS = {
    "some of the slices": "t = Concat<axis = 1>(d, a)",
    "one slice twice": "t = Concat<axis = -3>(a, a, b)",
}


@pytest.mark.parametrize("concat", OTHERS.values(), ids=OTHERS)
def test_some_of_the_slices_are_channels_of_a_space_to_depth(concat):
    model = net(
        f"(float[] y) {{ r = Relu(x) {AT_ONCE.replace('x,', 'r,')}  {concat}  y = Relu(t) }}",
        shape="1,3,12,8",
        **BOUNDS,
    )

    assert op_types(model) == ["Relu", "SpaceToDepth", "Gather", "Relu"]
    assert_all_agree(model, [[]])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_random_slices_that_are_concatenated_compute_the_same(data):
    draw = data.draw
    height, width = draw(st.integers(4, 9)), draw(st.integers(4, 9))
    block = draw(st.sampled_from([1, 2, 2, 3]))
    count = draw(st.integers(2, 5))
    body, constants = "", {}
    size = (draw(st.integers(1, height // block)), draw(st.integers(1, width // block)))
    if draw(st.booleans()):
        size = (height // block, width // block)
    for at in range(count):
        starts = [draw(st.integers(0, block)) for _ in size]
        starts = [
            min(s, n - (m - 1) * block - 1)
            for s, n, m in zip(starts, (height, width), size, strict=True)
        ]
        ends = [s + (m - 1) * block + 1 for s, m in zip(starts, size, strict=True)]
        constants |= {f"s{at}": ints(*starts), f"e{at}": ints(*ends)}
        body += f" p{at} = Slice(x, s{at}, e{at}, space, steps)"
    pieces = ", ".join(f"p{at}" for at in range(count))
    model = net(
        f"(float[] y) {{ {body}  t = Concat<axis = 1>({pieces})  y = Relu(t) }}",
        shape=f"1,2,{height},{width}",
        space=ints(2, 3),
        steps=ints(block, block),
        **constants,
    )

    assert_all_agree(model, [[]])


def test_slices_of_different_maps_stay():
    model = net(
        f"(float[] y) {{ r = Neg(x) {AT_ONCE}  f = Slice(r, both, end, space, twos)"
        "  y = Concat<axis = 1>(a, b, c, f) }",
        shape="1,3,12,8",
        **BOUNDS,
    )

    assert "SpaceToDepth" not in op_types(model)
    assert_all_agree(model, [[]])


def test_a_map_that_the_block_does_not_divide_stays():
    model = net(
        f"(float[] y) {{ {AT_ONCE.replace('end', 'short')}  y = Concat<axis = 1>(a, b, c, d) }}",
        shape="1,3,13,9",
        short=ints(12, 8),
        **{name: value for name, value in BOUNDS.items() if name != "end"},
    )

    assert "SpaceToDepth" not in op_types(model)
    assert_all_agree(model, [[]])
    assert np.prod(model.graph.tensors["y"].shape) == 12 * 6 * 4
