"""Many frames through one session: they overlap, in order, and each ends once with its result."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

import fusepath
from fusepath.errors import ClosedError, DroppedError, ImageError, InputError, PeerError
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import load_model
from fusepath.plan import InputFormat, TailPlace
from fusepath.timeline.check import violations
from tests.edges import edge_server
from tests.plans import plan_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusepath.onnx_io import Model
    from fusepath.plan import Plan
    from tests.edges import Edge

pytestmark = pytest.mark.system

COUNT = 8
LATEST = fusepath.WhenFull.LATEST


@cache
def model() -> Model:
    return load_model("zoo:squeezenet?size=64&weights=integer")


def tiles(**options) -> Plan:
    return plan_of(model(), tau=4, grid=(2, 2), cuts=[1, 3, 5, 2], **options)


@cache
def frames() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    tops = np.linspace(40, 256, COUNT).astype(int)  # or outputs of some are equal
    return tuple(rng.integers(0, top, (64, 64, 3), dtype=np.uint8) for top in tops)


@cache
def expected(number: int) -> np.ndarray:
    image = np.ascontiguousarray(frames()[number].transpose(2, 0, 1))[None]
    return run_unsplit(model(), image, InputFormat(std=(1.0,)))["output"]


def number_of(result: fusepath.Inference) -> int:
    """Which frame it is of; its outputs are bit-equal to the unsplit model's."""
    found = [n for n in range(COUNT) if np.array_equal(result.outputs["output"], expected(n))]
    assert len(found) == 1
    return found[0]


@contextmanager
def session(edge: str, plan: Plan | None = None, **options) -> Iterator[fusepath.Session]:
    held = fusepath.Session(
        model(),
        edge,
        plan=plan or tiles(),
        frames=fusepath.FrameFormat(std=(1.0,)),
        options=fusepath.SessionOptions(remember=False, **options),
    )
    with held:
        yield held


def under_way(held: fusepath.Session) -> int:
    return held._engine._pairing._turns.under_way


@pytest.fixture(params=["memory", "grpc"])
def address(request, edge: Edge) -> str:
    return "memory:" if request.param == "memory" else edge.address


# ---------------------------------------------------------------------------- results


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
def test_frames_that_overlap_yield_the_unsplit_results_in_order(address, plan):
    with session(address, plan()) as held:
        results = list(held.stream(frames()))

    assert [number_of(result) for result in results] == list(range(COUNT))
    for result in results:
        assert violations(result.timeline, tolerance_s=1e-3) == []
    assert held.statistics.count == COUNT


def test_strips_of_several_frames_do_not_mix():
    request = fusepath.PlanRequest(
        algorithm="stream", codecs="off", budget=fusepath.Budget(evaluations=5000)
    )
    machines = fusepath.Machines(
        device=fusepath.parse_machine("1GFLOPS"),
        edge=fusepath.parse_machine("20GFLOPS"),
        link=fusepath.parse_link("1MB/s"),
    )
    setting = fusepath.Setting(
        graph=model().graph, device=machines.device, edge=machines.edge, link=machines.link
    )
    plan = fusepath.make_plan(setting, request, fusepath.Origin(std=(1.0,))).best
    assert len(plan.cuts) > 2

    with session("memory:", plan) as held:
        results = list(held.stream(frames()))

    assert [number_of(result) for result in results] == list(range(COUNT))


def test_the_next_frame_begins_while_this_one_is_under_way():
    slow = fusepath.Emulation(pace_bytes_per_s=4e5)
    met = []

    def camera(held):
        for frame in frames():
            met.append(under_way(held))
            yield frame

    with session("memory:", emulation=slow) as held:
        met += [under_way(held) for _ in held.stream(camera(held), in_flight=3)]

    assert max(met) > 1


def test_one_frame_alone_has_no_other_beside_it():
    slow = fusepath.Emulation(pace_bytes_per_s=1e6)
    with session("memory:", emulation=slow) as held:
        held.infer(frames()[0])
        streaming = held.stream(frames(), in_flight=3)
        next(streaming)
        met = []
        engine = held._engine
        alone = engine._pairing._infer

        async def watched(prepared, image, begun_s, companions, turn):
            if not turn.overlapping:
                met.append(under_way(held))
            return await alone(prepared, image, begun_s, companions, turn)

        engine._pairing._infer = watched
        assert number_of(held.infer(frames()[5])) == 5
        rest = [number_of(result) for result in streaming]

    assert met == [1]
    assert rest == list(range(1, COUNT))


def test_memory_of_a_frame_may_be_used_for_the_next_one():
    buffer = np.empty_like(frames()[0])

    def camera():
        for frame in frames():
            buffer[...] = frame
            yield buffer

    with session("memory:", emulation=fusepath.Emulation(pace_bytes_per_s=1e6)) as held:
        results = list(held.stream(camera()))

    assert [number_of(result) for result in results] == list(range(COUNT))


# ---------------------------------------------------------------------------- what comes too fast


def test_of_a_camera_the_latest_frames_are_answered_and_the_others_counted():
    with session("memory:", emulation=fusepath.Emulation(pace_bytes_per_s=1e6)) as held:
        met = [number_of(result) for result in held.stream(frames(), when_full=LATEST)]

    assert met == sorted(met)
    assert met[-1] == COUNT - 1
    assert 0 < held.statistics.dropped == COUNT - len(met)
    assert held.statistics.count == len(met)


def test_submitted_frames_wait_or_give_way():
    slow = fusepath.Emulation(pace_bytes_per_s=1e6)
    flow = fusepath.Flow(in_flight=2, waiting=1, when_full=LATEST)
    with session("memory:", emulation=slow) as held:
        results = [held.submit(frame) for frame in frames()]
        assert [number_of(result.result()) for result in results] == list(range(COUNT))

    with session("memory:", emulation=slow, flow=flow) as held:
        held.infer(frames()[0])
        results = [held.submit(frame) for frame in frames()]
        assert number_of(results[-1].result()) == COUNT - 1
        dropped = [r for r in results if isinstance(r.exception(), DroppedError)]
        assert 0 < held.statistics.dropped == len(dropped)


def test_a_frame_that_is_taken_back_while_it_waits_is_not_answered():
    flow = fusepath.Flow(in_flight=1, waiting=3)
    with session("memory:", flow=flow, emulation=fusepath.Emulation(slowdown=20)) as held:
        first, second, third = (held.submit(frame) for frame in frames()[:3])
        assert second.cancel()
        assert number_of(first.result()) == 0
        assert number_of(third.result()) == 2
        assert held.statistics.count == 2


@pytest.mark.parametrize(
    ("flow", "words"),
    [
        ({"in_flight": 0}, "in_flight 0"),
        ({"waiting": -1}, "waiting -1"),
        ({"waiting": 0, "when_full": LATEST}, "waiting 0"),
    ],
)
def test_a_flow_that_makes_no_sense_is_refused(flow, words):
    with session("memory:") as held, pytest.raises(InputError, match=words):
        held.stream(frames(), **flow)


@pytest.mark.parametrize("given", [None, 5])
def test_frames_that_are_no_iterable_are_refused_with_what_is_wanted(given):
    wanted = f"frames is a {type(given).__name__}, but an iterable is wanted"
    with session("memory:") as held, pytest.raises(InputError, match=wanted):
        held.stream(given)


def test_frames_that_come_asynchronously_are_for_the_other_session():
    async def arriving():
        yield frames()[0]

    with session("memory:") as held, pytest.raises(InputError, match="AsyncSession"):
        held.stream(arriving())


# ---------------------------------------------------------------------------- what goes wrong


def test_a_frame_that_does_not_fit_ends_the_stream_behind_those_before_it():
    with session("memory:") as held:
        streaming = held.stream([*frames()[:2], np.zeros((3, 3, 3), np.uint8), *frames()])
        assert [number_of(next(streaming)) for _ in range(2)] == [0, 1]
        with pytest.raises(ImageError, match="resize it"):
            next(streaming)
        assert number_of(held.infer(frames()[4])) == 4


def test_what_frames_raise_is_raised_where_results_are_taken():
    def camera():
        yield frames()[0]
        raise OSError("the camera was unplugged")

    with session("memory:") as held:
        streaming = held.stream(camera())
        assert number_of(next(streaming)) == 0
        with pytest.raises(OSError, match="unplugged"):
            next(streaming)


def test_who_leaves_a_stream_leaves_nothing_behind():
    def camera():
        while True:
            yield from frames()

    with session("memory:") as held:
        for result in held.stream(camera()):
            assert number_of(result) == 0
            break
        assert number_of(held.infer(frames()[3])) == 3
    wait_until(lambda: not any("fusepath" in item.name for item in threading.enumerate()))


def wait_until(condition) -> None:
    until_s = time.monotonic() + 10
    while not condition() and time.monotonic() < until_s:
        time.sleep(0.02)
    assert condition()


def test_a_session_that_is_closed_ends_its_streams():
    with session("memory:", emulation=fusepath.Emulation(slowdown=20)) as held:
        streaming = held.stream(frames())
        next(streaming)
        waiting = [held.submit(frame) for frame in frames()[:4]][-1]
        held.close()
        with pytest.raises(ClosedError):
            list(streaming)
        with pytest.raises(ClosedError):
            waiting.result()
        with pytest.raises(ClosedError):
            held.stream(frames())


@pytest.mark.parametrize("plan", [tiles, lambda: plan_of(model(), cuts=[1])], ids=["tiles", "one"])
def test_every_frame_under_way_is_answered_when_the_server_dies(plan):
    slow = fusepath.Emulation(pace_bytes_per_s=3e5)
    with edge_server() as edge, session(edge.address, plan(), emulation=slow) as held:
        wait_until(lambda: held._engine._pairing.reserve is not None or not held.infer(frames()[0]))
        before = held.statistics.count
        results = []
        for result in held.stream(frames(), in_flight=3):
            results.append(result)
            if len(results) == 2:
                edge.kill()

        assert [number_of(result) for result in results] == list(range(COUNT))
        assert held.statistics.count == before + COUNT
        assert sum(result.fallback is not None for result in results) >= COUNT - 4
        assert "UseAlone" in "\n".join(held.story())


def test_without_a_fall_back_the_frame_that_failed_ends_the_stream():
    off = fusepath.FallbackPolicy.OFF
    with edge_server() as edge, session(edge.address, fallback=off) as held:
        streaming = held.stream(frames())
        assert number_of(next(streaming)) == 0
        edge.kill()
        with pytest.raises(PeerError):
            list(streaming)


# ---------------------------------------------------------------------------- loops of one's own


def test_programs_with_a_loop_of_their_own_stream_as_well(address):
    async def camera():
        for frame in frames():
            await asyncio.sleep(0)
            yield frame

    async def main() -> list[list[int]]:
        options = fusepath.SessionOptions(remember=False)
        form = fusepath.FrameFormat(std=(1.0,))
        async with fusepath.AsyncSession(
            model(), address, plan=tiles(), frames=form, options=options
        ) as held:
            first = [number_of(result) async for result in held.stream(camera())]
            second = [number_of(result) async for result in held.stream(frames(), in_flight=2)]
            submitted = [await held.submit(frame) for frame in frames()]
            third = [number_of(await result) for result in submitted]
            async for result in held.stream(camera()):
                assert number_of(result) == 0
                break
            with pytest.raises(ImageError):
                _ = [result async for result in held.stream([np.zeros((3, 3, 3), np.uint8)])]
            return [first, second, third]

    assert asyncio.run(main()) == [list(range(COUNT))] * 3
