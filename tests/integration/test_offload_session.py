"""A session as an application holds it: over memory, and over gRPC, with the same results."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
import pytest

import fusepath
from fusepath.errors import (
    ClosedError,
    FileFormatError,
    ImageError,
    InfeasibleError,
    InputError,
    PeerUnreachableError,
)
from fusepath.offload import plan_search
from fusepath.offload.device import Device
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import load_model, original_with_shape
from fusepath.plan import Constraints, InputFormat, PlanRequest, TailPlace
from fusepath.profiling.layers import measure_layers
from fusepath.runtime.execution import Execution
from fusepath.runtime.runner import Runner
from fusepath.timeline import Lane
from fusepath.timeline.check import violations
from tests.plans import plan_of

if TYPE_CHECKING:
    from fusepath.onnx_io import Model
    from tests.edges import Edge

pytestmark = pytest.mark.system

SOURCE = "zoo:squeezenet?size=64&weights=integer"
AS_THEY_ARE = fusepath.FrameFormat(std=(1.0,))
NOTHING_REMEMBERED = fusepath.SessionOptions(remember=False)
PATIENCE_S = 120.0


@cache
def model() -> Model:
    return load_model(SOURCE)


def frame(seed: int = 0) -> np.ndarray:
    """Pixels as a camera has them: rows, columns, channels."""
    return np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def expected(pixels: np.ndarray, of: Model | None = None) -> dict[str, np.ndarray]:
    image = np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]
    return run_unsplit(of or model(), image, InputFormat(std=(1.0,)))


def assert_exact(result: fusepath.Inference, pixels: np.ndarray) -> None:
    want = expected(pixels)
    assert result.outputs.keys() == want.keys()
    for name, value in want.items():
        np.testing.assert_array_equal(result.outputs[name], value)


@pytest.fixture(params=[pytest.param("memory", marks=pytest.mark.slow), "grpc"])
def address(request, edge: Edge) -> str:
    """An edge server within this process, which most other tests have, and one in another."""
    return "memory:" if request.param == "memory" else edge.address


def tiles(**options):
    return plan_of(model(), tau=4, grid=(2, 2), cuts=[1, 3, 5, 2], **options)


def fusepath_threads() -> list[str]:
    return [item.name for item in threading.enumerate() if "fusepath" in item.name]


# ---------------------------------------------------------------------------- plans, transports


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(lambda: plan_of(model(), cuts=[1]), id="full offload"),
        pytest.param(lambda: plan_of(model(), cuts=[9]), id="single cut"),
        pytest.param(tiles, id="tiles"),
        pytest.param(lambda: plan_of(model(), cuts=[model().graph.depth + 1]), id="local"),
        pytest.param(lambda: tiles(tail=TailPlace.DEVICE), id="tail on the device"),
    ],
)
def test_a_plan_yields_the_unsplit_result_over_every_transport(address, plan):
    with fusepath.Session(model(), address, plan=plan(), frames=AS_THEY_ARE) as session:
        results = [session.infer(frame(seed)) for seed in range(3)]

        for seed, result in enumerate(results):
            assert_exact(result, frame(seed))
            assert result.plan == plan()
            assert violations(result.timeline, tolerance_s=1e-3) == []
            assert result.latency_s == result.timeline.end_s
        assert session.plan == plan()


def test_what_a_tail_reads_is_in_its_place_before_the_tail_begins(monkeypatch):
    finish, left = Device.finish, []

    def watched(self, outputs, parts, inputs):
        left.extend(parts)
        return finish(self, outputs, parts, inputs)

    plan = tiles(tail=TailPlace.DEVICE)
    with fusepath.Session(model(), "memory:", plan=plan, frames=AS_THEY_ARE) as session:
        monkeypatch.setattr(Device, "finish", watched)
        result = session.infer(frame())

    assert_exact(result, frame())
    assert left == []


def test_results_that_return_in_parts_come_over_every_transport(address):
    detector = load_model("zoo:tiny-yolov2?size=64&weights=integer")
    request = PlanRequest(algorithm="stream", codecs="off")
    machines = fusepath.Machines(
        device=fusepath.parse_machine("1GFLOPS"),
        edge=fusepath.parse_machine("2GFLOPS"),
        link=fusepath.parse_link("5MB/s"),
    )
    options = {"plan": request, "machines": machines, "options": NOTHING_REMEMBERED}
    with fusepath.Session(detector, address, frames=AS_THEY_ARE, **options) as session:
        session.wait_ready(PATIENCE_S)
        result = session.infer(frame())

    assert result.plan.algorithm == "stream"
    assert len(result.plan.cuts) > 1
    for name, value in expected(frame(), detector).items():
        np.testing.assert_array_equal(result.outputs[name], value)


# ---------------------------------------------------------------------------- like ONNX Runtime


def test_one_line_changes_for_an_application_of_onnx_runtime(tmp_path, address):
    file = tmp_path / "net.onnx"
    subprocess.run(
        [sys.executable, "-m", "fusepath", "zoo", "squeezenet", str(file), "--input-size", "64"],
        check=True,
        capture_output=True,
    )
    theirs = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    values = np.random.default_rng(0).random((1, 3, 64, 64), dtype=np.float32)
    (theirs_out,) = theirs.run(None, {"image": values})
    # A server in another process does not hold this file; within this one it does.
    with fusepath.Session(file, "memory:", options=NOTHING_REMEMBERED) as ours:
        (ours_out,) = ours.run(None, {ours.get_inputs()[0].name: values})
        (named,) = ours.run([ours.get_outputs()[0].name], {"image": values})

        for mine, other in (
            (ours.get_inputs(), theirs.get_inputs()),
            (ours.get_outputs(), theirs.get_outputs()),
        ):
            assert [(i.name, i.shape, i.type) for i in mine] == [
                (i.name, i.shape, i.type) for i in other
            ]
    largest = np.abs(theirs_out).max()
    assert np.abs(ours_out - theirs_out).max() <= 1e-5 * largest
    np.testing.assert_array_equal(ours_out, named)


@pytest.mark.parametrize(
    ("names", "feed", "words"),
    [
        (None, {}, "the feed has nothing"),
        (None, {"input": 1}, "takes one input, 'image'; the feed has 'input'"),
        (["scores"], {"image": np.zeros((1, 3, 64, 64), np.float32)}, "no output 'scores'"),
    ],
)
def test_names_that_the_model_does_not_have_are_refused(names, feed, words):
    with fusepath.Session(model()) as session, pytest.raises(InputError, match=words):
        session.run(names, feed)


# ---------------------------------------------------------------------------- frames


def frames_alike() -> dict[str, tuple[fusepath.FrameFormat, np.ndarray]]:
    """The same picture in the ways in which applications hold it."""
    pixels = frame()
    padded = np.zeros((64, 70, 4), dtype=np.uint8)
    padded[:, 3:67, :3] = pixels
    hwc, bgr = fusepath.FrameFormat, {"order": "bgr", "std": (1.0,)}
    return {
        "rows, columns, channels": (AS_THEY_ARE, pixels),
        "channels first": (AS_THEY_ARE, np.ascontiguousarray(pixels.transpose(2, 0, 1))),
        "with a batch of one": (AS_THEY_ARE, pixels.transpose(2, 0, 1)[None]),
        "rows first, with a batch of one": (AS_THEY_ARE, pixels[None]),
        "a view into a larger picture": (AS_THEY_ARE, padded[:, 3:67, :3]),
        "turned upside down twice": (AS_THEY_ARE, pixels[::-1].copy()[::-1]),
        "of columns in memory": (AS_THEY_ARE, np.asfortranarray(pixels)),
        "read-only": (AS_THEY_ARE, np.frombuffer(pixels.tobytes(), np.uint8).reshape(64, 64, 3)),
        "as OpenCV has it": (hwc(layout="hwc", **bgr), pixels[:, :, ::-1]),
        "bgr, channels first": (hwc(layout="chw", **bgr), pixels.transpose(2, 0, 1)[::-1]),
        "values": (AS_THEY_ARE, pixels.astype(np.float32)),
    }


@pytest.mark.parametrize("how", frames_alike())
def test_frames_are_taken_however_they_lie_in_memory(how):
    form, held = frames_alike()[how]
    with fusepath.Session(model(), frames=form) as session:
        assert_exact(session.infer(held), frame())


@pytest.mark.parametrize(
    ("form", "wrong", "words"),
    [
        (AS_THEY_ARE, np.zeros((64, 64, 3)), "is float64; give uint8 pixels or float32"),
        (AS_THEY_ARE, np.zeros((64, 64, 3), np.int8), "is int8; give uint8"),
        (AS_THEY_ARE, np.zeros((64, 64, 3), object), "is object; give uint8"),
        (AS_THEY_ARE, np.full((64, 64, 3), "a"), "is text; give uint8"),
        (AS_THEY_ARE, np.zeros((32, 64, 3), np.uint8), "3 channels of 64x64"),
        (AS_THEY_ARE, np.zeros((64, 64), np.uint8), "3 channels of 64x64"),
        (AS_THEY_ARE, np.zeros((64, 64, 4), np.uint8), "3 channels of 64x64"),
        (AS_THEY_ARE, np.zeros((2, 64, 64, 3), np.uint8), "3 channels of 64x64"),
        (AS_THEY_ARE, np.zeros((0, 64, 3), np.uint8), "3 channels of 64x64"),
        (AS_THEY_ARE, [[1, 2], [3, 4]], "or an encoded picture, not list"),
        (AS_THEY_ARE, None, "not NoneType"),
        (AS_THEY_ARE, "photo.jpg", "input 'photo.jpg' does not exist"),
        (
            fusepath.FrameFormat(layout="hwc"),
            np.zeros((3, 64, 64), np.uint8),
            r"as \(H, W, C\); resize it",
        ),
        (
            fusepath.FrameFormat(layout="chw"),
            np.zeros((64, 64, 3), np.uint8),
            r"as \(C, H, W\); resize it",
        ),
    ],
)
def test_a_frame_that_does_not_fit_is_refused_in_one_line(form, wrong, words):
    with fusepath.Session(model(), frames=form) as session:
        with pytest.raises(ImageError, match=words) as caught:
            session.infer(wrong)
        assert "\n" not in str(caught.value)


def test_values_after_pixels_are_planned_for_anew():
    with fusepath.Session(
        model(), "memory:", frames=AS_THEY_ARE, options=NOTHING_REMEMBERED
    ) as session:
        assert_exact(session.infer(frame()), frame())
        values = session.infer(frame().astype(np.float32))
        assert_exact(values, frame())
        assert values.plan.input.dtype == "float32"
        assert_exact(session.infer(frame()), frame())


# ---------------------------------------------------------------------------- threads and loops


def test_threads_share_a_session_and_each_gets_its_own_result(address):
    with fusepath.Session(model(), address, plan=tiles(), frames=AS_THEY_ARE) as session:
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda seed: session.infer(frame(seed)), range(16)))

        for seed, result in enumerate(results):
            assert_exact(result, frame(seed))
        assert session.statistics.count == 16


def test_a_session_can_be_used_where_a_loop_is_running():
    """As in a notebook."""

    async def cell() -> fusepath.Inference:
        with fusepath.Session(model(), "memory:", plan=tiles(), frames=AS_THEY_ARE) as session:
            return session.infer(frame())

    assert_exact(asyncio.run(cell()), frame())


def test_programs_with_a_loop_of_their_own_await_results(address):
    async def program() -> list[fusepath.Inference]:
        async with fusepath.AsyncSession(
            model(), address, plan=tiles(), frames=AS_THEY_ARE
        ) as session:
            await session.wait_ready(PATIENCE_S)
            (values,) = await session.run(None, {"image": frame().transpose(2, 0, 1)[None]})
            assert values.shape == tuple(session.get_outputs()[0].shape)
            return await asyncio.gather(*(session.infer(frame(seed)) for seed in range(4)))

    for seed, result in enumerate(asyncio.run(program())):
        assert_exact(result, frame(seed))


def test_an_inference_that_nobody_awaits_any_more_does_not_hold_up_the_next():
    async def program() -> fusepath.Inference:
        async with fusepath.AsyncSession(
            model(), "memory:", plan=tiles(), frames=AS_THEY_ARE
        ) as session:
            await session.wait_ready(PATIENCE_S)
            for _ in range(5):
                given_up = asyncio.ensure_future(session.infer(frame(1)))
                await asyncio.sleep(0)
                given_up.cancel()
            return await session.infer(frame())

    assert_exact(asyncio.run(program()), frame())


# ---------------------------------------------------------------------------- what is predicted


@pytest.mark.parametrize("plan", [tiles, lambda: plan_of(model(), cuts=[9])], ids=["tiles", "cut"])
def test_what_is_predicted_follows_what_frames_take(address, plan):
    with fusepath.Session(model(), address, plan=plan(), frames=AS_THEY_ARE) as session:
        session.wait_ready(PATIENCE_S)
        rehearsed = session.predicted
        taken_s = [session.infer(frame()).latency_s for _ in range(5)]
        followed = session.predicted
        list(session.stream([frame()] * 5, in_flight=3))

        assert rehearsed is not None
        assert followed is not None
        assert followed.end_s == pytest.approx(statistics.median(taken_s))
        assert not followed.measured
        assert violations(followed) == []
        assert session.predicted == followed  # frames that overlap are not what a lone one takes


# ---------------------------------------------------------------------------- the first answer


def test_frames_are_answered_before_anything_is_measured(address):
    with fusepath.Session(
        model(), address, frames=AS_THEY_ARE, options=NOTHING_REMEMBERED
    ) as session:
        first = session.infer(frame())
        assert_exact(first, frame())
        assert first.plan.algorithm == "device-only"
        session.wait_ready(PATIENCE_S)
        assert session.is_ready
        assert session.plan is not None
        assert session.predicted is not None
        assert not session.predicted.measured
        assert_exact(session.infer(frame(1)), frame(1))


@pytest.fixture
def measuring(monkeypatch):
    """Measuring this machine takes until this is set."""
    released = threading.Event()

    def measured(measured_model: Model, *, execution: Execution):
        assert released.wait(PATIENCE_S)
        return measure_layers(measured_model, execution=execution, repeats=1)

    monkeypatch.setattr(plan_search, "measure_layers", measured)
    yield released
    released.set()


def test_a_good_plan_is_in_use_before_machines_are_measured(address, measuring):
    slow = fusepath.SessionOptions(
        remember=False, emulation=fusepath.Emulation(slowdown=100, pace_bytes_per_s=2e6)
    )
    said: list[str] = []
    with fusepath.Session(
        model(), address, frames=AS_THEY_ARE, options=slow, say=said.append
    ) as session:
        assert_exact(session.infer(frame()), frame())
        until_s = time.monotonic() + PATIENCE_S
        while "measuring every layer on this machine" not in said:
            assert time.monotonic() < until_s
            assert_exact(session.infer(frame()), frame())
        early = session.plan
        assert not session.is_ready
        assert early is not None
        assert early.algorithm == "full-offload"
        assert session.infer(frame()).plan == early
        measuring.set()


@pytest.mark.usefixtures("measuring")
@pytest.mark.parametrize("algorithm", ["nfl", "auto"])
def test_limits_that_cannot_be_met_are_told_before_machines_are_measured(algorithm):
    limits = Constraints(keep_on_device=8, device_macs=1000)
    budget = fusepath.Budget(evaluations=500_000)  # enough to be sure
    request = PlanRequest(algorithm=algorithm, constraints=limits, codecs="off", budget=budget)
    with fusepath.Session(
        model(), "memory:", plan=request, frames=AS_THEY_ARE, options=NOTHING_REMEMBERED
    ) as session:
        with pytest.raises(InfeasibleError) as caught:
            session.infer(frame())
        assert caught.value.shortfalls
        with pytest.raises(InfeasibleError):
            session.wait_ready(PATIENCE_S)


def test_nothing_is_measured_twice_nor_while_something_else_is_made_ready(monkeypatch):
    """What is measured beside something else is measured wrong, and a slow device has no time."""
    measured: list[int] = []

    def counted(measured_model: Model, *, execution: Execution, **how: int):
        measured.append(execution.threads)
        return measure_layers(measured_model, execution=execution, **{"repeats": 1, **how})

    monkeypatch.setattr(plan_search, "measure_layers", counted)
    in_use: list[fusepath.Plan | None] = []

    def say(text: str) -> None:
        if text == "measuring the link":
            in_use.append(session.plan)

    sample = np.ascontiguousarray(frame().transpose(2, 0, 1))[None]
    options = fusepath.SessionOptions(remember=False, sample=sample)
    with fusepath.Session(
        model(), "memory:", frames=AS_THEY_ARE, options=options, say=say
    ) as session:
        session.wait_ready(PATIENCE_S)

    assert len(measured) == 1
    assert [plan and plan.algorithm for plan in in_use] == ["device-only"]


@pytest.mark.parametrize("layout", ["hwc", "chw", "1chw"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_sample_is_taken_as_frames_are(layout, dtype):
    image = frame() if layout == "hwc" else np.ascontiguousarray(frame().transpose(2, 0, 1))
    sample = (image[None] if layout == "1chw" else image).astype(dtype)
    options = fusepath.SessionOptions(remember=False, sample=sample)
    plan = PlanRequest(algorithm="device-only")
    with fusepath.Session(model(), frames=AS_THEY_ARE, options=options, plan=plan) as session:
        session.wait_ready(PATIENCE_S)
        assert session.plan.input.dtype == dtype


@pytest.mark.parametrize("sample", [np.zeros((32, 32, 3), np.uint8), np.zeros((3, 64, 64)), "none"])
def test_a_sample_that_is_no_frame_is_refused_at_once(sample):
    with pytest.raises((ImageError, InputError)):
        fusepath.Session(model(), options=fusepath.SessionOptions(sample=sample))


def test_what_was_found_out_is_there_for_the_next_session(address, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said: list[str] = []
    options = {"frames": AS_THEY_ARE, "say": said.append}
    # Slow enough that the server is worth asking, whatever else this machine is doing.
    slow = fusepath.SessionOptions(emulation=fusepath.Emulation(slowdown=30))
    with fusepath.Session(model(), address, options=slow, **options) as session:
        session.infer(frame())
        session.wait_ready(PATIENCE_S)
        found = session.plan
    assert found is not None
    assert any("measuring every layer on this machine" in text for text in said)

    said.clear()
    with fusepath.Session(model(), address, options=slow, **options) as session:
        result = session.infer(frame(2))
        assert_exact(result, frame(2))
        session.wait_ready(PATIENCE_S)
        assert_exact(session.infer(frame(3)), frame(3))
    assert not any("trying codecs" in text for text in said[:1])
    anew = f"measuring every layer on {address}"
    assert anew not in said

    # What the edge server was like on another provider is no good any more.
    (file,) = tmp_path.rglob("sessions/*.json")
    last = json.loads(file.read_text())
    assert last["providers"] == ["cpu"]
    file.write_text(json.dumps(last | {"providers": ["cuda", "cpu"]}))
    with fusepath.Session(model(), address, options=slow, **options) as session:
        assert_exact(session.infer(frame(4)), frame(4))
        session.wait_ready(PATIENCE_S)
    assert anew in said


def test_without_a_server_this_machine_answers_and_waiting_says_why():
    with fusepath.Session(
        model(),
        "127.0.0.1:9",
        frames=AS_THEY_ARE,
        timeout=fusepath.Timeout(connect_s=0.3),
        options=NOTHING_REMEMBERED,
    ) as session:
        assert_exact(session.infer(frame()), frame())
        with pytest.raises(PeerUnreachableError, match="nobody listens there"):
            session.wait_ready(PATIENCE_S)
        assert not session.is_ready
        assert_exact(session.infer(frame(1)), frame(1))


@pytest.mark.parametrize("algorithm", [pytest.param("exact", marks=pytest.mark.slow), "stream"])
def test_frame_after_frame_nothing_is_kept(edge, algorithm):
    """Of tiles and of strips; the last frame's latency is, in statistics."""
    setting = fusepath.Setting(
        graph=model().graph,
        device=fusepath.parse_machine("1GFLOPS"),
        edge=fusepath.parse_machine("2GFLOPS"),
        link=fusepath.parse_link("1MB/s"),
    )
    grid = fusepath.Grid(2, 2) if algorithm == "exact" else None
    request = PlanRequest(algorithm=algorithm, grid=grid, tau=4, codecs="off")
    plan = fusepath.make_plan(setting, request, fusepath.Origin(source=SOURCE, std=(1.0,))).best
    assert len(plan.cuts) > 1
    with fusepath.Session(model(), edge.address, plan=plan, frames=AS_THEY_ARE) as session:
        marks = []
        for _ in range(4):
            for seed in range(40):
                session.infer(frame(seed))
            # What is kept of the last frames differs, and a loop lets timers go when they were due.
            session._engine._pairing.stories.clear()
            time.sleep(0.5)
            gc.collect()
            descriptors = len(list(Path("/proc/self/fd").iterdir()))
            marks.append((len(gc.get_objects()), descriptors, tracemalloc.get_traced_memory()[0]))
            if not tracemalloc.is_tracing():
                tracemalloc.start()
        tracemalloc.stop()

    gains = [
        [after - before for before, after in zip(earlier, later, strict=True)]
        for earlier, later in pairwise(marks[1:])
    ]
    # What every frame leaves behind shows in every round; what else the process does, in some.
    objects, descriptors, bytes_ = (min(each) for each in zip(*gains, strict=True))
    assert descriptors <= 0
    assert objects < 20  # one of every frame would be 40
    assert bytes_ < 40 * 1000  # the outputs of every frame would be 160 kB


def test_statistics_count_by_plan():
    with fusepath.Session(model(), "memory:", plan=tiles(), frames=AS_THEY_ARE) as session:
        empty = session.statistics
        assert (empty.count, empty.p50_s, empty.by_plan) == (0, None, ())
        results = [session.infer(frame(seed)) for seed in range(5)]
        counted = session.statistics

    latencies = sorted(item.latency_s for item in results)
    assert counted.count == 5
    assert counted.p50_s == pytest.approx(latencies[2])
    assert latencies[2] <= counted.p90_s <= counted.p99_s <= latencies[-1]
    assert counted.up_bytes == sum(item.up_bytes for item in results) > 0
    assert counted.down_bytes == sum(item.down_bytes for item in results) > 0
    (by_plan,) = counted.by_plan
    assert by_plan.recipe_sha256 == tiles().recipe_sha256
    assert by_plan.count == 5


def test_nothing_precedes_an_inference_that_its_latency_does_not_count(address):
    with fusepath.Session(model(), address, plan=tiles(), frames=AS_THEY_ARE) as session:
        session.wait_ready(PATIENCE_S)
        session.infer(frame())
        for _ in range(5):
            begun_s = time.perf_counter()
            result = session.infer(frame())
            wall_s = time.perf_counter() - begun_s
            first_s = min(span.start_s for span in result.timeline.spans)
            assert 0 <= first_s <= wall_s
            assert result.latency_s <= wall_s
            assert {span.lane for span in result.timeline.spans} >= {Lane.UPLINK, Lane.EDGE}


# ---------------------------------------------------------------------------- wrong arguments


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"edge": "nowhere"}, InputError, "is not HOST:PORT"),
        ({"edge": "host:99999"}, InputError, "is not HOST:PORT"),
        ({"edge": "http://host:80"}, InputError, "is not HOST:PORT"),
        ({"edge": 5}, InputError, "is not HOST:PORT"),
        ({"plan": "stream"}, InputError, "neither a PlanRequest nor a Plan"),
        ({"plan": PlanRequest(algorithm="magic")}, InputError, "no algorithm 'magic'"),
        ({"plan": PlanRequest(codecs="zip")}, InputError, "no codec 'zip'"),
        ({"frames": fusepath.FrameFormat(mean=(1.0, 2.0))}, ImageError, "mean has 2 values"),
        (
            {"plan": PlanRequest(constraints=Constraints(keep_on_device=999))},
            InputError,
            "has 30 layers",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(arguments, kind, words):
    before = fusepath_threads()
    with pytest.raises(kind, match=words):
        fusepath.Session(model(), **arguments)
    assert fusepath_threads() == before


def test_a_plan_of_another_model_is_refused_at_once():
    other = load_model("zoo:squeezenet?size=64&seed=5")
    with pytest.raises(FileFormatError, match="the plan is for model"):
        fusepath.Session(model(), "memory:", plan=plan_of(other))


# ---------------------------------------------------------------------------- the end


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def wait_for(condition, seconds: float = 10.0) -> None:
    until_s = time.monotonic() + seconds
    while not condition() and time.monotonic() < until_s:
        time.sleep(0.02)
    assert condition()


def test_closing_leaves_no_thread_and_no_descriptor(address):
    def once() -> None:
        with fusepath.Session(model(), address, plan=tiles(), frames=AS_THEY_ARE) as session:
            session.infer(frame())

    once()  # what gRPC keeps for good is there now
    wait_for(lambda: not fusepath_threads())
    before = descriptors()
    for _ in range(5):
        once()
    wait_for(lambda: not fusepath_threads())
    assert descriptors() <= before + 1


def test_a_session_that_nobody_holds_ends():
    session = fusepath.Session(model(), "memory:", plan=tiles(), frames=AS_THEY_ARE)
    session.infer(frame())
    del session
    gc.collect()
    wait_for(lambda: not fusepath_threads())


def test_a_closed_session_says_so_and_closing_again_is_no_harm():
    session = fusepath.Session(model(), "memory:", plan=tiles(), frames=AS_THEY_ARE)
    session.close()
    session.close()
    for use in (lambda: session.infer(frame()), session.wait_ready):
        with pytest.raises(ClosedError, match="this session is closed"):
            use()


def test_whoever_waits_is_told_when_a_session_is_closed():
    session = fusepath.Session(model(), "memory:", frames=AS_THEY_ARE, options=NOTHING_REMEMBERED)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(session.wait_ready)
        time.sleep(0.2)
        session.close()
        with pytest.raises(ClosedError, match="this session is closed"):
            waiting.result(5)


def test_inferences_under_way_are_told_when_a_session_is_closed():
    session = fusepath.Session(model(), "memory:", plan=tiles(), frames=AS_THEY_ARE)
    session.wait_ready(PATIENCE_S)

    def infer_on() -> None:
        while True:
            session.infer(frame())

    with ThreadPoolExecutor(3) as pool:
        busy = [pool.submit(infer_on) for _ in range(3)]
        time.sleep(0.3)
        session.close()
        for each in busy:
            with pytest.raises(ClosedError):
                each.result(10)


def test_a_coroutine_that_awaits_a_result_is_told_when_the_session_is_closed():
    async def close_meanwhile() -> None:
        session = fusepath.AsyncSession(model(), "memory:", plan=tiles(), frames=AS_THEY_ARE)
        await session.wait_ready(PATIENCE_S)
        results = [asyncio.ensure_future(session.infer(frame())) for _ in range(50)]
        await asyncio.sleep(0.01)
        await session.close()
        ends = await asyncio.gather(*results, return_exceptions=True)
        assert all(isinstance(end, ClosedError | fusepath.Inference) for end in ends)
        assert any(isinstance(end, ClosedError) for end in ends)

    asyncio.run(close_meanwhile())


def test_without_a_server_and_without_a_frame_waiting_says_why_too():
    options = fusepath.SessionOptions(remember=False)
    timeout = fusepath.Timeout(connect_s=0.5)
    with fusepath.Session(
        model(), "127.0.0.1:1", frames=AS_THEY_ARE, options=options, timeout=timeout
    ) as session:
        with pytest.raises(PeerUnreachableError):
            session.wait_ready(PATIENCE_S)
        pixels = frame()
        assert_exact(session.infer(pixels), pixels)


def test_closing_while_plans_are_looked_for_does_not_wait_for_them(address):
    session = fusepath.Session(model(), address, frames=AS_THEY_ARE, options=NOTHING_REMEMBERED)
    session.infer(frame())
    started_s = time.monotonic()
    session.close()
    assert time.monotonic() - started_s < 5


SCRIPTS = {
    "forks while frames are on their way": """
        import os, threading
        def infer():
            while True:
                session.infer(frame)
        threading.Thread(target=infer, daemon=True).start()
        for _ in range(20):
            child = os.fork()
            if child == 0:
                raise SystemExit(0)
            assert os.waitpid(child, 0)[1] == 0
        os._exit(0)
    """,
    "an exit without a word": "",
    "an exit in the middle of measuring": "import time; time.sleep(0.3)",
    "an exit by an exception": "raise SystemExit(0)",
    "a fork whose child uses it": """
        import os
        child = os.fork()
        if child == 0:
            try:
                session.infer(frame)
            except fusepath.ClosedError as error:
                assert "before a fork" in str(error)
            else:
                raise AssertionError
            session.close()
        else:
            assert os.waitpid(child, 0)[1] == 0
            session.infer(frame)
    """,
    "a fork whose child leaves it alone": """
        import os
        child = os.fork()
        if child != 0:
            assert os.waitpid(child, 0)[1] == 0
    """,
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_an_interpreter_ends_without_a_word(address, script, tmp_path):
    code = f"""
import numpy as np
import fusepath
frame = np.zeros((64, 64, 3), dtype=np.uint8)
session = fusepath.Session({SOURCE!r}, {address!r})
session.infer(frame)
{textwrap.dedent(script)}
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_readme_shows_a_session_that_runs():
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert "fusepath.Session(" in text


def test_unsplit_reference_is_the_model_itself():
    """`run_unsplit` runs the original file, not fusepath's own form of it."""
    image = frame().transpose(2, 0, 1)[None].astype(np.float32)
    raw = Runner(original_with_shape(model()), outputs=model().graph.outputs)
    np.testing.assert_array_equal(raw.run({"image": image})["output"], expected(frame())["output"])
