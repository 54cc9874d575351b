"""A session whose edge server dies, stands still, comes late or back: every frame is answered."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

import fusepath
from fusepath.errors import (
    ClosedError,
    InputError,
    PeerError,
    PeerRefusedError,
    PeerUnreachableError,
)
from fusepath.offload.machines import measured_link
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import load_model
from fusepath.plan import Constraints, InputFormat, PlanRequest
from fusepath.protocol.adapting import Forgotten
from fusepath.remote.client import connect
from tests.edges import edge_server
from tests.plans import plan_of
from tests.slow_link import slow_link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusepath.cost import Link
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan
    from fusepath.protocol.adapting import Adapting
    from tests.edges import Edge
    from tests.slow_link import SlowLink

pytestmark = pytest.mark.system

SOURCE = "zoo:squeezenet?size=64&weights=integer"
AS_THEY_ARE = fusepath.FrameFormat(std=(1.0,))
PATIENCE_S = 60.0


@cache
def model() -> Model:
    return load_model(SOURCE)


def tiles() -> Plan:
    return plan_of(model(), tau=4, grid=(2, 2), cuts=[1, 3, 5, 2])


FRAME = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@cache
def expected() -> np.ndarray:
    image = np.ascontiguousarray(FRAME.transpose(2, 0, 1))[None]
    return run_unsplit(model(), image, InputFormat(std=(1.0,)))["output"]


@contextmanager
def session(edge: str, **arguments) -> Iterator[fusepath.Session]:
    options = fusepath.SessionOptions(remember=False, **arguments.pop("options", {}))
    held = fusepath.Session(model(), edge, frames=AS_THEY_ARE, options=options, **arguments)
    with held:
        yield held


def answer(held: fusepath.Session) -> fusepath.Inference:
    result = held.infer(FRAME)
    np.testing.assert_array_equal(result.outputs["output"], expected())
    return result


def answer_until(held: fusepath.Session, wanted: Callable[[fusepath.Inference], bool]) -> float:
    """Infer again and again; how long it takes until a result is as wanted."""
    begun_s = time.monotonic()
    while not wanted(answer(held)):
        assert time.monotonic() - begun_s < PATIENCE_S
        time.sleep(0.05)
    return time.monotonic() - begun_s


def served(result: fusepath.Inference) -> bool:
    return result.fallback is None and result.up_bytes > 0


def answered_alone(metrics: str) -> int:
    with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=10) as page:
        text = page.read().decode()
    return int(re.search(r"(?m)^fusepath_answered_alone_total (\d+)$", text)[1])


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("plan", [tiles, lambda: plan_of(model(), cuts=[1])], ids=["tiles", "one"])
def test_frames_that_wait_for_their_turn_when_the_server_dies_are_answered(plan):
    """They are answered as is best when it comes, not as was best before."""
    errors: list[BaseException] = []
    over = threading.Event()
    with edge_server() as first, session(first.address, plan=plan()) as held:
        answer(held)

        def ask() -> None:
            try:
                while not over.is_set():
                    answer(held)
            except BaseException as error:
                errors.append(error)

        asking = [threading.Thread(target=ask, daemon=True) for _ in range(12)]
        for thread in asking:
            thread.start()
        time.sleep(0.3)
        first.kill()
        time.sleep(2)
        over.set()
        for thread in asking:
            thread.join(PATIENCE_S)

    assert errors == []


@pytest.fixture
def own(tmp_path) -> Model:
    """A network that no server has but from a folder of models."""
    proto = onnx.load_from_string(model().original)
    proto.doc_string = "not the zoo's"
    (tmp_path / "models").mkdir()
    (tmp_path / "others").mkdir()
    (tmp_path / "models" / "net.onnx").write_bytes(proto.SerializeToString())
    return load_model(str(tmp_path / "models" / "net.onnx"))


def refused(held: fusepath.Session) -> bool:
    try:
        held.wait_ready(PATIENCE_S)
    except PeerRefusedError as error:
        return "no model with" in str(error)
    except PeerUnreachableError:  # who will begin soon
        return False
    return False


def test_a_server_with_other_models_is_left_for_the_next_one(own, tmp_path):
    with (
        edge_server("--models", str(tmp_path / "others")) as first,
        edge_server("--models", str(tmp_path / "models")) as second,
        own_session(own, f"{first.address},{second.address}") as held,
    ):
        assert refused(held)
        answer_until(held, served)


def test_a_server_that_is_restarted_with_the_right_models_is_taken_up(own, tmp_path):
    listen = free_port()
    with own_session(own, listen) as held:
        with edge_server("--models", str(tmp_path / "others"), listen=listen) as other:
            answer_until(held, lambda _: refused(held))
            other.kill()
        with edge_server("--models", str(tmp_path / "models"), listen=listen):
            answer_until(held, served)


def own_session(own: Model, edge: str) -> fusepath.Session:
    options = fusepath.SessionOptions(remember=False)
    plan = plan_of(own, cuts=[1])
    return fusepath.Session(own, edge, plan=plan, frames=AS_THEY_ARE, options=options)


def test_frames_of_two_types_are_answered_though_the_server_comes_and_goes():
    """Plans are looked for anew with each type, and anew with each return of the server."""
    listen, over, counts = free_port(), threading.Event(), [0]
    with session(listen) as held:

        def ask() -> None:
            while not over.is_set():
                for frame in (FRAME, FRAME.astype(np.float32)):
                    answered = held.infer(frame).outputs["output"]
                    np.testing.assert_array_equal(answered, expected())
                    counts[0] += 1

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        for _ in range(3):
            with edge_server(listen=listen) as comes:
                time.sleep(0.7)
                comes.kill()
            before, until_s = counts[0], time.monotonic() + PATIENCE_S
            while counts[0] < before + 3 and time.monotonic() < until_s:
                time.sleep(0.05)
            assert counts[0] >= before + 3
        over.set()
        asking.join(PATIENCE_S)
        assert not asking.is_alive()


def test_frames_that_waited_while_another_type_came_do_not_lose_it_the_server():
    """What they are answered with is no plan of its own: that one is not lost with the server."""
    told: list[str | None] = []
    slow = {"emulation": fusepath.Emulation(slowdown=30)}
    with edge_server() as first, session(first.address, options=slow) as held:
        answer(held)
        held.wait_ready(PATIENCE_S)
        first.process.send_signal(signal.SIGSTOP)

        def ask(frame: np.ndarray) -> None:
            result = held.infer(frame)
            np.testing.assert_array_equal(result.outputs["output"], expected())
            told.append(result.fallback and result.fallback.reason)

        asking = []
        for frame in (FRAME, FRAME, FRAME, FRAME.astype(np.float32)):
            asking.append(threading.Thread(target=ask, args=(frame,), daemon=True))
            asking[-1].start()
            time.sleep(0.03)
        for thread in asking:
            thread.join(PATIENCE_S)
        for _ in range(5):
            ask(FRAME.astype(np.float32))
        first.process.send_signal(signal.SIGCONT)

    assert len(told) == 9


@pytest.mark.parametrize("plan", [tiles, lambda: plan_of(model(), cuts=[1])], ids=["tiles", "one"])
def test_a_server_that_dies_and_comes_back_is_used_again(plan):
    with edge_server() as first, session(first.address, plan=plan()) as held:
        assert served(answer(held))
        first.kill()
        assert answer(held).fallback is not None
        assert answer(held).fallback.stage is fusepath.Stage.AWAY
        assert held.statistics.fallbacks == 2
        counted = free_port()
        with edge_server("--metrics", counted, listen=first.address):
            answer_until(held, served)
            until_s = time.monotonic() + PATIENCE_S
            while (told := answered_alone(counted)) < 2:  # a call to the first may have one yet
                assert time.monotonic() < until_s
                answer(held)
        assert told <= held.statistics.fallbacks
        story = "\n".join(held.story())
    assert "UseAlone" in story
    assert "UseTogether" in story


def test_there_is_a_story_before_anything_has_happened():
    with session("memory:") as held:
        assert held.story() == []
        for wrong in (-1, 1.5, "2", True):
            with pytest.raises(InputError, match="is no number of frames"):
                held.story(wrong)


def test_a_pace_that_is_played_does_not_hide_that_a_server_dies():
    slow = fusepath.Emulation(pace_bytes_per_s=20)  # the input would take ten minutes
    with edge_server() as edge:
        with session(
            edge.address,
            plan=plan_of(model(), cuts=[1]),
            options={"emulation": slow},
            timeout=fusepath.Timeout(infer_s=3600),
        ) as held:
            held.wait_ready(PATIENCE_S)
            result = held.submit(FRAME)
            time.sleep(0.2)
            edge.kill()
            np.testing.assert_array_equal(result.result(60).outputs["output"], expected())
        assert result.result().fallback.stage is fusepath.Stage.SENDING


def test_a_server_that_stands_still_holds_up_one_frame():
    with edge_server() as edge, session(edge.address, plan=tiles()) as held:
        assert served(answer(held))
        edge.process.send_signal(signal.SIGSTOP)
        late = answer(held)
        assert late.fallback.reason == "no answer in time"
        assert answer(held).fallback.stage is fusepath.Stage.AWAY
        edge.process.send_signal(signal.SIGCONT)
        answer_until(held, served)


def test_a_server_that_stands_still_between_frames_is_noticed_between_frames():
    with edge_server() as edge, session(edge.address, plan=tiles()) as held:
        assert served(answer(held))
        edge.process.send_signal(signal.SIGSTOP)
        until_s = time.monotonic() + PATIENCE_S
        while held.plan == tiles():
            assert time.monotonic() < until_s
            time.sleep(0.05)
        assert answer(held).fallback.stage is fusepath.Stage.AWAY
        edge.process.send_signal(signal.SIGCONT)


def test_a_server_that_comes_later_than_the_session_is_used():
    address = free_port()
    timeout = fusepath.Timeout(connect_s=0.3)
    machines = fusepath.Machines(
        device=fusepath.parse_machine("1GFLOPS"),
        edge=fusepath.parse_machine("500GFLOPS"),
        link=fusepath.parse_link("100MB/s"),
    )
    with session(address, timeout=timeout, machines=machines) as held:
        with pytest.raises(PeerUnreachableError):
            held.wait_ready(PATIENCE_S)
        assert answer(held).fallback.stage is fusepath.Stage.AWAY
        with edge_server(listen=address):
            answer_until(held, served)
            held.wait_ready(PATIENCE_S)
            assert held.is_ready


def test_without_fall_back_a_server_that_was_never_there_fails_frames_once_that_is_known():
    options = {"fallback": fusepath.FallbackPolicy.OFF}
    with session(free_port(), options=options, timeout=fusepath.Timeout(connect_s=0.2)) as held:
        with suppress(PeerError):
            answer(held)  # which may be there before anything is known
        with pytest.raises(PeerError):
            held.wait_ready(PATIENCE_S)
        with pytest.raises(PeerError, match="nobody listens"):
            held.infer(FRAME)


def test_without_fall_back_a_frame_fails_and_the_server_is_still_taken_back():
    options = {"fallback": fusepath.FallbackPolicy.OFF}
    with edge_server() as first, session(first.address, plan=tiles(), options=options) as held:
        assert served(answer(held))
        first.kill()
        told: list[str] = []
        with pytest.raises(PeerError):
            held.infer(FRAME)
        with pytest.raises(PeerUnreachableError, match=r"not used until it answers again \("):
            held.infer(FRAME)
        with edge_server(listen=first.address):
            until_s = time.monotonic() + PATIENCE_S
            while True:
                try:
                    result = answer(held)
                except PeerError as error:
                    told.append(str(error))
                    assert time.monotonic() < until_s
                    time.sleep(0.01)
                else:
                    break
        assert served(result)
        # Such a frame asks nothing of a server that has yet to make its plan ready.
        assert all("not used until it answers again" in text for text in told)


@pytest.mark.parametrize(
    ("policy", "limits", "falls_back"),
    [
        ("WITHIN_MEMORY", Constraints(device_macs=1000), True),
        ("WITHIN_LIMITS", Constraints(device_macs=1000), False),
        ("WITHIN_MEMORY", Constraints(device_memory_bytes=100_000), False),
        ("ALWAYS", Constraints(device_memory_bytes=100_000), True),
    ],
)
def test_which_limits_bind_the_fall_back_is_an_option(policy, limits, falls_back):
    address = free_port()
    request = PlanRequest(algorithm="full-offload", constraints=limits)
    with session(
        address,
        plan=request,
        options={"fallback": fusepath.FallbackPolicy[policy]},
        timeout=fusepath.Timeout(connect_s=3600),  # it is told at once that nobody is there
    ) as held:
        if falls_back:
            assert answer(held).fallback.stage is fusepath.Stage.AWAY
        else:
            with pytest.raises(PeerUnreachableError, match=limits_told(limits)):
                held.infer(FRAME)


def limits_told(limits: Constraints) -> str:
    what = "MACs on the device" if limits.device_macs else "bytes of device memory"
    most = limits.device_macs or limits.device_memory_bytes
    return f"nobody listens there.*; limits keep this machine .*: [0-9]+ {what}, .* {most} are"


@contextmanager
def over_a_link() -> Iterator[tuple[Edge, SlowLink, fusepath.Session]]:
    """A weak device on a link that can be changed, with the best plan in use."""
    machines = fusepath.Machines(
        device=fusepath.parse_machine("0.2GFLOPS"), edge=fusepath.parse_machine("500GFLOPS")
    )
    emulation = fusepath.Emulation(slowdown=20)
    with (
        edge_server() as edge,
        slow_link(edge.address, up_bytes_per_s=2e6) as link,
        session(link.address, machines=machines, options={"emulation": emulation}) as held,
    ):
        answer(held)
        held.wait_ready(PATIENCE_S)
        yield edge, link, held


@pytest.mark.parametrize("fallback", fusepath.FallbackPolicy)
def test_a_frame_at_the_server_when_the_session_is_closed_blames_no_server(fallback):
    with (
        edge_server() as edge,
        slow_link(edge.address, up_bytes_per_s=2e6) as link,
        session(link.address, plan=tiles(), options={"fallback": fallback}) as held,
        ThreadPoolExecutor(1) as pool,
    ):
        answer(held)
        link.rates[:] = [1e5, 1e5]
        under_way = pool.submit(held.infer, FRAME)
        time.sleep(0.1)
        assert not under_way.done()
        held.close()
        with pytest.raises(ClosedError):
            under_way.result(10)


def test_what_a_frame_that_is_given_up_has_sent_counts_on_the_link():
    async def give_up() -> None:
        with edge_server() as edge, slow_link(edge.address, up_bytes_per_s=2e6) as link:
            held = fusepath.AsyncSession(model(), link.address, plan=tiles(), frames=AS_THEY_ARE)
            async with held:
                await held.infer(FRAME)
                link.rates[:] = [1e5, 1e5]
                with held._engine._pairing.frames.watch() as beside:
                    under_way = asyncio.ensure_future(held.infer(FRAME))
                    await asyncio.sleep(0.1)
                    under_way.cancel()
                    with suppress(asyncio.CancelledError):
                        await under_way
                    (frame,) = beside
                    await asyncio.to_thread(lambda: time.sleep(0.1))
                assert frame.over.is_set()
                assert frame.up_bytes > 1000

    asyncio.run(give_up())


def machine_of(held: fusepath.Session) -> Adapting:
    """What chooses between plans, once there is one."""
    answer_until(held, lambda _: held._engine._adaptation.machine is not None)
    return held._engine._adaptation.machine


def test_plans_follow_the_link():
    """From a quick one to one that is of no use, and back."""
    with over_a_link() as (_, link, held):
        assert served(answer(held))
        link.rates[:] = [2e4, 2e4]
        # Not for want of an answer, but since it is known that the link is no use.
        answer_until(held, lambda result: result.fallback is None and result.up_bytes == 0)
        link.rates[:] = [2e6, 2e6]
        answer_until(held, served)


def test_plans_that_a_server_had_ready_before_it_began_anew_are_made_ready_again():
    with over_a_link() as (edge, _, held):
        engine, machine = held._engine, machine_of(held)
        answer_until(held, lambda _: len(machine._ready) > 2)
        edge.kill()
        with edge_server(listen=edge.address):
            answer_until(held, served)
            assert engine._adaptation._instance is not None
            answer_until(held, lambda _: len(machine._ready) > 2)
            # Others are still made ready, on the loop's thread; and what they replace is given up.
            for name in tuple(machine._ready):
                if (prepared := engine._adaptation._ready.get(name)) is None:
                    continue
                image = np.ascontiguousarray(FRAME.transpose(2, 0, 1))[None]
                done = engine.loop.submit(engine._pairing.infer(prepared, image)).result(60)
                assert done.fallback is None
                np.testing.assert_array_equal(done.outputs["output"], expected())


def test_plans_are_not_lost_that_a_server_died_over():
    """It was about to make them ready again; and nothing but the device is in use."""
    with over_a_link() as (edge, link, held):
        machine, engine = machine_of(held), held._engine
        link.rates[:] = [2e4, 2e4]
        answer_until(held, lambda result: result.fallback is None and result.up_bytes == 0)
        edge.kill()

        async def tell() -> set[str]:
            known = set(machine._known)
            engine._adaptation.tell(Forgotten())
            return known

        known = engine.loop.submit(tell()).result(10)
        answer_until(held, lambda _: machine._waits > 4)  # asked twice
        assert known <= set(machine._known)
        with edge_server(listen=edge.address):
            link.rates[:] = [2e6, 2e6]
            answer_until(held, served)


def test_a_server_that_is_further_away_is_not_taken_for_a_slower_link():
    with over_a_link() as (_, link, held):
        assert served(answer(held))
        machine = machine_of(held)
        link.delay_s = 0.08
        answer_until(held, lambda result: result.fallback is None and result.up_bytes == 0)
        answer_until(held, lambda _: machine.conditions.further_s > 0.06)
        answer_until(held, lambda _: machine.conditions.up < 2)
        link.delay_s = 0.0
        answer_until(held, served)
        answer_until(held, lambda _: machine.conditions.further_s < 0.03)


def test_threads_get_their_frames_while_the_server_comes_and_goes():
    with edge_server() as edge, session(edge.address, plan=tiles()) as held:
        assert served(answer(held))
        failures: list[BaseException] = []

        def infer() -> None:
            try:
                for _ in range(30):
                    answer(held)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=infer) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            edge.process.send_signal(signal.SIGSTOP)
            time.sleep(0.4)
            edge.process.send_signal(signal.SIGCONT)
            time.sleep(0.4)
        for thread in threads:
            thread.join()
        assert failures == []
        assert held.statistics.count == 91


def test_a_link_that_is_slow_one_way_is_measured_so():
    async def measured(address: str) -> Link:
        async with connect(address) as client:
            return await measured_link(client)

    with (
        edge_server() as edge,
        slow_link(edge.address, up_bytes_per_s=4e6, down_bytes_per_s=4e5) as link,
    ):
        found = asyncio.run(measured(link.address))
    assert found.up_bytes_per_s / found.down_bytes_per_s > 4
