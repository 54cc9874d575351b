"""What an edge server tells of its load."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

from fusepath.errors import PeerRefusedError, PeerTimeoutError
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
    waits, work_s, now_s = Waits(), 0.05, 0.0
    waiting = [waits.asked(f"device {number}", now_s) for number in range(devices)]
    for _ in range(200):
        asked, begun_s = waiting.pop(0), now_s
        now_s += work_s
        waits.done(asked, begun_s, now_s)
        waiting.append(waits.asked(asked.peer, now_s))

    assert waits.slowness(now_s) == pytest.approx(devices, rel=0.03)


def test_who_waits_for_its_own_work_waits_for_nobody():
    waits, work_s = Waits(), 0.05
    several = [waits.asked("one", 0.0) for _ in range(10)]
    for number, asked in enumerate(several):
        waits.done(asked, number * work_s, (number + 1) * work_s)

    assert waits.slowness(0.5) == 1.0


def test_what_is_remembered_of_peers_is_bounded():
    waits = Waits()
    for number in range(10_000):
        waits.done(waits.asked(f"device {number}", number), number, number + 0.5)
    late = waits.asked("late", 10_000)
    waits.done(late, 10_001, 10_001.5)

    assert len(waits._of_s) <= 4097
    assert waits.slowness(10_002) < 2


def test_what_was_long_ago_is_forgotten():
    waits = Waits()
    late, soon = waits.asked("late", 95.0), waits.asked("soon", 95.0)
    waits.done(soon, 95.0, 99.0)
    waits.done(late, 99.0, 100.0)

    assert waits.slowness(100.0) > 1.7
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


def test_frames_answered_alone_are_told_once_and_again_where_nobody_heard():
    service = EdgeService(ModelStore(None))

    async def tell() -> list[int]:
        channel = MemoryChannel(service)
        client, counts = EdgeClient(channel), []
        call = channel.call
        try:
            client.answered_alone = 3
            channel.call = lost
            with pytest.raises(PeerTimeoutError):
                await client.clock_offset()
            channel.call = call
            counts.append(service.metrics.answered_alone)
            for _ in range(2):
                await client.clock_offset()
                counts.append(service.metrics.answered_alone)
            client.answered_alone += 1
            await client.clock_offset()
            return [*counts, service.metrics.answered_alone]
        finally:
            await channel.close()

    async def lost(*_, **__):
        raise PeerTimeoutError("edge", "no answer")

    assert asyncio.run(tell()) == [0, 3, 3, 4]
    assert "fusepath_answered_alone_total 4" in service.metrics.text({})


def test_calls_that_overlap_tell_of_a_frame_answered_alone_once():
    service = EdgeService(ModelStore(None))

    async def tell() -> list[int]:
        channel = MemoryChannel(service)
        client, call, may_go = EdgeClient(channel), channel.call, asyncio.Event()

        async def late(*arguments, **options):
            await may_go.wait()
            return await call(*arguments, **options)

        channel.call = late
        try:
            client.answered_alone = 1
            calls = [asyncio.ensure_future(client.clock_offset()) for _ in range(2)]
            await asyncio.sleep(0)
            may_go.set()
            await asyncio.gather(*calls)
            return [client.answered_alone, service.metrics.answered_alone]
        finally:
            await channel.close()

    assert asyncio.run(tell()) == [0, 1]
