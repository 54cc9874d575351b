"""A real edge server on loopback: plan, run split, and compare with the unsplit model."""

from __future__ import annotations

import asyncio
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import fusepath
from fusepath.cost import ComputeRate, Link
from fusepath.errors import InputError, PeerRefusedError
from fusepath.offload.emulation import Emulation
from fusepath.offload.inference import Inference, median_of
from fusepath.offload.machines import Machines
from fusepath.offload.pairing import Pairing
from fusepath.offload.run import Report
from fusepath.onnx_io import load_model, zoo
from fusepath.plan import Budget, InputFormat, PlanRequest, Setting, make_plan
from fusepath.protocol.framing import Begin, Hello, Piece, decode
from fusepath.remote.client import Timeout, connect
from fusepath.remote.grpc_channel import GrpcStream
from fusepath.tiling import Grid, Segment
from fusepath.timeline import Lane, violations
from tests.edges import edge_server
from tests.plans import pixels, plan_of
from tests.runs import run

if TYPE_CHECKING:
    from fusepath.onnx_io import Model

pytestmark = pytest.mark.system

ULTRAFACE = os.environ.get("FUSEPATH_ULTRAFACE", "")
SOON = Budget(evaluations=40_000)
"""What a session spends on a plan that is soon made again."""
CLOCK_READING_S = 0.005
"""Slack for reading two clocks on a machine that does other things as well."""
BALANCED = Machines(
    device=ComputeRate(2e10),
    edge=ComputeRate(5e11),
    link=Link(up_bytes_per_s=4e6, down_bytes_per_s=4e6),
)
"""Machines for which neither staying nor sending everything is clearly best."""
EXACT: dict[str, Any] = {"mean": (0.0,), "std": (1.0,)}
"""Pixels stay integers."""


@cache
def model_of(name: str, weights: str = "integer") -> Model:
    return load_model(f"zoo:{name}?size=64&weights={weights}")


def assert_done_as_planned(report: Report, model: Model) -> None:
    """What was measured is what was planned, and could have happened."""
    plan, done = report.plan, report.median
    assert set(done.outputs) == set(model.graph.outputs)
    assert (done.device_macs, done.edge_macs) == (plan.device_macs, plan.edge_macs)
    assert done.up_bytes == plan.up_bytes
    assert done.timeline.measured
    assert violations(done.timeline, tolerance_s=CLOCK_READING_S) == []
    assert done.latency_s == done.timeline.end_s > 0


ALGORITHMS = {
    "device-only": PlanRequest(algorithm="device-only", codecs="off"),
    "full-offload": PlanRequest(algorithm="full-offload", codecs="off"),
    "nfl": PlanRequest(algorithm="nfl", codecs="off"),
    "mw 2x2": PlanRequest(algorithm="mw", grid=Grid(2, 2), codecs="off"),
    "mw auto": PlanRequest(algorithm="mw", codecs="off"),
    "stream": PlanRequest(algorithm="stream", codecs="off"),
    "auto": PlanRequest(algorithm="auto", codecs="off"),
    "mw 1x1": PlanRequest(algorithm="mw", grid=Grid(1, 1), codecs="off"),
    "mw 2x3 at a fixed layer": PlanRequest(algorithm="mw", grid=Grid(2, 3), tau=6, codecs="off"),
}


@pytest.mark.parametrize("request_", ALGORITHMS.values(), ids=ALGORITHMS)
@pytest.mark.parametrize(
    "name", ["squeezenet", pytest.param("mobilenetv2", marks=pytest.mark.slow)]
)
def test_a_split_run_gives_the_bits_of_the_unsplit_model(edge, name, request_):
    model = model_of(name)

    report = run(
        model,
        pixels(model),
        edge=edge.address,
        given=BALANCED,
        verify=True,
        request=request_,
        **EXACT,
    )

    assert report.comparison is not None
    assert report.comparison.bit_equal
    assert_done_as_planned(report, model)


@pytest.mark.parametrize("request_", ALGORITHMS.values(), ids=ALGORITHMS)
def test_a_split_run_of_real_weights_is_within_the_tolerance(edge, request_):
    model = model_of("squeezenet", "he")

    report = run(
        model, pixels(model), edge=edge.address, given=BALANCED, verify=True, request=request_
    )

    assert report.comparison is not None
    assert report.comparison.max_rel_error <= 1e-5
    assert_done_as_planned(report, model)


@pytest.mark.parametrize("name", [pytest.param("resnet18", marks=pytest.mark.slow), "tiny-yolov2"])
def test_tiles_of_networks_with_heavy_weights_run_on_the_two_machines(edge, name):
    model = model_of(name)

    report = run(
        model,
        pixels(model),
        request=PlanRequest(algorithm="mw", grid=Grid(2, 2), codecs="off"),
        edge=edge.address,
        given=BALANCED,
        verify=True,
        **EXACT,
    )

    assert report.comparison is not None
    assert report.comparison.bit_equal
    assert_done_as_planned(report, model)


def test_every_cut_that_a_path_can_have_runs_on_the_two_machines(edge):
    """A path sent raw, one cut in the middle, one kept to its end, and a permuted order."""
    model = model_of("squeezenet")
    plan = plan_of(model, tau=7, grid=(2, 2), cuts=[1, 4, 8, 5], order=[3, 1, 4, 2])

    report = run(model, pixels(model), edge=edge.address, plan=plan, verify=True)

    assert report.comparison is not None
    assert report.comparison.bit_equal
    sent = [span.path for span in report.median.timeline.on(Lane.UPLINK)]
    assert sent == [3, 1, 4, 2]
    computed = [span.path for span in report.median.timeline.on(Lane.DEVICE)]
    assert computed == [3, 4, 2]  # path 1 leaves the device as it is


def test_machines_and_link_that_are_not_given_are_measured(edge):
    model = model_of("squeezenet")
    said: list[str] = []

    report = run(
        model,
        pixels(model),
        request=PlanRequest(algorithm="nfl", codecs="off"),
        edge=edge.address,
        verify=True,
        say=said.append,
        **EXACT,
    )

    assert report.comparison is not None
    assert report.comparison.bit_equal
    assert "measuring every layer on this machine" in said
    assert f"measuring every layer on {edge.address}" in said
    assert "measuring the link" in said
    assert report.plan.device.layers[0].name == model.graph.layers[0].name


@pytest.mark.parametrize(("dtype", "bytes_per_element"), [("uint8", 1), ("float32", 4)])
def test_an_image_travels_in_the_type_it_has(edge, dtype, bytes_per_element):
    model = model_of("squeezenet")
    image = pixels(model).astype(dtype)

    report = run(
        model,
        image,
        request=PlanRequest(algorithm="full-offload", codecs="off"),
        edge=edge.address,
        given=BALANCED,
        verify=True,
        **EXACT,
    )

    assert report.plan.input.dtype == dtype
    assert report.median.up_bytes == image.size * bytes_per_element
    assert report.comparison is not None
    assert report.comparison.bit_equal
    assert_done_as_planned(report, model)


def test_a_uint8_image_and_its_float32_form_give_the_same_outputs(edge):
    """The edge server turns raw pixels into the model's input just as the device does."""
    model = model_of("squeezenet", "he")
    image = pixels(model)
    mean, std = (120.5, 110.25, 100.0), (58.0, 57.0, 57.5)
    prepared = (image - np.float32(mean).reshape(1, 3, 1, 1)) / np.float32(std).reshape(1, 3, 1, 1)
    whole, tiled = {"cuts": [1]}, {"tau": 5, "grid": (2, 2), "cuts": [1, 3, 6, 2]}

    for wanted in (whole, tiled):
        raw, ready = InputFormat(mean=mean, std=std), InputFormat(dtype="float32")
        outputs = [
            run(
                model, value, edge=edge.address, plan=plan_of(model, form=form, **wanted)
            ).median.outputs["output"]
            for value, form in ((image, raw), (prepared.astype(np.float32), ready))
        ]
        np.testing.assert_array_equal(*outputs)


def test_a_paced_link_takes_bytes_divided_by_rate(edge):
    model = model_of("squeezenet")
    plan = plan_of(model, tau=4, grid=(2, 1), cuts=[1, 1])
    rate = 200_000.0

    report = run(model, pixels(model), edge=edge.address, plan=plan, pace_bytes_per_s=rate)

    timeline = report.median.timeline
    assert timeline.busy_s(Lane.UPLINK) == pytest.approx(report.median.up_bytes / rate, rel=1e-6)
    assert report.median.latency_s >= report.median.up_bytes / rate
    assert violations(timeline, tolerance_s=CLOCK_READING_S) == []


@pytest.mark.parametrize("rate", [None, 2e5])
def test_parts_of_the_result_return_one_by_one(edge, rate):
    """Rows 1 and 2 are finished by the edge server, row 3 here."""
    model = load_model("zoo:tiny-yolov2?size=96&weights=integer")
    depth = model.graph.depth
    segments = (
        Segment(start=0, stop=2, cut=1, strips=((50, 1), (60, 2))),
        Segment(start=2, stop=3, cut=depth + 1, strips=((96, 3),)),
    )
    plan = plan_of(model, segments=segments)

    report = run(
        model,
        pixels(model),
        edge=edge.address,
        plan=plan,
        pace_bytes_per_s=rate,
        verify=True,
    )

    assert report.comparison is not None
    assert report.comparison.bit_equal
    timeline = report.median.timeline
    parts = [span for span in timeline.on(Lane.DOWNLINK) if span.path is not None]
    assert [span.path for span in parts] == [1, 2]
    assert violations(timeline, tolerance_s=CLOCK_READING_S) == []
    if rate is not None:
        assert parts[0].duration_s == pytest.approx(4 * 125 * 3 / rate)
        assert parts[1].duration_s == pytest.approx(4 * 125 * 3 / rate)
        assert report.median.latency_s >= parts[1].end_s


def test_a_device_played_slower_takes_its_factor_longer(edge):
    model = model_of("squeezenet")
    plan = plan_of(model, tau=4, grid=(2, 1), cuts=[5, 3])
    options = {"edge": edge.address, "plan": plan, "verify": True}

    plain = run(model, pixels(model), repeats=5, **options)
    slowed = run(model, pixels(model), slowdown=50, **options)

    quickest_s = min(item.timeline.busy_s(Lane.DEVICE) for item in plain.runs)
    assert slowed.median.timeline.busy_s(Lane.DEVICE) > 5 * quickest_s
    assert slowed.comparison is not None
    assert slowed.comparison.bit_equal


@pytest.mark.parametrize("cut", [1, 3])
def test_inferences_of_one_path_take_one_message_each_way_on_one_stream(edge, monkeypatch, cut):
    model = load_model("zoo:squeezenet?size=64&weights=integer")
    write, written = GrpcStream.write, []

    async def counted(stream, data):
        written.append((stream, type(decode(data))))
        return await write(stream, data)

    monkeypatch.setattr(GrpcStream, "write", counted)
    report = run(
        model,
        pixels(model),
        edge=edge.address,
        plan=plan_of(model, cuts=[cut]),
        verify=True,
        repeats=3,
    )

    assert report.comparison is not None
    assert report.comparison.bit_equal
    assert [kind for _, kind in written] == [Hello, Begin, Begin, Begin]
    assert len({stream for stream, _ in written}) == 1


@pytest.mark.parametrize("write_s", [0.0, 0.5], ids=["a played link", "a write that takes long"])
def test_computing_does_not_wait_until_a_raw_path_has_been_sent(edge, monkeypatch, write_s):
    model = load_model("zoo:squeezenet?size=64&weights=integer")
    plan = plan_of(model, tau=4, grid=(2, 1), cuts=[1, 5])
    write = GrpcStream.write

    async def slow_write(stream, message):
        if isinstance(decode(message), Begin | Piece):
            await asyncio.sleep(write_s)
        return await write(stream, message)

    monkeypatch.setattr(GrpcStream, "write", slow_write)
    pace = 2e4 if write_s == 0 else None
    report = run(model, pixels(model), edge=edge.address, plan=plan, pace_bytes_per_s=pace)

    (computed,) = report.median.timeline.on(Lane.DEVICE)
    first_sent_s = report.median.timeline.on(Lane.UPLINK)[0].end_s
    assert computed.path == 2
    assert computed.end_s < first_sent_s / 2
    assert first_sent_s > 0.25


@pytest.mark.parametrize("cuts", [[1, 3, 1, 5], [3, 1, 5, 1], [1, 1, 1, 1], [5, 5, 5, 5]])
def test_without_overlap_nothing_is_sent_before_everything_is_computed(edge, cuts):
    """Raw paths first, last or alone."""
    model = load_model("zoo:squeezenet?size=64&weights=integer")
    plan = plan_of(model, tau=4, grid=(2, 2), cuts=cuts, order=[1, 2, 4, 3])
    image = pixels(model)

    async def once(*, overlaps: bool) -> Inference:
        emulation = Emulation(pace_bytes_per_s=1e5, slowdown=3, overlaps=overlaps)
        async with connect(edge.address, timeout=Timeout(infer_s=20)) as client:
            pairing = Pairing(model=model, client=client, emulation=emulation)
            return await pairing.infer(await pairing.prepare(plan, image), image)

    inference = asyncio.run(once(overlaps=False))

    timeline = inference.timeline
    computed_s = max((span.end_s for span in timeline.on(Lane.DEVICE)), default=0.0)
    assert min(span.start_s for span in timeline.on(Lane.UPLINK)) >= computed_s
    assert len(timeline.on(Lane.UPLINK)) == 4
    np.testing.assert_array_equal(
        inference.outputs["output"], asyncio.run(once(overlaps=True)).outputs["output"]
    )


def test_repeats_are_all_run_and_the_median_is_one_of_them(edge):
    model = model_of("squeezenet")

    report = run(
        model,
        pixels(model),
        request=PlanRequest(algorithm="mw", grid=Grid(2, 2), codecs="off"),
        edge=edge.address,
        given=BALANCED,
        repeats=5,
        verify=True,
        **EXACT,
    )

    assert len(report.runs) == 5
    latencies = sorted(item.latency_s for item in report.runs)
    assert report.median.latency_s == latencies[2] == median_of(report.runs).latency_s
    assert report.comparison is not None
    assert report.comparison.bit_equal


def test_a_plan_that_stays_here_needs_no_server():
    model = model_of("squeezenet")

    report = run(
        model,
        pixels(model),
        request=PlanRequest(algorithm="device-only", codecs="off"),
        edge=None,
        given=BALANCED,
    )

    assert report.median.up_bytes == report.median.edge_macs == 0
    assert [span.lane for span in report.median.timeline.spans] == [Lane.DEVICE]


def test_a_plan_that_does_not_stay_here_asks_for_a_server():
    model = model_of("squeezenet")

    with pytest.raises(InputError, match="needs an edge server"):
        run(model, pixels(model), edge=None, plan=plan_of(model, cuts=[2]))


def two_heads() -> bytes:
    """A body whose map is an output as well, a head on it, and a head behind a barrier."""
    rng = np.random.default_rng(5)
    weights = {
        "w1": rng.integers(-1, 2, (8, 3, 3, 3)),
        "w2": rng.integers(-1, 2, (6, 8, 5, 5)),
        "w3": rng.integers(-1, 2, (4, 6, 1, 1)),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c1"], "conv1", pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["body"], "relu1"),
        helper.make_node("Conv", ["body", "w2"], ["map"], "conv2", pads=[0, 2, 4, 2]),
        helper.make_node("Conv", ["map", "w3"], ["boxes"], "conv3"),
        helper.make_node("GlobalMaxPool", ["map"], ["score"], "pool"),
    ]
    shapes = {"body": (1, 8, 20, 15), "boxes": (1, 4, 20, 15), "score": (1, 6, 1, 1)}
    graph = helper.make_graph(
        nodes,
        "two_heads",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, 40, 30))],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()],
        [numpy_helper.from_array(v.astype(np.float32), n) for n, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


@pytest.fixture(scope="module")
def own_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models of the user's own."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "heads.onnx").write_bytes(two_heads())
    data = zoo.serialize(zoo.build("squeezenet", input_size=64, seed=9, weights="integer"))
    (folder / "mine.onnx").write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def own_edge(own_models: Path):
    """A server that has these models."""
    with edge_server("--models", str(own_models)) as running:
        yield running


@pytest.mark.parametrize(
    "plan",
    [
        {"cuts": [1]},
        {"cuts": [2]},
        {"tau": 1, "grid": (2, 2), "cuts": [1, 2]},
        {"tau": 2, "grid": (3, 2), "cuts": [3, 1, 2]},
        {"tau": 3, "grid": (2, 3), "cuts": [1, 2, 3, 4]},
    ],
    ids=str,
)
def test_all_outputs_of_a_model_with_several_come_back(own_models, own_edge, plan):
    model = load_model(own_models / "heads.onnx")

    report = run(
        model, pixels(model), edge=own_edge.address, plan=plan_of(model, **plan), verify=True
    )

    assert set(report.median.outputs) == {"body", "boxes", "score"}
    assert report.comparison is not None
    assert report.comparison.bit_equal


@pytest.mark.parametrize("algorithm", ["full-offload", "nfl", "mw"])
def test_planned_work_of_a_model_with_several_outputs_is_what_is_done(
    own_models, own_edge, algorithm
):
    model = load_model(own_models / "heads.onnx")

    report = run(
        model,
        pixels(model),
        request=PlanRequest(algorithm=algorithm, codecs="off"),
        edge=own_edge.address,
        given=BALANCED,
        verify=True,
    )

    assert report.comparison is not None
    assert report.comparison.passed
    assert_done_as_planned(report, model)


def test_a_file_of_the_user_is_found_by_its_digest_whatever_it_is_called(
    own_models, own_edge, tmp_path
):
    elsewhere = tmp_path / "another name.onnx"
    elsewhere.write_bytes((own_models / "mine.onnx").read_bytes())
    model = load_model(elsewhere)

    report = run(
        model,
        pixels(model),
        request=PlanRequest(algorithm="mw", grid=Grid(2, 2), codecs="off"),
        edge=own_edge.address,
        given=BALANCED,
        verify=True,
        **EXACT,
    )

    assert report.comparison is not None
    assert report.comparison.bit_equal


def test_a_server_without_the_file_refuses_and_says_what_to_do(own_models, edge):
    model = load_model(own_models / "mine.onnx")

    with pytest.raises(PeerRefusedError, match="start the server with a folder of models"):
        run(
            model,
            pixels(model),
            request=PlanRequest(algorithm="full-offload", codecs="off"),
            edge=edge.address,
            given=BALANCED,
        )


@pytest.mark.parametrize("options", ["--workers=3", "--threads=2"])
def test_more_workers_or_threads_change_no_bit(options):
    model = model_of("squeezenet")
    plan = plan_of(model, tau=6, grid=(3, 3), cuts=[1, 3, 1, 7])

    with edge_server(options) as own:
        report = run(model, pixels(model), edge=own.address, plan=plan, repeats=3, verify=True)

    assert report.comparison is not None
    assert report.comparison.bit_equal
    for item in report.runs:
        assert violations(item.timeline, tolerance_s=CLOCK_READING_S) == []


@pytest.mark.skipif(not ULTRAFACE, reason="FUSEPATH_ULTRAFACE does not name the model file")
@pytest.mark.parametrize(
    "options",
    [{"algorithm": "full-offload"}, {"algorithm": "nfl"}, {"algorithm": "mw"}]
    + [{"algorithm": "mw", "grid": Grid(*grid)} for grid in ((2, 2), (2, 3), (3, 3))],
    ids=str,
)
def test_a_published_face_detector_runs_split_on_a_picture(options, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ultraface")
    (folder / "ultraface.onnx").write_bytes(Path(ULTRAFACE).read_bytes())
    model = load_model(folder / "ultraface.onnx")
    demo = Path(fusepath.__file__).parent / "assets" / "demo.png"
    with Image.open(demo) as picture:
        small = np.asarray(picture.convert("RGB").resize((320, 240)))
    image = np.ascontiguousarray(small.transpose(2, 0, 1)[None])

    with edge_server("--models", str(folder)) as own:
        report = run(
            model,
            image,
            edge=own.address,
            given=BALANCED,
            verify=True,
            mean=(127.0,),
            std=(128.0,),
            request=PlanRequest(codecs="off", **options),
        )

    assert report.comparison is not None
    assert report.comparison.max_rel_error <= 1e-5
    assert_done_as_planned(report, model)


@pytest.mark.skipif(not ULTRAFACE, reason="FUSEPATH_ULTRAFACE does not name the model file")
def test_a_published_face_detector_gains_by_its_tail_on_the_device(tmp_path):
    (tmp_path / "ultraface.onnx").write_bytes(Path(ULTRAFACE).read_bytes())
    model = load_model(tmp_path / "ultraface.onnx")
    setting = Setting(
        graph=model.graph,
        device=ComputeRate(1.6e9),
        edge=ComputeRate(500e9),
        link=Link(up_bytes_per_s=1.8e6, down_bytes_per_s=1.8e6),
    )
    nfl, auto = (
        make_plan(setting, PlanRequest(algorithm=name, codecs="off", budget=SOON)).best
        for name in ("nfl", "auto")
    )
    assert nfl.makespan_s / auto.makespan_s >= 1.25

    with edge_server("--models", str(tmp_path)) as own:
        report = run(model, pixels(model), edge=own.address, plan=auto, verify=True)

    assert report.comparison is not None
    assert report.comparison.passed
    assert_done_as_planned(report, model)
