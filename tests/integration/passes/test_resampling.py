"""Resize with aligned corners, and sizes that come of factors."""

from __future__ import annotations

import numpy as np
import pytest

from tests.written_models import assert_all_agree, assert_splits, ints, net, op_types


def aligned(mode: str, size: tuple[int, int]):
    return net(
        f"""(float[] y) {{ a = Conv<pads = [1, 1, 1, 1]>(x, w)
            b = Resize<mode = "{mode}", coordinate_transformation_mode = "align_corners">(a, , , s)
            y = Conv<pads = [1, 1, 1, 1]>(b, w) }}""",
        integer=True,
        w=(4, 4, 3, 3),
        s=ints(1, 4, *size),
    )


@pytest.mark.parametrize("size", [(25, 19), (49, 37), (13, 37)])
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_corners_whole_numbers_apart(mode, size):
    model = aligned(mode, size)

    assert model.graph.tileable_layers == model.graph.depth
    assert op_types(model)[1:3] == ["Resize", "Slice"]
    assert_all_agree(model, [[], [1], [2]])
    assert_splits(model, exact=True)


@pytest.mark.parametrize("size", [(26, 20), (25, 20), (7, 7), (1, 1)])
def test_others_stay_barriers(size):
    model = aligned("linear", size)

    assert model.graph.tileable_layers == 1
    assert "align_corners" in model.graph.barrier.barrier_reason
    assert_all_agree(model, [[]])
    assert np.prod(model.graph.tensors["b"].shape[2:]) == np.prod(size)


@pytest.mark.parametrize("factor", [1.3, 1.9, 0.7])
def test_sizes_by_factors_are_those_of_the_runtime(factor):
    """ONNX's own inference finds one column less, which was missing in what comes of the mean."""
    model = net(
        """(float[] y) { a = Conv<pads = [1, 1, 1, 1]>(x, w)  b = Resize<mode = "linear">(a, , f)
            c = Conv<pads = [1, 1, 1, 1]>(b, w)  d = Conv<pads = [1, 1, 1, 1]>(c, w)
            y = GlobalAveragePool(d) }""",
        w=(4, 4, 3, 3),
        f=np.array([1, 1, 1, factor], np.float32),
    )

    assert model.graph.tensors["b"].size(1) == round(10 * factor)
    assert_all_agree(model, [[], [1], [2]])
    assert_splits(model, exact=False)
