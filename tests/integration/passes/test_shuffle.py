"""Shuffles by Reshape and Transpose become operators on channels, whoever wrote them."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from tests.written_models import assert_all_agree, assert_splits, ints, net, op_types

BLOCK_ORDERS = [p for p in permutations((1, 3, 5, 2, 4)) if p[3:] == (2, 4)]


@pytest.mark.parametrize("order", BLOCK_ORDERS, ids=str)
def test_space_to_depth_by_transposes_is_rewritten_in_every_channel_order(order):
    model = net(
        f"""(float[] y) {{
            a = Conv(x, w)
            b = Reshape(a, split)  c = Transpose<perm = [0, {", ".join(map(str, order))}]>(b)
            d = Reshape(c, deep)  y = Conv(d, v) }}""",
        shape="1,4,12,8",
        w=(3, 4, 1, 1),
        v=(5, 12, 1, 1),
        split=ints(1, 3, 6, 2, 4, 2),
        deep=ints(1, 12, 6, 4),
    )

    assert_all_agree(model, [[], [1], [2], [1, 2]])
    assert op_types(model)[1] == "SpaceToDepth"
    assert model.graph.tileable_layers == model.graph.depth == 3


def test_the_reorganisation_of_yolov2_by_seven_nodes_is_rewritten():
    model = net(
        """(float[] y) {
            a = Conv(x, w)
            b = Reshape(a, s1)  c = Transpose<perm = [0, 1, 2, 4, 3, 5]>(b)
            d = Reshape(c, s2)  e = Transpose<perm = [0, 1, 3, 2]>(d)
            f = Reshape(e, s3)  g = Transpose<perm = [0, 2, 1, 3, 4]>(f)
            h = Reshape(g, s4)  y = Conv(h, v) }""",
        shape="1,4,12,8",
        w=(3, 4, 1, 1),
        v=(5, 12, 1, 1),
        s1=ints(1, 3, 6, 2, 4, 2),
        s2=ints(1, 3, 24, 4),
        s3=ints(1, 3, 4, 6, 4),
        s4=ints(1, 12, 6, 4),
    )

    assert_all_agree(model, [[1], [2]])
    assert op_types(model) == ["Conv", "SpaceToDepth", "Conv"]


def test_the_reorganisation_of_darknet_mixes_positions_and_stays_a_barrier():
    model = net(
        """(float[] y) {
            b = Reshape(x, s1)  c = Transpose<perm = [0, 3, 5, 1, 2, 4]>(b)  d = Reshape(c, s2)
            y = Relu(d) }""",
        shape="1,4,12,8",
        s1=ints(1, 1, 2, 24, 4, 2),
        s2=ints(1, 16, 6, 4),
    )

    assert_all_agree(model, [[]])
    assert model.graph.tileable_layers == 0


def test_a_channel_shuffle_becomes_a_gather():
    model = net(
        """(float[] y) {
            a = Conv<group = 2>(x, w)  b = Reshape(a, split)
            c = Transpose<perm = [0, 2, 1, 3, 4]>(b)  d = Reshape(c, joined)
            y = Conv<group = 2, pads = [1, 1, 1, 1]>(d, v) }""",
        w=(6, 2, 1, 1),
        v=(4, 3, 3, 3),
        split=ints(1, 2, 3, 13, 10),
        joined=ints(1, -1, 13, 10),
    )

    assert_all_agree(model, [[], [1]])
    assert op_types(model) == ["Conv", "Gather", "Conv"]


def test_a_shuffle_that_is_undone_disappears():
    model = net(
        """(float[] y) {
            b = Reshape(x, split)  c = Transpose<perm = [0, 2, 1, 3, 4]>(b)
            d = Transpose<perm = [0, 2, 1, 3, 4]>(c)  e = Reshape(d, joined)  y = Relu(e) }""",
        split=ints(1, 2, 2, 13, 10),
        joined=ints(1, 4, 13, 10),
    )

    assert_all_agree(model, [[]])
    assert op_types(model) == ["Relu"]


def test_a_shuffle_whose_inner_tensor_is_an_output_is_done_beside_it():
    model = net(
        """(float[] y, float[] c) {
            b = Reshape(x, split)  c = Transpose<perm = [0, 2, 1, 3, 4]>(b)
            d = Reshape(c, joined)  y = Relu(d) }""",
        split=ints(1, 2, 2, 13, 10),
        joined=ints(1, 4, 13, 10),
    )

    assert_all_agree(model, [[]])
    assert op_types(model) == ["Reshape", "Transpose", "Gather", "Relu"]
    assert model.graph.tileable_layers == 1


HALVES = {
    "gathers": """e = Gather<axis = 0>(d, zero)  f = Gather<axis = 0>(d, one)""",
    "a split": """p, q = Split<axis = 0>(d)  e = Reshape(p, half)  f = Squeeze(q, first)""",
    "slices": """p = Slice(d, start, middle)  q = Slice(d, middle, stop)
                 e = Squeeze(p, first)  f = Squeeze(q, first)""",
    "gathers of one index": """p = Gather<axis = 0>(d, start)  q = Gather<axis = 0>(d, middle)
                               e = Squeeze(p, first)  f = Squeeze(q, first)""",
}


@pytest.mark.parametrize("halves", HALVES.values(), ids=HALVES)
def test_a_shuffle_that_leaves_halves_on_the_leading_axis_becomes_two_gathers(halves):
    model = net(
        f"""(float[] y) {{
            a = Conv<pads = [1, 1, 1, 1]>(x, w)  b = Reshape(a, pairs)
            c = Transpose<perm = [1, 0, 2]>(b)  d = Reshape(c, apart)
            {halves}  g = Conv<pads = [1, 1, 1, 1]>(f, v)  y = Concat<axis = 1>(e, g) }}""",
        integer=True,
        w=(6, 4, 3, 3),
        v=(3, 3, 3, 3),
        pairs=ints(3, 2, 130),
        apart=ints(2, -1, 3, 13, 10),
        half=ints(1, 3, 13, 10),
        first=ints(0),
        zero=np.int64(0),
        one=np.int64(1),
        start=ints(0),
        middle=ints(1),
        stop=ints(2),
    )

    assert op_types(model).count("Gather") == 2
    assert not {"Reshape", "Transpose", "Split", "Slice", "Squeeze"} & set(op_types(model))
    assert model.graph.tileable_layers == model.graph.depth
    assert_all_agree(model, [[], [1]])
    assert_splits(model)


def test_halves_of_maps_of_a_batch_are_found_by_a_split():
    model = net(
        """(float[] y) {
            b = Reshape(x, pairs)  c = Transpose<perm = [1, 0, 2]>(b)  d = Reshape(c, apart)
            e, f = Split<axis = 0>(d)  y = Sub(e, f) }""",
        pairs=ints(2, 2, 130),
        apart=ints(2, 2, 13, 10),
    )

    assert op_types(model) == ["Gather", "Gather", "Sub"]
    assert_all_agree(model, [[]])


def test_a_shuffle_in_two_steps_of_which_the_first_is_read_as_well():
    model = net(
        """(float[] y) {
            b = Reshape(x, split)  c = Transpose<perm = [0, 2, 1, 3, 4]>(b)  d = Reshape(c, joined)
            e = Reshape(d, split)  f = Transpose<perm = [0, 2, 1, 3, 4]>(e)  g = Reshape(f, joined)
            y = Sub(d, g) }""",
        shape="1,6,13,10",
        split=ints(1, 2, 3, 13, 10),
        joined=ints(1, 6, 13, 10),
    )

    assert op_types(model) == ["Gather", "Gather", "Sub"]
    assert_all_agree(model, [[]])


@pytest.mark.parametrize("order", list(permutations(range(4)))[1::3], ids=str)
def test_any_order_of_four_axes_computes_the_same(order):
    """Of most of these nothing becomes a shuffle, and nothing may be taken for one."""
    axes = (1, 2, 3, 4)
    perm = [0, *(axes[at] for at in order)]
    model = net(
        f"""(float[] y) {{ a = Relu(x)  b = Reshape(a, split)  c = Transpose<perm = {perm}>(b)
            d = Reshape(c, joined)  y = Neg(d) }}""",
        shape="1,4,6,6",
        split=ints(1, 2, 2, 6, 6),
        joined=ints(1, 4, 6, 6),
    )

    assert_all_agree(model, [[]])


UPWARDS = {
    "pixel shuffle": (
        "r = Reshape(a, s)  t = Transpose<perm = [0, 1, 4, 2, 5, 3]>(r)  b = Reshape(t, u)",
        {"s": ints(1, 2, 2, 2, 6, 4), "u": ints(1, 2, 12, 8)},
        "DepthToSpace",
    ),
    "depth to space of TensorFlow": (
        "r = Reshape(a, s)  t = Transpose<perm = [0, 3, 4, 1, 5, 2]>(r)  b = Reshape(t, u)",
        {"s": ints(1, 2, 2, 2, 6, 4), "u": ints(1, 2, 12, 8)},
        "DepthToSpace",
    ),
    "repetition by Expand": (
        "r = Reshape(a, s)  t = Expand(r, e)  b = Reshape(t, u)",
        {"s": ints(1, 8, 6, 1, 4, 1), "e": ints(1, 1, 1, 2, 1, 2), "u": ints(1, 8, 12, 8)},
        "Resize",
    ),
    "repetition by Tile": (
        "r = Reshape(a, s)  t = Tile(r, e)  b = Reshape(t, u)",
        {"s": ints(1, 8, 6, 1, 4, 1), "e": ints(1, 1, 1, 3, 1, 3), "u": ints(1, 8, 18, 12)},
        "Resize",
    ),
}


@pytest.mark.parametrize("opset", [9, 11, 17])
@pytest.mark.parametrize("kind", UPWARDS)
def test_spreading_over_rows_and_columns_is_rewritten(kind, opset):
    chain, constants, made = UPWARDS[kind]
    channels = constants["u"][1]
    model = net(
        f"""(float[] y) {{ a = Conv<pads = [1, 1, 1, 1]>(x, w)  {chain}
            y = Conv<pads = [1, 1, 1, 1]>(b, v) }}""",
        shape="1,4,6,4",
        opset=opset,
        integer=True,
        w=(8, 4, 3, 3),
        v=(3, int(channels), 3, 3),
        **constants,
    )

    assert model.graph.tileable_layers == model.graph.depth == 3
    assert (made if opset >= 11 else "DepthToSpace") in op_types(model)
    assert "Reshape" not in op_types(model)
    assert_splits(model)


def test_stretching_over_channels_is_choosing_channels():
    model = net(
        """(float[] y) { m = ReduceL2<axes = [1], keepdims = 1>(x)  e = Expand(m, s)
            d = Div(x, e)  y = Conv(d, w) }""",
        s=ints(1, 4, 13, 10),
        w=(3, 4, 1, 1),
    )

    assert "Expand" not in op_types(model)
    assert model.graph.tileable_layers == model.graph.depth
    assert_splits(model, exact=False)


@pytest.mark.parametrize(
    "chain",
    ["s = Squeeze(a, z)  b = Unsqueeze(s, z)", "s = Reshape(a, flat)  b = Reshape(s, back)"],
)
def test_to_another_shape_and_back_is_nothing(chain):
    constants = {"z": ints(0)} if "Squeeze" in chain else {}
    if not constants:
        constants = {"flat": ints(1, 4, -1), "back": ints(0, 0, 13, 10)}
    body = f"{{ a = Conv<pads = [1, 1, 1, 1]>(x, w)  {chain}  y = Relu(b) }}"
    model = net(f"(float[] y) {body}", integer=True, w=(4, 4, 3, 3), **constants)

    assert op_types(model) == ["Conv", "Relu"]
    assert_splits(model)


def test_stretching_that_is_no_repetition_of_elements_stays():
    body = "{ r = Reshape(x, s)  t = Tile(r, e)  b = Reshape(t, u)  y = Relu(b) }"
    constants = {"s": ints(1, 4, 1, 6, 4), "e": ints(1, 1, 2, 1, 1), "u": ints(1, 4, 12, 4)}
    model = net(f"(float[] y) {body}", shape="1,4,6,4", **constants)

    assert model.graph.tileable_layers == 0
    assert_all_agree(model, [[]])
