"""An inference goes on on workers; what leaves, leaves in order, and nothing once it is over."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time

import pytest

from fusepath.onnx_io import load_model
from fusepath.plan import TailPlace
from fusepath.protocol.framing import Begin, EdgeSpan, Part, Result, decode
from fusepath.remote import tensors
from fusepath.remote.edge_inference import EdgeInference
from fusepath.remote.kept_shares import KeptShares, Reuse
from fusepath.remote.prepared import FEW, LATE, PreparedPlan
from fusepath.remote.workers import Workers
from fusepath.runtime.device_share import DeviceShare
from fusepath.runtime.edge_share import EdgeShare, EdgeTimes
from tests.plans import pixels, plan_of


class Asker:
    """Keeps what is said until a request has ended."""

    def __init__(self) -> None:
        self.said: list[Part | Result] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def say(self, answer: bytes) -> None:
        self.said.append(decode(answer))

    def finish(self, number: int, answer: bytes) -> None:
        self.said.append(decode(answer))
        self.ended.set_result(None)

    def fail(self, number: int, error: BaseException) -> None:
        self.ended.set_exception(error)


@pytest.fixture(scope="module")
def shares() -> tuple[DeviceShare, EdgeShare]:
    """Of four tiles that return a part each."""
    model = load_model("zoo:squeezenet?size=64&weights=integer")
    recipe = plan_of(model, tau=4, grid=(2, 2), cuts=[1, 1, 1, 1], tail=TailPlace.DEVICE).recipe
    return DeviceShare(model, recipe), EdgeShare(model, recipe)


def ready(share: EdgeShare) -> PreparedPlan:
    return PreparedPlan(share, EdgeTimes((0.25,) * 4, 0.0))


def anew(number: int, share: EdgeShare) -> Reuse:
    begin = Begin(number, 1, "0f" * 32, 1_000_000, [])
    return KeptShares().reuse(number, begin, share)


def pieces(device: DeviceShare):
    image = pixels(load_model("zoo:squeezenet?size=64&weights=integer"))
    return [tensors.to_send(device.compute(path, image)) for path in range(4)]


def test_the_result_is_behind_all_parts_however_slow_they_are(shares, monkeypatch):
    """Workers make parts at the same time, and the last one made may not be the slowest."""
    device, edge = shares
    original, finish, slow = EdgeShare.part, EdgeShare.finish, threading.Event()

    def part(share, path, fused):
        if path == 0:
            slow.set()
            time.sleep(0.05)  # the others have been computed by then, and wait for their turn
        return original(share, path, fused)

    def finish_later(share, path, received, fused):
        finish(share, path, received, fused)
        assert path == 0 or slow.wait(10)

    monkeypatch.setattr(EdgeShare, "part", part)
    monkeypatch.setattr(EdgeShare, "finish", finish_later)

    async def talk() -> list[Part | Result]:
        workers, asker = Workers(4), Asker()
        try:
            inference = EdgeInference(
                anew(7, edge), ready(edge), workers, overlaps=True, asker=asker
            )
            for path, piece in enumerate(pieces(device)):
                inference.take(path, piece)
            await asker.ended
            assert workers.backlog_s == 0.0
            return asker.said
        finally:
            workers.close()

    *parts, result = asyncio.run(talk())

    assert sorted(part.path for part in parts) == [1, 2, 3, 4]
    assert isinstance(result, Result)
    assert sorted(span.path for span in result.spans) == [1, 2, 3, 4]
    assert {message.request for message in (*parts, result)} == {7}


def test_what_a_plan_takes_is_told_by_what_it_took_of_late(shares):
    device, edge = shares
    plan = ready(edge)

    async def talk(number: int) -> list[EdgeSpan]:
        workers, asker = Workers(1), Asker()
        try:
            inference = EdgeInference(anew(number, edge), plan, workers, overlaps=True, asker=asker)
            for path, piece in enumerate(pieces(device)):
                inference.take(path, piece)
            await asker.ended
            return asker.said[-1].spans
        finally:
            workers.close()

    took_s = {path: [] for path in range(4)}
    for number in range(1, FEW + 1):
        assert plan.times.paths_s == (0.25,) * 4  # as rehearsed
        for span in asyncio.run(talk(number)):
            took_s[span.path - 1].append((span.end_ns - span.start_ns) * 1e-9)

    usual_s = tuple(statistics.median(took_s[path]) for path in range(4))
    assert plan.times.paths_s == pytest.approx(usual_s)
    assert plan.cost(Begin(9, 1, "0f" * 32, 1, [])).work_s == pytest.approx(sum(usual_s))


def test_what_was_long_ago_tells_nothing(shares):
    _, edge = shares
    plan = ready(edge)
    for seconds in (9.0,) * LATE + (0.1,) * LATE:
        plan.took(2, seconds)
        plan.took(None, seconds / 2)

    assert plan.times.paths_s == (0.25, 0.25, 0.1, 0.25)
    assert plan.times.tail_s == 0.05


def test_what_is_over_computes_no_path_that_has_not_begun(shares, monkeypatch):
    device, edge = shares
    computed = []
    monkeypatch.setattr(EdgeShare, "finish", lambda share, path, *_: computed.append(path))

    async def talk() -> None:
        workers, asker = Workers(1), Asker()
        try:
            inference = EdgeInference(
                anew(1, edge), ready(edge), workers, overlaps=True, asker=asker
            )
            workers.pool.submit(time.sleep, 0.05)
            for path, piece in enumerate(pieces(device)):
                inference.take(path, piece)
            assert workers.backlog_s == 1.0
            inference.give_up()
            assert workers.backlog_s == 0.0
            await asyncio.wrap_future(workers.pool.submit(lambda: None))
            await asyncio.sleep(0)
        finally:
            workers.close()
        assert not asker.said
        assert not asker.ended.done()

    asyncio.run(talk())

    assert computed == []


def test_of_work_that_is_over_nothing_is_left_however_it_was_added_up(shares):
    """A request that may not wait at all is refused for the least of it."""
    device, edge = shares
    plan = PreparedPlan(edge, EdgeTimes((0.1, 0.2, 0.3, 0.7), 1e-3))
    workers = Workers(1)
    busy = threading.Event()

    async def talk() -> None:
        workers.pool.submit(busy.wait)
        inferences = [
            EdgeInference(anew(number, edge), plan, workers, overlaps=True, asker=Asker())
            for number in (1, 2, 3)
        ]
        for path, piece in enumerate(pieces(device)):
            for inference in inferences:
                inference.take(path, piece)
        for inference in inferences:
            inference.give_up()

    try:
        asyncio.run(talk())
        assert workers.backlog_s == 0
    finally:
        busy.set()
        workers.close()
