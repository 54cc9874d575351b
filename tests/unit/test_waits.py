"""What an edge server tells of its load."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

from fusepath.errors import PeerRefusedError
from fusepath.protocol.waits import HALVES_AFTER_S, Waits
from fusepath.remote.client import EdgeClient
from fusepath.remote.edge_service import EdgeService
from fusepath.remote.memory import MemoryChannel
from fusepath.remote.model_store import ModelStore
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.remote.workers import Workers


def test_a_server_without_work_is_as_quick_as_its_machine():
    assert Waits().slowness(5.0) == 1.0


@pytest.mark.parametrize("devices", [1, 2, 8])
def test_devices_in_turn_see_as_many_times_longer_work(devices):
    waits, work_s = Waits(), 0.05
    for number in range(1, 200):
        waited_s = work_s * (devices - 1)
        waits.add(waited_s=waited_s, worked_s=work_s, now_s=number * work_s)

    assert waits.slowness(200 * work_s) == pytest.approx(devices, rel=0.02)


def test_what_was_long_ago_is_forgotten():
    waits = Waits()
    waits.add(waited_s=4.0, worked_s=1.0, now_s=100.0)

    assert waits.slowness(100.0) > 4
    assert waits.slowness(100.0 + 12 * HALVES_AFTER_S) < 1.1


def test_workers_tell_how_long_work_waits_for_them():
    workers, held = Workers(1), threading.Event()
    done = [threading.Event() for _ in range(3)]
    try:
        workers.submit("one", held.wait)
        for number, event in enumerate(done):
            workers.submit(f"device {number}", event.set)
        time.sleep(0.05)
        assert workers.load.slowness == 1.0  # which is of what is done
        held.set()
        for event in done:
            assert event.wait(5)
        workers.submit("last", held.set)
        time.sleep(0.05)
        waited_s = 3 * 0.05
        assert workers.load.slowness > 1 + waited_s / (0.05 + 1)
    finally:
        held.set()
        workers.close()


def test_a_device_hears_how_long_work_waits():
    async def hear() -> tuple[float, float]:
        workers = Workers(1)
        channel = MemoryChannel(EdgeService(ModelStore(None), workers=workers))
        client = EdgeClient(channel)
        try:
            await client.clock_offset()
            idle = client.edge_slowness
            held, done = threading.Event(), threading.Event()
            workers.submit("one", held.wait)
            workers.submit("other", done.set)
            await asyncio.sleep(0.05)
            held.set()
            assert await asyncio.to_thread(done.wait, 5)
            await asyncio.to_thread(workers.in_turn, lambda: None)
            await client.clock_offset()
            return idle, client.edge_slowness
        finally:
            await channel.close()

    idle, loaded = asyncio.run(hear())

    assert idle == 1.0
    assert 1.3 < loaded < 3.0


@pytest.mark.parametrize("slowness", [float("nan"), -1.0, 1e9, float("inf")])
def test_a_server_that_says_nonsense_of_its_load_is_not_used(slowness):
    async def call(*_, **__) -> pb.ClockReply:
        return pb.ClockReply(edge_ns=1, slowness=slowness)

    client = EdgeClient(SimpleNamespace(address="edge:1", call=call))
    with pytest.raises(PeerRefusedError, match="times longer"):
        asyncio.run(client.clock_offset())
    assert client.edge_slowness == 1.0
