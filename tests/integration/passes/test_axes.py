"""Axes in forms that ONNX Runtime takes and shape inference does not."""

from __future__ import annotations

import numpy as np
import pytest

from fusepath.onnx_io import original_with_shape
from tests.written_models import assert_same, net, run, run_chain

SQUEEZES = {
    "counted from the end": (9, "Squeeze<axes = [2, -1]>(a)", {}),
    "none, as an attribute": (11, "Squeeze<axes: ints = []>(a)", {}),
    "none, as an input": (17, "Squeeze(a, axes)", {"axes": np.zeros(0, np.int64)}),
}


@pytest.mark.parametrize(("opset", "squeeze", "constants"), SQUEEZES.values(), ids=SQUEEZES)
def test_a_squeeze_drops_the_axes_that_the_runtime_drops(opset, squeeze, constants):
    body = f"(float[] y) {{ a = GlobalMaxPool(x)  b = {squeeze}  y = Neg(b) }}"

    model = net(body, opset=opset, **constants)
    values = np.random.default_rng(0).standard_normal(model.graph.input.shape, dtype=np.float32)

    wanted = run(original_with_shape(model), {"x": values})
    assert_same(run_chain(model, values, []), wanted)


def test_a_concat_joins_along_an_axis_counted_from_the_end():
    model = net("(float[] y) { a = Neg(x)  b = Concat<axis = -3>(a, x)  y = Abs(b) }", opset=9)

    assert model.graph.tensors["b"].shape == (1, 8, 13, 10)
    assert model.graph.tileable_layers == model.graph.depth
