"""What people's models are fed: channels last, batches, pixels, halves; and what is no picture."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper, parser

from fusepath import (
    Budget,
    FrameFormat,
    Machines,
    Model,
    PlanRequest,
    Session,
    parse_link,
    parse_machine,
    run,
)
from fusepath.errors import ImageError
from fusepath.onnx_io import original_with_shape, read_model
from fusepath.pictures.inputs import load_input
from fusepath.plan import InputFormat
from fusepath.remote.memory import ADDRESS as MEMORY
from fusepath.runtime.runner import Runner
from fusepath.tiling import Grid
from tests.plans import carry_out, plan_of

pytestmark = pytest.mark.usefixtures("no_first_frame")

MACHINES = Machines(
    device=parse_machine("1GFLOPS"), edge=parse_machine("9GFLOPS"), link=parse_link("1MB/s")
)
RNG = np.random.default_rng(5)


def model(
    text: str, *, input_shape: tuple[int, ...] | None = None, opset: int = 17, **weights: object
) -> Model:
    """A network written by hand; weights given as a shape are small integers."""
    proto = parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]> g {text}')
    for name, given in weights.items():
        value = RNG.integers(-2, 3, given).astype("f4") if isinstance(given, tuple) else given
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return read_model(proto.SerializeToString(), name="net", source="net", input_shape=input_shape)


TWO_CONVS = """[one] a = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>({}, w)  [act] b = Relu(a)
    [two] {} = Conv<pads = [1, 1, 1, 1]>(b, v)"""
WEIGHTS = {"w": (5, 3, 3, 3), "v": (6, 5, 3, 3)}


def values(found: Model, dtype: str | None = None) -> np.ndarray:
    port = found.boundary.input
    return RNG.integers(0, 9, port.shape).astype(dtype or port.dtype)


def expected(found: Model, value: np.ndarray) -> dict[str, np.ndarray]:
    return Runner(original_with_shape(found)).run({found.boundary.input.name: value})


def assert_answers(found: Model, *requests: PlanRequest) -> None:
    """A session answers as the original does, whatever the plan; bit by bit."""
    value = values(found)
    for request in (PlanRequest(algorithm="device-only"), *requests):
        with Session(found, MEMORY, plan=request, machines=MACHINES) as session:
            session.wait_ready(60)
            (info,) = session.get_inputs()
            assert info.shape == list(value.shape)
            outputs = session.run(None, {info.name: value})
            assert [item.shape for item in session.get_outputs()] == [
                list(output.shape) for output in outputs
            ]
        for output, wanted in zip(outputs, expected(found, value).values(), strict=True):
            np.testing.assert_array_equal(output, wanted, strict=True)
            assert output.flags.c_contiguous


TILES = PlanRequest(algorithm="mw", grid=Grid(2, 2))
STREAM = PlanRequest(algorithm="stream", budget=Budget(evaluations=300))
NFL = PlanRequest(algorithm="nfl")
FULL = PlanRequest(algorithm="full-offload", codecs="off")


def channels_last(before: str = "x", after: str = "m", output: str = "y") -> str:
    return f"""(float[1,16,12,3] x) => (float[] y) {{
        p = Transpose<perm = [0, 3, 1, 2]>({before})  {TWO_CONVS.format("p", "m")}
        {output} = Transpose<perm = [0, 2, 3, 1]>({after}) }}"""


def test_a_network_of_channels_last_is_fed_and_answers_so():
    found = model(channels_last(), **WEIGHTS)

    assert found.graph.tileable_layers == found.graph.depth == 2
    assert found.graph.input.shape == (1, 3, 16, 12)
    assert_answers(found, TILES, STREAM, FULL)


def test_scaling_before_the_transpose_and_an_activation_behind_it_turn_as_well():
    text = channels_last("s", "m", "t").replace("{\n", "{ d = Sub(x, c)  s = Mul(d, k)\n", 1)
    text = text.replace("(m) }", "(m)  u = Add(t, e)  y = Relu(u) }")
    found = model(
        text,
        c=np.array([1, 2, 3], "f4"),
        k=np.float32(2),
        e=np.arange(6, dtype="f4"),
        **WEIGHTS,
    )

    assert found.graph.tileable_layers == found.graph.depth == 2
    assert_answers(found, TILES, STREAM)


def test_a_frame_of_either_layout_is_taken():
    found = model(channels_last(), **WEIGHTS)
    frame = RNG.integers(0, 255, (16, 12, 3), dtype=np.uint8)
    wanted = expected(found, frame[None].astype("f4"))["y"]

    with Session(found, frames=FrameFormat(std=(1.0,))) as session:
        for given in (frame, frame[None], frame.transpose(2, 0, 1)):
            np.testing.assert_array_equal(session.infer(given).outputs["y"], wanted, strict=True)


def test_a_square_of_as_many_channels_is_turned_too():
    text = "(float[1,4,4,4] x) => (float[] y) { p = Transpose<perm = [0, 3, 1, 2]>(x) "
    text += "m = Conv<pads = [1, 1, 1, 1]>(p, w)  y = Transpose<perm = [0, 2, 3, 1]>(m) }"

    assert_answers(model(text, w=(4, 4, 3, 3)), TILES)


@pytest.mark.parametrize(
    "text",
    [
        # The input is used as it is as well.
        """(float[1,8,8,4] x) => (float[] y) { p = Transpose<perm = [0, 3, 1, 2]>(x)
            a = Conv<pads = [1, 1, 1, 1]>(p, w)  b = Transpose<perm = [0, 2, 3, 1]>(a)
            y = Add(b, x) }""",
        # What the Transpose makes is an output.
        """(float[1,8,8,4] x) => (float[] y, float[] p) { p = Transpose<perm = [0, 3, 1, 2]>(x)
            y = Conv<pads = [1, 1, 1, 1]>(p, w) }""",
        # The map inside is an output as well.
        """(float[1,4,8,8] x) => (float[] y, float[] a) { a = Conv<pads = [1, 1, 1, 1]>(x, w)
            y = Transpose<perm = [0, 2, 3, 1]>(a) }""",
        # The output is read again.
        """(float[1,4,8,8] x) => (float[] y, float[] z) { a = Conv<pads = [1, 1, 1, 1]>(x, w)
            y = Transpose<perm = [0, 2, 3, 1]>(a)  z = ReduceMax<axes = [3]>(y) }""",
        # Rows and columns are turned as well.
        """(float[1,8,8,4] x) => (float[] y) { p = Transpose<perm = [0, 3, 2, 1]>(x)
            y = Conv<pads = [1, 1, 1, 1]>(p, w) }""",
    ],
)
def test_a_transpose_that_cannot_go_stays(text):
    assert_answers(model(text, w=(4, 4, 3, 3)), FULL)


def test_pixels_of_a_network_that_casts_them_travel_as_they_are():
    convs = TWO_CONVS.format("f", "y")
    found = model(
        f"(uint8[1,3,16,12] x) => (float[] y) {{ f = Cast<to = 1>(x)  {convs} }}", **WEIGHTS
    )

    assert found.graph.tileable_layers == found.graph.depth == 2
    assert_answers(found, TILES, STREAM, FULL)
    with Session(found, MEMORY, plan=FULL, machines=MACHINES) as session:
        session.wait_ready(60)
        assert session.infer(values(found)).up_bytes == 3 * 16 * 12
        with pytest.raises(ImageError, match=r"the frame is float32; give uint8 values"):
            session.infer(values(found, "float32"))


def test_pixels_of_channels_last_as_converted_networks_have_them():
    text = """(uint8[1,16,12,3] x) => (float[] y) { q = DequantizeLinear(x, s, z)
        p = Transpose<perm = [0, 3, 1, 2]>(q) """
    found = model(
        text + TWO_CONVS.format("p", "y") + "}", s=np.float32(0.5), z=np.uint8(3), **WEIGHTS
    )

    assert found.graph.input.shape == (1, 3, 16, 12)
    assert_answers(found, FULL)


def test_a_network_of_halves_is_fed_halves():
    text = f"(float16[1,3,16,12] x) => (float16[] y) {{ {TWO_CONVS.format('x', 'y')} }}"
    halves = {name: RNG.integers(-1, 2, shape).astype("f2") for name, shape in WEIGHTS.items()}
    found = model(text, **halves)

    assert found.graph.tileable_layers == found.graph.depth == 2
    assert_answers(found, TILES, STREAM, FULL)
    with Session(found, MEMORY, plan=FULL, machines=MACHINES) as session:
        session.infer(values(found))
        session.wait_ready(60)
        assert session.infer(values(found)).up_bytes == 2 * 3 * 16 * 12


def test_images_of_a_batch_are_run_one_by_one():
    text = f"""(float[3,3,16,12] x) => (float[] y, float[] z) {{ {TWO_CONVS.format("x", "y")}
        g = GlobalMaxPool(b)  r = Reshape(g, shape)  z = MatMul(r, m) }}"""
    found = model(text, shape=np.array([3, 5]), m=(5, 4), **WEIGHTS)

    assert found.boundary.batch == 3
    assert found.graph.input.shape == (1, 3, 16, 12)
    assert found.graph.tileable_layers == 2
    assert_answers(found, TILES, STREAM, FULL)


@pytest.mark.parametrize("opset", [11, 17])
def test_an_image_of_a_batch_keeps_the_axis_of_images(opset):
    text = f"""(float[2,3,16,12] x) => (float[] z) {{ {TWO_CONVS.format("x", "y")}
        g = GlobalMaxPool(y)  r = Squeeze(g)  z = Gemm(r, m) }}"""
    found = model(text, opset=opset, m=(6, 4), **WEIGHTS)

    assert found.boundary.batch == 2
    assert_answers(found, TILES, FULL)


def test_sizes_of_rows_and_columns_alone_hold_for_every_image():
    text = f"""(float[2,3,16,12] x) => (float[] z) {{ {TWO_CONVS.format("x", "y")}
        z = Resize<axes = [2, 3], mode = "nearest">(y, , , sizes) }}"""
    found = model(text, opset=18, sizes=np.array([16, 12]), **WEIGHTS)

    assert found.boundary.batch == 2
    assert found.graph.tileable_layers == found.graph.depth
    assert_answers(found, TILES, STREAM)


def test_an_output_may_be_a_single_number():
    text = f"""(float[1,3,16,12] x) => (float[] z) {{ {TWO_CONVS.format("x", "y")}
        g = ReduceMax<keepdims = 0>(y)  h = ReduceMax<keepdims = 0>(b)  z = Sub(g, h) }}"""
    found = model(text, **WEIGHTS)

    for cut in range(1, found.graph.depth + 2):
        plan = plan_of(found, cuts=[cut], form=InputFormat(dtype="float32"))
        value = values(found)
        output = carry_out(found, plan, value).outputs["z"]
        np.testing.assert_array_equal(output, expected(found, value)["z"], strict=True)
    assert_answers(found, TILES, FULL)


def test_an_open_batch_is_given():
    text = f'(float["N",16,12,3] x) => (float[] y) {{ {TWO_CONVS.format("p", "y")} }}'
    text = text.replace("{ ", "{ p = Transpose<perm = [0, 3, 1, 2]>(x) ")
    found = model(text, input_shape=(2, 16, 12, 3), **WEIGHTS)

    assert found.boundary.batch == 2
    assert_answers(found, TILES)


MIXING = {
    "statistics of all": "m = ReduceMean<axes = [0], keepdims = 1>(x)  y = Sub(x, m)",
    "another order": "y = Transpose<perm = [1, 0, 2, 3]>(x)",
    "as one": "y = Reshape(x, one)",
    "one of them": "y = Gather<axis = 0>(x, first)",
    "joined": "y = Concat<axis = 0>(x, x)",
    "a constant for each": "y = Add(x, each)",
    "reversed": "y = Slice(x, last, before, zero, last)",
    "moved on": "y = Pad(x, pads)",
}


@pytest.mark.parametrize("body", MIXING.values(), ids=MIXING)
def test_a_network_that_mixes_images_runs_unsplit(body):
    found = model(
        f"(float[2,3,4,4] x) => (float[] y) {{ {body} }}",
        one=np.array([6, 16]),
        first=np.array([0]),
        each=RNG.integers(-3, 3, (2, 1, 1, 1)).astype("f4"),
        zero=np.array([0]),
        last=np.array([-1]),
        before=np.array([-10]),
        pads=np.array([1, 0, 0, 0, -1, 0, 0, 0]),
    )

    assert found.boundary.batch == 1
    assert found.graph.tileable_layers == 0
    assert_answers(found, FULL, NFL)


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("(float[1,12] x) => (float[] y) { a = Relu(x)  y = MatMul(a, w) }", {"w": (12, 5)}),
        (
            """(float[1,2,4,6,6] x) => (float[] y) {
                a = Conv<pads = [1, 1, 1, 1, 1, 1]>(x, w)  y = Relu(a) }""",
            {"w": (3, 2, 3, 3, 3)},
        ),
        (
            "(float[1,4,20] x) => (float[] y) { a = Conv<pads = [1,1]>(x, w) y = Relu(a) }",
            {"w": (3, 4, 3)},
        ),
        ("(int64[1,7] x) => (float[] y) { a = Gather(w, x)  y = Neg(a) }", {"w": (9, 4)}),
    ],
    ids=["rows of numbers", "volumes", "signals", "words"],
)
def test_what_is_no_picture_runs_unsplit(text, weights):
    found = model(text, **weights)

    assert_answers(found, FULL, NFL)


def two_convolutions(source: str) -> str:
    """Of three channels, 16 rows and 12 columns."""
    return TWO_CONVS.format(source, "y")


WITHOUT_BATCH = {
    "image": ("float[3,16,12]", f"p = Unsqueeze(x, first) {two_convolutions('p')}"),
    "normalised image": (
        "float[3,16,12]",
        f"""d = Sub(x, mean)  e = Mul(d, two)  p = Reshape(e, image)
        {two_convolutions('p')}""",
    ),
    "pixels": (
        "uint8[16,12,3]",
        f"""t = Transpose<perm = [2, 0, 1]>(x)  c = Cast<to = 1>(t)  p = Unsqueeze(c, first)
        {two_convolutions('p')}""",
    ),
    "channels last": (
        "float[16,12,3]",
        f"""u = Unsqueeze(x, first)  p = Transpose<perm = [0, 3, 1, 2]>(u)
        {two_convolutions('p')}""",
    ),
    "one channel": (
        "float[16,12]",
        f"""u = Unsqueeze(x, both)  p = Concat<axis = 1>(u, u, u)  {two_convolutions('p')}""",
    ),
    "image returned": (
        "float[3,16,12]",
        f"""p = Unsqueeze(x, first)  {TWO_CONVS.format("p", "m")}
        s = Squeeze(m, first)  y = Relu(s)""",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("declared", "body"), WITHOUT_BATCH.values(), ids=WITHOUT_BATCH)
def test_an_image_without_a_batch_is_tiled_where_the_network_gives_it_one(declared, body):
    found = model(
        f"({declared} x) => (float[] y) {{ {body} }}",
        **WEIGHTS,
        first=np.array([0]),
        both=np.array([0, 1]),
        image=np.array([1, 3, 16, 12]),
        mean=np.arange(3, dtype="f4").reshape(3, 1, 1),
        two=np.float32(2),
    )

    assert found.graph.tileable_layers == found.graph.depth
    assert found.graph.input.is_map
    assert_answers(found, TILES, STREAM, FULL)


@pytest.mark.parametrize("shape", ["1,40", "40"])
def test_sound_without_channels_is_cut_where_the_network_gives_it_one(shape, tmp_path):
    found = model(
        f"""(float[{shape}] x) => (float[] y) {{ u = Reshape(x, sound)
            a = Conv<pads = [2, 2], strides = [2]>(u, w)  b = Relu(a)
            y = Conv<pads = [1, 1]>(b, v) }}""",
        w=(4, 1, 5),
        v=(3, 4, 3),
        sound=np.array([1, 1, 40]),
    )

    assert found.graph.input.shape == (1, 1, 40, 1)
    assert found.graph.tileable_layers == found.graph.depth
    assert_answers(found, STREAM, FULL)
    sound = values(found)
    np.save(tmp_path / "sound.npy", sound)
    loaded = load_input(tmp_path / "sound.npy", found.graph.input)
    np.testing.assert_array_equal(loaded, sound.reshape(1, 1, 40, 1))


@pytest.mark.parametrize(
    "body", ["y = Softmax<axis = 0>(x)", "s = Softmax<axis = 0>(x)  y = Unsqueeze(s, first)"]
)
def test_what_gets_no_batch_is_fed_as_it_is(body):
    found = model(f"(float[3,16,12] x) => (float[] y) {{ {body} }}", first=np.array([0]))

    assert found.graph.input.shape == (3, 16, 12)


def test_an_input_may_be_an_output_as_well():
    found = model(
        f"(float[1,3,16,12] x) => (float[] y, float[] x) {{ {TWO_CONVS.format('x', 'y')} }}",
        **WEIGHTS,
    )
    assert_answers(found, FULL, NFL)

    frame = RNG.integers(0, 255, (1, 3, 16, 12), dtype=np.uint8)
    with Session(found, frames=FrameFormat(std=(1.0,))) as session:
        outputs = session.infer(frame).outputs
    np.testing.assert_array_equal(outputs["x"], frame.astype("f4"), strict=True)


@pytest.mark.parametrize("text", [channels_last(), channels_last().replace("[1,16", "[2,16")])
def test_a_run_is_verified_in_the_owners_form(text):
    found = model(text, **WEIGHTS)
    report = run(
        found,
        RNG.integers(0, 255, found.boundary.input.shape, dtype=np.uint8),
        MEMORY,
        verify=True,
        plan=TILES,
        machines=MACHINES,
        repeats=2,
    )

    assert report.comparison is not None
    assert report.comparison.passed
    assert report.median.outputs["y"].shape == found.boundary.outputs[0].shape
    assert report.predicted.end_s > 0


def test_values_of_another_byte_order_are_the_same_values():
    found = model(
        f"(float[1,3,16,12] x, float[1] k) => (float[] y) "
        f"{{ {TWO_CONVS.format('x', 'c')} [sum] y = Add(c, k) }}",
        **WEIGHTS,
    )
    value, extra = values(found), np.ones(1, "f4")
    want = run_device_only(found, {"x": value, "k": extra})

    swapped = run_device_only(found, {"x": value.astype(">f4"), "k": extra.astype(">f4")})

    np.testing.assert_array_equal(swapped, want)


def run_device_only(found: Model, feeds: dict[str, np.ndarray]) -> np.ndarray:
    request = PlanRequest(algorithm="device-only")
    with Session(found, plan=request, machines=MACHINES) as session:
        return session.run(None, feeds)[0]
