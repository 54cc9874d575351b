"""Models that end in sizes that depend on the data, or in constants, run all the same."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime as ort
import pytest
from click.testing import CliRunner
from onnx import parser

import fusepath
from fusepath import FallbackPolicy, SessionOptions
from fusepath.cli.inspect import command as inspect_command
from fusepath.errors import ModelError
from fusepath.offload.run import run
from fusepath.onnx_io import read_model
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


LOOPING = """
    state = Loop (times, always, b) <body = again (int64 at, bool on, float[1,4,8,6] v)
        => (bool still, float[1,4,8,6] w) { still = Identity (on)  w = Add (v, a) }>
"""
DECIDED_BY_DATA = {
    "a loop that reads what is around it": LOOPING,
    "a loop over the image": LOOPING.replace("(v, a)", "(v, cropped)").replace(
        "state =", "cropped = Slice (x, zeros, ends, axes)  looped ="
    )
    + "state = Add (looped, b)",
    "a branch": """
        most = ReduceMax <keepdims = 0> (a)
        many = Greater (most, limit)
        state = If (many) <
            then_branch = yes () => (float[1,4,8,6] t) { t = Relu (a) },
            else_branch = no () => (float[1,4,8,6] e) { e = Neg (a) }
        >
    """,
    "a sequence": "rows = SplitToSequence <axis = 2> (a, sizes)"
    "  state = ConcatFromSequence <axis = 2> (rows)",
}


@pytest.mark.parametrize("body", DECIDED_BY_DATA.values(), ids=DECIDED_BY_DATA)
def test_what_the_data_decides_runs_on_the_device(body, picture):
    text = f"""(float[1,4,u,v] y, float[1,4,p,q] b) {{
        a = Conv <strides = [4, 4], pads = [1, 1, 1, 1]> (x, w1)
        b = Relu (a)
        {body}
        y = Conv <pads = [1, 1, 1, 1]> (state, w2)
    }}"""
    parts = {
        "shape": "1,4,32,24",
        "integer": True,
        "w1": (4, 4, 3, 3),
        "w2": (4, 4, 3, 3),
        "times": np.int64(3),
        "always": np.array(True),
        "limit": np.float32(5),
        "sizes": ints(3, 5),
        "zeros": ints(0, 0),
        "ends": ints(8, 6),
        "axes": ints(2, 3),
    }
    model = net(text, **parts)
    image = np.concatenate([picture, picture[:, :1]], axis=1)
    expected = ort.InferenceSession(net_bytes(text, **parts)).run(
        None, {"x": image.astype(np.float32)}
    )

    tiles = plan_of(model, tau=1, grid=(2, 2), cuts=(1, 2), form=AS_THEY_ARE)
    for plan in (tiles, plan_of(model, cuts=(1,), form=AS_THEY_ARE)):
        report = run(model, image, "memory:", plan=plan, verify=True, options=STRICT)
        assert report.comparison.passed
        for value, wanted in zip(report.median.outputs.values(), expected, strict=True):
            np.testing.assert_array_equal(value, wanted)


def test_a_model_of_nothing_but_its_ending_runs_on_the_device(picture):
    model = net("(int64[n,m] y) { y = NonZero (x) }", shape="1,3,32,24")
    report = run(model, picture, "memory:", plan=plan_of(model, form=AS_THEY_ARE))

    np.testing.assert_array_equal(report.median.outputs["y"], np.stack(np.nonzero(picture)))


def test_inspect_says_where_the_ending_begins(detector, tmp_path):
    file = tmp_path / "detector.onnx"
    file.write_bytes(net_bytes(DETECTOR, **PARTS))
    told = CliRunner().invoke(inspect_command, [str(file)]).output
    document = json.loads(CliRunner().invoke(inspect_command, [str(file), "--json"]).output)

    assert document["ending"]["op_type"] == "NonMaxSuppression"
    assert document["ending"]["operators"] == 3
    told = " ".join(told.split())
    assert "the last 3 operators, from '" in told
    assert "(NonMaxSuppression) on, do what depends on the data: the device runs them" in told


def test_inspect_tells_of_an_ending_of_one_operator(tmp_path):
    file = tmp_path / "where.onnx"
    file.write_bytes(net_bytes("(int64[n,m] y) { y = NonZero (x) }", shape="1,3,32,24"))
    told = " ".join(CliRunner().invoke(inspect_command, [str(file)]).output.split())

    assert "the last operator, 'NonZero_y' (NonZero), does what depends on the data" in told
    assert "the device runs it behind these layers" in told


REFUSED = {
    "(float[4] k) => (int64[n,m] y, float[] z) { y = NonZero (k)  z = Relu (x) }": "input 'k' has",
    "() => (float[2] y) { y = Constant <value_floats = [1.0, 2.0]> () }": "'y' is constant: no",
}


@pytest.mark.parametrize("body", REFUSED)
def test_an_ending_that_reads_no_output_of_the_network_is_refused(body):
    inputs = body.replace("(", "(float[1,4,13,10] x, ", 1).replace(", )", ")", 1)
    text = f'<ir_version: 8, opset_import: ["": 17]> g {inputs}'
    with pytest.raises(ModelError, match=REFUSED[body]):
        read_model(parser.parse_model(text).SerializeToString(), name="net", source="net")
