"""An inference goes on on workers; what leaves, leaves in order, and nothing once it is over."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from fusepath.onnx_io import load_model
from fusepath.plan import TailPlace
from fusepath.protocol.framing import Begin, Part, Result, decode
from fusepath.remote import tensors
from fusepath.remote.edge_inference import EdgeInference
from fusepath.remote.kept_shares import KeptShares, Reuse
from fusepath.remote.prepared import PreparedPlan
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
