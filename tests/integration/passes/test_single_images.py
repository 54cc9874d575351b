"""Images taken out of their batch and put back are tiled all the same."""

from __future__ import annotations

import numpy as np
import pytest

from tests.written_models import assert_all_agree, assert_splits, ints, net, op_types

PARTS = {
    "w": (4, 4, 3, 3),
    "v": (4, 4, 3, 3),
    "mean": np.arange(4, dtype=np.float32).reshape(4, 1, 1),
    "two": np.float32(2),
    "first": ints(0),
    "nothing": np.int64(0),
    "one": ints(1),
    "three": ints(4, 13, 10),
    "four": ints(1, 4, 13, 10),
}
TAKEN_OUT = {
    "squeeze": "i = Squeeze(x, first)",
    "split": "s = Split<axis = 0>(x, one)  i = Squeeze(s, first)",
    "gather": "i = Gather<axis = 0>(x, nothing)",
    "reshape": "i = Reshape(x, three)",
}
PUT_BACK = {"unsqueeze": "u = Unsqueeze(m, first)", "reshape": "u = Reshape(m, four)"}
NORMALISED = "d = Sub(i, mean)  m = Mul(d, two)"
REST = "a = Conv<pads = [1, 1, 1, 1]>(u, w)  b = Relu(a)  y = Conv<pads = [1, 1, 1, 1]>(b, v)"


@pytest.mark.parametrize("back", PUT_BACK.values(), ids=PUT_BACK)
@pytest.mark.parametrize("out", TAKEN_OUT.values(), ids=TAKEN_OUT)
def test_what_is_done_to_an_image_is_done_to_its_batch(out, back):
    model = net(f"(float[] y) {{ {out} {NORMALISED} {back} {REST} }}", integer=True, **PARTS)

    assert_all_agree(model, [[1]])
    assert_splits(model)
    assert op_types(model) == ["Sub", "Mul", "Conv", "Relu", "Conv"]
    assert model.graph.tileable_layers == model.graph.depth


def test_an_image_that_is_an_output_stays_one():
    out, back = TAKEN_OUT["squeeze"], PUT_BACK["unsqueeze"]
    model = net(f"(float[] y, float[] d) {{ {out} {NORMALISED} {back} {REST} }}", **PARTS)

    assert_all_agree(model, [[1]])
    assert model.boundary.outputs[1].shape == (4, 13, 10)
    assert model.graph.tileable_layers == model.graph.depth


NOT_ELEMENT_BY_ELEMENT = {
    "over an axis": "m = Softmax<axis = 0>(i)",
    "an operand with a batch": "t = Add(i, four_axes)  m = Squeeze(t, first)",
    "two images of one": "m = Concat<axis = 1>(i, i)",
}


@pytest.mark.parametrize("body", NOT_ELEMENT_BY_ELEMENT.values(), ids=NOT_ELEMENT_BY_ELEMENT)
def test_other_operators_are_left_alone(body):
    parts = PARTS | {"four_axes": np.ones((1, 4, 1, 1), np.float32)}
    text = f"{TAKEN_OUT['squeeze']} {body} {PUT_BACK['unsqueeze']} {REST}"
    model = net(f"(float[] y) {{ {text} }}", **parts)

    assert_all_agree(model, [[1], [2]])
