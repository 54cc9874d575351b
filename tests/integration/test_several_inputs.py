"""Networks of several inputs: one is cut, the others travel whole along with the first path."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from onnx import numpy_helper, parser

from fusepath import (
    Budget,
    FallbackPolicy,
    Machines,
    PlanRequest,
    Session,
    SessionOptions,
    parse_link,
    parse_machine,
    run,
)
from fusepath.cli.main import run as run_command_line
from fusepath.cost import cut_bytes
from fusepath.errors import ImageError, InputError, ModelError, PeerFailedError
from fusepath.onnx_io import Model, original_with_shape, read_model
from fusepath.plan import InputFormat
from fusepath.remote.memory import ADDRESS as MEMORY
from fusepath.runtime.runner import Runner
from fusepath.tiling import Grid, Segment, layout
from tests.plans import carry_out, plan_of

pytestmark = pytest.mark.usefixtures("no_first_frame")

MACHINES = Machines(
    device=parse_machine("1GFLOPS"), edge=parse_machine("9GFLOPS"), link=parse_link("1MB/s")
)
TILES = PlanRequest(algorithm="mw", grid=Grid(2, 2))
STREAM = PlanRequest(algorithm="stream", budget=Budget(evaluations=300))
NFL = PlanRequest(algorithm="nfl", codecs="off")
DEVICE = PlanRequest(algorithm="device-only")
FULL = PlanRequest(algorithm="full-offload", codecs="off")
CONVS = """c = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(x, w)  r = Relu(c)
    m = Conv<pads = [1, 1, 1, 1]>(r, v) """
WEIGHTS = {"w": (5, 3, 3, 3), "v": (6, 5, 3, 3)}
IN_TAIL = f"""(float[1,3,16,12] x, float[1,2] scale, int64 shift) => (float[] y, float[] z) {{
    {CONVS} f = Flatten(m)  g = MatMul(f, p)  a = Mul(g, scale)  s = Cast<to = 1>(shift)
    y = Add(a, s)  z = Sub(scale, s) }}"""
CONDITIONED = """(float[1,5,1,1] gain, float[1,3,16,12] x) => (float[] y) {
    c = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(x, w)  r = Relu(c)  n = Mul(r, gain)
    y = Conv<pads = [1, 1, 1, 1]>(n, v) }"""


def model(text: str, **weights: object) -> Model:
    rng = np.random.default_rng(5)
    proto = parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> g {text}')
    for name, given in weights.items():
        value = rng.integers(-2, 3, given).astype("f4") if isinstance(given, tuple) else given
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return read_model(proto.SerializeToString(), name="net", source="net")


def in_tail() -> Model:
    return model(IN_TAIL, p=(288, 2), **WEIGHTS)


def feed(found: Model, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    ports = (found.boundary.input, *found.boundary.companions)
    return {port.name: rng.integers(1, 9, port.shape).astype(port.dtype) for port in ports}


def assert_answers(found: Model, *requests: PlanRequest) -> None:
    """A session answers as ONNX Runtime does, whatever the plan and the values; bit by bit."""
    original = Runner(original_with_shape(found))
    for request in requests:
        with Session(found, MEMORY, plan=request, machines=MACHINES) as session:
            session.wait_ready(60)
            for seed in (0, 1):
                given = feed(found, seed)
                outputs = session.run(None, given)
                for output, wanted in zip(outputs, original.run(given).values(), strict=True):
                    np.testing.assert_array_equal(output, wanted, strict=True)


def test_inputs_that_the_tail_reads_leave_the_layers_before_it_in_tiles():
    found = in_tail()

    assert found.graph.input.name == "x"
    assert found.graph.companions == ("scale", "shift")
    assert found.graph.tileable_layers == 2
    assert_answers(found, DEVICE, FULL, NFL, TILES, STREAM)


@pytest.mark.parametrize("algorithm", ["tiles", "strips"])
def test_companions_travel_once_with_the_first_path_that_is_sent(algorithm):
    found = in_tail()
    form, given = InputFormat(dtype="float32"), feed(found)
    image, beside = given.pop("x"), given
    if algorithm == "tiles":
        described = {"grid": (2, 2), "tau": 2, "cuts": [2, 3, 1, 3]}
    else:
        segments = (
            Segment(start=0, stop=4, cut=3, strips=((8, 0), (16, 4))),
            Segment(start=4, stop=8, cut=1, strips=((16, 8),)),
        )
        described = {"segments": segments, "tau": 2, "cuts": [3, 3, 1], "grid": (3, 1)}
    plan = plan_of(found, form=form, **described)
    with_them = carry_out(found, plan, image, beside)

    expected = Runner(original_with_shape(found)).run({"x": image, **beside})
    for name, wanted in expected.items():
        np.testing.assert_array_equal(with_them.outputs[name], wanted, strict=True)
    paths = layout(found.graph, plan.arrangement)
    pieces = sum(
        4 * paths.elements(path, name)
        for path, cut in enumerate(plan.cuts)
        for name in found.graph.sent(cut)
    )
    assert with_them.up_bytes == pieces + 2 * 4 + 8


def test_every_cut_of_the_unsplit_network_sends_what_the_server_needs_and_counts_it():
    found = in_tail()
    graph = found.graph
    for cut in range(1, graph.depth + 2):
        given = feed(found)
        plan = plan_of(found, cuts=[cut], form=InputFormat(dtype="float32"))
        done = carry_out(found, plan, given.pop("x"), given)

        assert done.up_bytes == cut_bytes(graph, cut, plan.convention) + (
            graph.input.elements * 3 if cut == 1 else 0  # the convention speaks of pixels
        )
        read = {name for op in graph.operators(cut, graph.depth) for name in op.inputs}
        assert set(graph.accompanying(cut)) == read & {"scale", "shift"}
    assert graph.accompanying(1) == ("scale", "shift")
    assert graph.accompanying(graph.depth) != ()


def test_where_a_layer_in_mid_net_reads_it_tiles_end_there_and_say_so():
    found = model(CONDITIONED, **WEIGHTS)

    assert found.graph.input.name == "x"
    assert found.graph.tileable_layers == 1
    assert found.graph.barrier.barrier_reason == "reads the input 'gain', which is not cut"
    assert_answers(found, DEVICE, FULL, PlanRequest(algorithm="mw", grid=Grid(2, 2), tau=1))


def test_beside_a_large_input_nothing_is_tiled():
    text = f"(float[1,3,32,12] x, float[1,3,32,24] b) => (float[] y) {{ {CONVS} "
    found = model(
        text + "d = Conv<pads = [1, 1, 1, 1], strides = [2, 4]>(b, u)  y = Add(m, d) }",
        u=(6, 3, 3, 3),
        **WEIGHTS,
    )

    assert found.graph.input.name == "b", "the larger of two"
    assert found.graph.tileable_layers == 0
    assert "stands beside the input 'x' of 4608 bytes" in found.graph.barrier.barrier_reason
    assert_answers(found, DEVICE, FULL, NFL)


def test_open_sizes_are_those_of_the_input_that_is_cut():
    text = """(int64[N,L] ids, int64[N,L] mask) => (float[] y) {
        e = Gather(t, ids)  f = Cast<to = 1>(mask)  g = Unsqueeze(f, last)  h = Mul(e, g)
        y = ReduceSum(h, axis) }"""
    proto = parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> g {text}')
    constants = {
        "t": np.arange(60, dtype="f4").reshape(20, 3),
        "last": np.array([2]),
        "axis": np.array([1]),
    }
    proto.graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in constants.items())
    data = proto.SerializeToString()
    with pytest.raises(ModelError, match=r"dimension 1 of input 'ids' is dynamic \('L'\)"):
        read_model(data, name="net", source="net")
    found = read_model(data, name="net", source="net", input_shape=(1, 7))

    assert [port.shape for port in found.boundary.companions] == [(1, 7)]
    assert_answers(found, DEVICE, FULL, NFL)


def test_an_input_that_is_an_output_as_well_keeps_its_name():
    text = f"(float[1,3,16,12] x, float[1,2] s) => (float[] y, float[] s) {{ {CONVS} "
    found = model(text + "f = Flatten(m)  g = MatMul(f, p)  y = Mul(g, s) }", p=(288, 2), **WEIGHTS)

    assert [port.name for port in found.boundary.companions] == ["s"]
    assert_answers(found, DEVICE, FULL, TILES)


def test_a_feed_must_have_all_inputs_and_no_others():
    found = in_tail()
    given = feed(found)
    with Session(found) as session:
        with pytest.raises(InputError, match=r"takes 3 inputs, 'x', 'scale', 'shift'; the feed"):
            session.run(None, {"x": given["x"]})
        with pytest.raises(InputError, match=r"takes 3 inputs"):
            session.infer(given["x"])
        with pytest.raises(InputError, match=r"takes 3 inputs"):
            session.run(None, {**given, "more": given["x"]})
        with pytest.raises(
            ImageError, match=r"input 'scale' is \[2\] float32, but the model takes"
        ):
            session.run(None, {**given, "scale": np.ones(2, "f4")})
        assert [item.name for item in session.get_inputs()] == ["x", "scale", "shift"]
        frame = {**given, "x": given["x"][0].transpose(1, 2, 0)}
        outputs = session.infer(frame).outputs
    expected = ort.InferenceSession(found.original).run(None, given)
    np.testing.assert_array_equal(outputs["y"], expected[0])


def test_a_value_that_the_edge_server_cannot_compute_with_fails_its_frame_and_no_other():
    text = f"""(float[1,3,16,12] x, int64[1] which) => (float[] y) {{
        {CONVS} f = Flatten(m)  y = Gather<axis = 1>(f, which) }}"""
    found = model(text, **WEIGHTS)
    good = {**feed(found), "which": np.array([5])}
    bad = {**good, "which": np.array([9999])}
    wanted = Runner(original_with_shape(found)).run(good)["y"]
    options = SessionOptions(remember=False, fallback=FallbackPolicy.OFF)
    with Session(found, MEMORY, plan=FULL, machines=MACHINES, options=options) as session:
        session.infer(good)
        session.wait_ready(60)
        with pytest.raises(PeerFailedError, match="out of"):
            session.infer(bad)
        np.testing.assert_array_equal(session.infer(good).outputs["y"], wanted)
        answers = [session.submit(given) for given in (good, bad, good, good)]
        with pytest.raises(PeerFailedError, match="out of"):
            answers.pop(1).result(60)
        for answer in answers:
            np.testing.assert_array_equal(answer.result(60).outputs["y"], wanted)


def test_run_verifies_it_and_so_does_the_command(tmp_path, capfd):
    found = in_tail()
    given = feed(found)
    report = run(found, given, MEMORY, verify=True, plan=TILES, machines=MACHINES)
    assert report.comparison is not None
    assert report.comparison.bit_equal

    (tmp_path / "net.onnx").write_bytes(found.original)
    for name, value in given.items():
        np.save(tmp_path / f"{name}.npy", value)
    arguments = [str(tmp_path / file) for file in ("net.onnx", "x.npy")]
    arguments = ["run", *arguments, "--algorithm", "device-only", "--verify"]
    feeds = [f"--feed=scale={tmp_path}/scale.npy", f"--feed=shift={tmp_path}/shift.npy"]
    assert run_command_line([*arguments, *feeds]) == 0
    assert "bit-equal" in capfd.readouterr().out
    assert run_command_line([*arguments, feeds[0]]) == 2
    assert "takes 3 inputs" in capfd.readouterr().err
    assert run_command_line([*arguments, "--feed=scale"]) == 2
    assert "is not NAME=FILE.npy" in capfd.readouterr().err
