"""Models that end in sizes that depend on the data, or in constants, run all the same."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest

import fusepath
from fusepath import FallbackPolicy, SessionOptions
from fusepath.errors import ModelError
from fusepath.offload.run import run
from tests.plans import AS_THEY_ARE, plan_of, stream_plan
from tests.written_models import ints, net, net_bytes

DETECTOR = """(int64[n,3] chosen, float[1,2,h,v] heat, float[2] sizes, int64[m] count) {
    a = Conv <strides=[2,2], pads=[1,1,1,1]> (x, w1)
    b = Relu (a)
    c = Conv <pads=[1,1,1,1]> (b, w2)
    heat = Sigmoid (c)
    d = Conv <pads=[1,1,1,1]> (b, w3)
    rows = Transpose <perm=[0,2,3,1]> (d)
    boxes = Reshape (rows, per_box)
    scores = Reshape (heat, per_class)
    chosen = NonMaxSuppression (boxes, scores, most, overlap, least)
    sizes = Identity (known)
    found = Shape (chosen)
    count = Slice (found, zero, one)
}"""
PARTS = {
    "shape": "1,3,32,24",
    "integer": True,
    "w1": (4, 3, 3, 3),
    "w2": (2, 4, 3, 3),
    "w3": (4, 4, 3, 3),
    "per_box": ints(1, -1, 4),
    "per_class": ints(1, 2, -1),
    "most": ints(5),
    "overlap": np.array([0.5], np.float32),
    "least": np.array([0.4], np.float32),
    "known": np.array([32, 24], np.float32),
    "zero": ints(0),
    "one": ints(1),
}
STRICT = SessionOptions(fallback=FallbackPolicy.OFF)


@pytest.fixture(scope="module")
def detector():
    return net(DETECTOR, **PARTS)


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 256, (1, 3, 32, 24), dtype=np.uint8)


def test_what_the_ending_reads_are_the_outputs_of_the_network(detector):
    assert detector.graph.outputs == ("heat", "boxes", "scores")
    assert detector.output_names == ("chosen", "heat", "sizes", "count")
    assert detector.graph.tileable_layers == 3


def test_split_in_tiles_and_strips_it_makes_what_the_original_makes(detector, picture):
    strips = stream_plan(detector, 3, [(0, 8, 1, 3), (8, 16, 3, 2)], form=AS_THEY_ARE)
    tiles = plan_of(detector, tau=3, grid=(2, 2), cuts=(2, 4), form=AS_THEY_ARE)
    whole = ort.InferenceSession(net_bytes(DETECTOR, **PARTS))
    expected = whole.run(None, {"x": picture.astype(np.float32)})
    for plan in (strips, tiles):
        report = run(detector, picture, "memory:", plan=plan, verify=True, options=STRICT)

        assert report.comparison.passed
        outputs = report.median.outputs
        assert list(outputs) == list(detector.output_names)
        assert outputs["chosen"].shape[0] == outputs["count"][0] > 0
        for value, wanted in zip(outputs.values(), expected, strict=True):
            np.testing.assert_array_equal(value, wanted)


def test_a_session_answers_with_all_of_them_by_itself(detector, picture):
    with fusepath.Session(detector) as session:
        infos = {info.name: (info.shape, info.type) for info in session.get_outputs()}
        assert infos["sizes"] == ([2], "tensor(float)")
        assert infos["chosen"] == ([], "tensor(int64)")
        sizes, count = session.run(["sizes", "count"], {"x": picture.astype(np.float32)})
    np.testing.assert_array_equal(sizes, [32, 24])
    assert count[0] > 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("(int64[n,m] y) { y = NonZero (x) }", "of input 'x' has a size that depends on the data"),
        ("(float[2] y) { y = Identity (known) }", "'y' is constant: no input changes any output"),
    ],
)
def test_a_model_of_nothing_but_its_ending_is_refused(body, message):
    with pytest.raises(ModelError, match=message):
        net(body, known=np.ones(2, np.float32))
