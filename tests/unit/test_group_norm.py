"""GroupNormalization, which ONNX Runtime runs in every version."""

from __future__ import annotations

import numpy as np
import pytest

from tests.written_models import assert_all_agree, net, op_types

SCALES = {18: np.float32([2, -1]), 20: np.float32([2, -1]), 21: np.float32([2, -1, 3, 1])}
BODY = """(float[] y) {
    a = Conv<pads = [1, 1, 1, 1]>(x, w)
    g = GroupNormalization<num_groups = 2, epsilon = 0.001>(a, scale, bias)
    b = Relu(g)
    y = Conv(b, v)
}"""


@pytest.mark.parametrize("opset", SCALES)
def test_it_computes_what_the_original_computes_and_layers_go_on_behind_it(opset):
    scale = SCALES[opset]
    model = net(
        BODY, opset=opset, w=(4, 4, 3, 3), v=(2, 4, 3, 3), scale=scale, bias=scale[::-1].copy()
    )

    assert_all_agree(model, [[1], [1, 2]])
    assert "GroupNormalization" not in op_types(model)
    assert model.ending is None
    assert model.graph.depth == 3


def test_half_precision_is_normalised_in_single_precision():
    half = {
        name: value.astype(np.float16)
        for name, value in {"scale": SCALES[21], "bias": SCALES[21]}.items()
    }
    model = net(
        """(float[] y) {
            h = Cast<to = 10>(x)
            g = GroupNormalization<num_groups = 2>(h, scale, bias)
            y = Cast<to = 1>(g)
        }""",
        opset=21,
        **half,
    )

    assert model.ending is None
    assert op_types(model).count("Cast") >= 2


def test_a_scale_that_is_computed_leaves_it_to_the_device():
    model = net(
        """(float[] y) {
            m = ReduceMean<keepdims = 0>(x, over)
            y = GroupNormalization<num_groups = 2>(x, m, m)
        }""",
        opset=21,
        over=np.array([0, 2, 3], dtype=np.int64),
    )

    assert model.ending is not None
    assert [op_type for _, op_type in model.ending.nodes] == ["GroupNormalization"]
