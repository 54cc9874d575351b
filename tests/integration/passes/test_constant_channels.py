"""Constant channels that are joined to a map are padding, so that tiles of any size get them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.written_models import assert_all_agree, assert_splits, ints, net, op_types


def per_channel(*values: float) -> np.ndarray:
    return np.broadcast_to(np.float32(values)[None, :, None, None], (1, len(values), 13, 10))


CONSTANTS = {"zeros": per_channel(0, 0), "two": per_channel(2), "some": per_channel(1, 0, -3)}
JOINED = {
    "behind": "c = Concat<axis = 1>(a, zeros)",
    "before": "c = Concat<axis = 1>(zeros, a)",
    "a value": "c = Concat<axis = 1>(a, two)",
    "values": "c = Concat<axis = 1>(a, some)",
    "on both sides": "c = Concat<axis = 1>(some, a, two)",
    "between maps": "b = Relu(a)  c = Concat<axis = 1>(zeros, a, some, two, b)",
}


@pytest.mark.parametrize("opset", [10, 17])
@pytest.mark.parametrize("joined", JOINED.values(), ids=JOINED)
def test_constant_channels_are_padding(joined, opset):
    channels = 3 + 3 * ("b = " in joined)
    for name, value in CONSTANTS.items():
        channels += value.shape[1] * (name in joined)
    model = net(
        f"""(float[] y) {{ a = Conv<pads = [1, 1, 1, 1]>(x, w)  {joined}
            y = Conv<pads = [1, 1, 1, 1]>(c, v) }}""",
        opset=opset,
        integer=True,
        w=(3, 4, 3, 3),
        v=(3, channels, 3, 3),
        **CONSTANTS,
    )

    assert model.graph.tileable_layers == model.graph.depth == 2
    assert_all_agree(model, [[], [1]])
    assert_splits(model)


def test_the_residual_of_a_pooled_map_with_more_channels():
    """As BlazeFace has it: the shorter way is pooled, and gets channels of zeros."""
    model = net(
        """(float[] y) {
            a = Conv<strides = [2, 2], pads = [0, 0, 1, 1]>(x, w)
            p = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x)  q = Pad(p, channels)
            s = Add(a, q)  y = Relu(s) }""",
        shape="1,4,12,8",
        integer=True,
        w=(6, 4, 3, 3),
        channels=ints(0, 0, 0, 0, 0, 2, 0, 0),
    )

    assert model.graph.tileable_layers == model.graph.depth
    assert_all_agree(model, [[]])
    assert_splits(model)


def test_a_constant_that_varies_over_the_map_stays():
    model = net("(float[] y) { y = Concat<axis = 1>(x, c) }", c=(1, 2, 13, 10))

    assert op_types(model) == ["Concat"]
    assert model.graph.tileable_layers == 0
    assert_all_agree(model, [[]])
