"""Streamed strips against the unsplit model, in ONNX Runtime, without a network."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import Model, load_model
from fusepath.runtime.device_share import DeviceShare
from fusepath.runtime.edge_share import EdgeShare
from fusepath.tiling import StripRows
from tests.plans import assert_close, carry_out, pixels, stream_plan, streamable
from tests.small_detector import small_detector

SMALL = {
    "alexnet": 131,
    "squeezenet": 96,
    "squeezenet1_1": 96,
    "yolov2": 96,
    "tiny-yolov2": 160,
    "resnet18": 96,
    "mobilenetv2": 96,
}
PARTS = 8
"""Fused layers of a network are shared out among so many tests, so that none takes long."""
HEAVY = {"alexnet", "yolov2", "tiny-yolov2"}
"""Sessions of deep ranges copy up to 200 MB of weights."""


@pytest.fixture(scope="module")
def models():
    """Loads each network once."""
    loaded: dict[str, Model] = {}

    def get(source: str) -> Model:
        if source not in loaded:
            loaded[source] = load_model(source)
        return loaded[source]

    return get


@st.composite
def arrangements(draw, model: Model):
    """Any fused layer, one to three segments in any order, cuts, numbers of strips, and ways."""
    tau = draw(st.sampled_from(streamable(model)))
    way = draw(st.sampled_from([item for item in (model.graph, model.graph.mirrored) if item]))
    height = StripRows(way, tau).height
    edges = sorted(draw(st.sets(st.integers(1, height - 1), max_size=2)) if height > 1 else [])
    bounds = [0, *edges, height]
    segments = [
        (start, stop, draw(st.integers(1, tau + 1)), draw(st.integers(1, 4)))
        for start, stop in itertools.pairwise(bounds)
    ]
    ways = {"upward": way.upward, "waits": draw(st.booleans())}
    return tau, draw(st.permutations(segments)), ways


@pytest.mark.parametrize(
    ("net", "examples"),
    [
        ("small-detector", 20),
        ("squeezenet", 4),
        ("resnet18", 2),
        ("mobilenetv2", 3),
        pytest.param("squeezenet1_1", 6, marks=pytest.mark.slow),
        *(pytest.param(net, 2, marks=pytest.mark.slow) for net in sorted(HEAVY)),
    ],
)
def test_integer_weights_come_out_bit_equal(net, examples, models):
    if net == "small-detector":
        model = small_detector(integer=True)
    else:
        model = models(f"zoo:{net}?weights=integer&size={SMALL[net]}")
    image = pixels(model)

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(arrangements(model))
    def check(arrangement):
        tau, segments, ways = arrangement
        plan = stream_plan(model, tau, segments, **ways)
        outputs = carry_out(model, plan, image).outputs
        for name, expected in run_unsplit(model, image, plan.input).items():
            np.testing.assert_array_equal(outputs[name], expected)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("net", SMALL)
def test_every_fused_layer_and_many_arrangements_are_bit_equal(net, part, models):
    model = models(f"zoo:{net}?weights=integer&size={SMALL[net]}")
    image = pixels(model)
    reference = None
    for tau in streamable(model)[part::PARTS]:
        height = StripRows(model.graph, tau).height
        middle = height // 2
        for cut in range(1, tau + 2):
            for other in {1, (tau + 2) // 2, tau + 1}:
                segments = [(0, height, cut, 3)]
                if middle:
                    segments = [(0, middle, cut, 3), (middle, height, other, 4)]
                plan = stream_plan(model, tau, segments)
                outputs = carry_out(model, plan, image).outputs
                reference = reference or run_unsplit(model, image, plan.input)
                for name, expected in reference.items():
                    np.testing.assert_array_equal(outputs[name], expected, str((tau, segments)))


@pytest.mark.parametrize(
    ("net", "tau", "segments"),
    [
        ("squeezenet", 14, [(0, 4, 1, 2), (4, 11, 14, 3)]),
        ("squeezenet", 14, [(0, 6, 14, 2), (6, 11, 7, 3)]),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("resnet18", 9, [(0, 5, 6, 2), (5, 12, 1, 2)]),
                ("tiny-yolov2", 15, [(0, 3, 16, 3), (3, 5, 1, 1)]),
                ("yolov2", 17, [(0, 2, 11, 2), (2, 4, 18, 1), (4, 6, 1, 2)]),
            )
        ),
    ],
)
def test_real_weights_come_out_within_the_tolerance(net, tau, segments, models):
    model = models(f"zoo:{net}?size={SMALL[net]}")
    image = pixels(model)
    plan = stream_plan(model, tau, segments)

    outputs = carry_out(model, plan, image).outputs

    assert_close(outputs, run_unsplit(model, image, plan.input))


@pytest.mark.parametrize(
    ("net", "cuts"),
    [
        ("small-detector", (1, 8)),
        ("small-detector", (8, 1)),
        ("small-detector", (5, 8, 1)),
        ("small-detector", (8, 7, 8)),
        pytest.param("tiny-yolov2", (9, 16, 1), marks=pytest.mark.slow),
        pytest.param("tiny-yolov2", (16, 15, 16), marks=pytest.mark.slow),
        pytest.param("yolov2", (1, 30), marks=pytest.mark.slow),
        pytest.param("yolov2", (30, 12, 1), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_parts_of_the_result_and_what_the_device_keeps_make_the_whole(net, cuts, models):
    if net == "small-detector":
        model = small_detector(40, integer=True)
    else:
        model = models(f"zoo:{net}?weights=integer&size=160")
    depth = model.graph.depth
    assert max(cuts) == depth + 1  # some rows stay on the device
    edges = [round(5 * at / len(cuts)) for at in range(len(cuts) + 1)]
    segments = [(*edges[at : at + 2], cut, 3) for at, cut in enumerate(cuts)]
    plan = stream_plan(model, depth, segments)
    image = pixels(model)

    edge = EdgeShare(model, plan.recipe)
    device = DeviceShare(model, plan.recipe)

    assert device.returning == edge.returning
    assert edge.returning
    assert all(plan.cuts[path] <= depth for path in edge.returning)
    outputs = carry_out(model, plan, image).outputs
    for name, expected in run_unsplit(model, image, plan.input).items():
        np.testing.assert_array_equal(outputs[name], expected)


def test_several_outputs_return_in_parts(tmp_path):
    """One output is also read by what makes the other, so its parts reach into each other."""
    rng = np.random.default_rng(5)
    shapes = {"w1": (8, 3, 3, 3), "w2": (6, 8, 5, 5)}
    weights = [
        numpy_helper.from_array(rng.integers(-1, 2, shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c1"], "conv1", pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["body"], "relu1"),
        helper.make_node("Conv", ["body", "w2"], ["boxes"], "conv2", pads=[2] * 4),
    ]
    values = {"image": (1, 3, 40, 30), "body": (1, 8, 20, 15), "boxes": (1, 6, 20, 15)}
    image, *outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in values.items()
    ]
    graph = helper.make_graph(nodes, "two_maps", [image], outputs, weights)
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "maps.onnx").write_bytes(whole.SerializeToString())
    model = load_model(tmp_path / "maps.onnx")

    for cuts in itertools.product((1, 2, 3), repeat=3):
        segments = [(6 * at, (6, 12, 20)[at], cut, 3) for at, cut in enumerate(cuts)]
        plan = stream_plan(model, 2, segments)
        carried = carry_out(model, plan, pixels(model))
        for name, expected in run_unsplit(model, pixels(model), plan.input).items():
            np.testing.assert_array_equal(carried.outputs[name], expected, str(cuts))


def test_equal_strips_share_a_session():
    """All strips in the middle of a segment do the same, so they need one session together."""
    model = small_detector(160, integer=True)
    plan = stream_plan(model, 6, [(0, 20, 5, 20)])

    device, edge = DeviceShare(model, plan.recipe), EdgeShare(model, plan.recipe)

    assert len(plan.cuts) > 20
    assert device.sessions <= 6
    assert edge.sessions <= 6
