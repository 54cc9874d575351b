"""What an edge server of which too much is asked answers, and that others do not notice."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time

import pytest

from fusepath import jsonfile
from fusepath.cancellation import check_cancelled
from fusepath.errors import PeerBusyError
from fusepath.onnx_io import load_model
from fusepath.protocol.admission import Room
from fusepath.protocol.framing import (
    WIRE_VERSION,
    Begin,
    Drill,
    Hello,
    RawTensor,
    RefusalKind,
    Refused,
    decode,
    encode,
)
from fusepath.remote import edge_conversation
from fusepath.remote.edge_service import EdgeService
from fusepath.remote.memory import MemoryChannel
from fusepath.remote.model_store import ModelStore
from fusepath.remote.transport import Refusal
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.remote.workers import Workers
from tests.plans import plan_of

SOURCE = "zoo:squeezenet?size=64&weights=integer"
HELLO = encode(Hello(WIRE_VERSION, "of a test"))


def plan():
    return plan_of(load_model(SOURCE), tau=4, grid=(2, 2), cuts=[1, 3, 5, 2])


def asked() -> pb.PrepareRequest:
    return pb.PrepareRequest(recipe_json=jsonfile.encode(plan().recipe))


def test_what_would_wait_longer_than_it_may_is_refused_with_the_time_to_ask_again():
    begin = Begin(1, 1, plan().recipe_sha256, 60_000_000, [RawTensor(b"")])

    async def ask() -> Refused:
        service = EdgeService(ModelStore(None), room=Room(wait_s=2.0))
        channel = MemoryChannel(service)
        try:
            await service.prepare(asked())
            service.workers.expect(10_000_000_000)
            stream = channel.stream()
            for message in (HELLO, encode(begin)):
                await stream.write(message)
            await stream.read()
            return decode(await stream.read())
        finally:
            await channel.close()

    refused = asyncio.run(ask())

    assert refused.kind is RefusalKind.EXHAUSTED
    assert refused.retry_after_ms == 5000  # half of it, at least
    assert "10.00 s of work are waiting here" in refused.reason


def test_a_stream_too_many_is_refused_as_busy_and_the_clock_still_told():
    async def ask() -> None:
        channel = MemoryChannel(EdgeService(ModelStore(None), room=Room(streams=2)))
        try:
            silent = [channel.stream() for _ in range(2)]
            with pytest.raises(PeerBusyError, match="2 streams are open here") as busy:
                await channel.stream().read()
            assert busy.value.retry_after_s == 1.0
            assert (await channel.call("Clock", pb.ClockRequest(), timeout_s=5)).edge_ns > 0
            silent[0].cancel()
            await asyncio.wait([silent[0].ended])
            served = channel.stream()
            await served.write(HELLO)
            assert isinstance(decode(await served.read()), Hello)
        finally:
            await channel.close()

    asyncio.run(ask())


def test_who_takes_no_answer_in_loses_the_stream(monkeypatch):
    monkeypatch.setattr(edge_conversation, "WRITTEN_WITHIN_S", 0.02)
    drill = encode(Drill(1, 0, [RawTensor(b"x")]))

    class Deaf:
        peer = id = "deaf"

        def __init__(self) -> None:
            self.messages = [HELLO, drill]

        async def read(self):
            if self.messages:
                return self.messages.pop(0)
            return await asyncio.Future()

        async def write(self, data):
            if isinstance(decode(data), Hello):
                return
            await asyncio.Future()

    async def ask() -> int:
        service = EdgeService(ModelStore(None))
        try:
            with pytest.raises(Refusal, match="has not taken") as refusal:
                await asyncio.wait_for(service.converse(Deaf()), 20)
            assert refusal.value.kind is RefusalKind.SILENT
            return service.admission.requests + service.admission.streams
        finally:
            service.close()

    assert asyncio.run(ask()) == 0


def test_a_profile_that_takes_long_holds_up_no_preparation():
    begun, ended = threading.Event(), threading.Event()

    def endless(*_, **__):
        begun.set()
        while not ended.is_set():
            check_cancelled()
            time.sleep(0.001)

    async def ask() -> str:
        service = EdgeService(ModelStore(None), profiler=endless)
        model = load_model(SOURCE)
        profile = pb.ModelRequest(
            sha256=model.graph.sha256, source=SOURCE, input_shape=model.graph.fed_shape
        )
        profiling = asyncio.create_task(service.profile(profile))
        try:
            while not begun.is_set():
                await asyncio.sleep(0.001)
            return (await asyncio.wait_for(service.prepare(asked()), 30)).recipe_sha256
        finally:
            profiling.cancel()
            ended.set()
            service.close()

    assert asyncio.run(ask()) == plan().recipe_sha256


@pytest.mark.skipif(sys.platform != "linux", reason="threads are not nice by themselves")
def test_workers_give_the_processor_up_to_threads_that_move_messages():
    workers = Workers(1)

    def nice() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    try:
        assert workers.in_turn(nice) > nice()
    finally:
        workers.close()


def test_workers_take_peers_in_turns():
    workers, done, held = Workers(1), [], threading.Event()
    try:
        workers.submit("greedy", held.wait)
        for peer, number in [*(("greedy", number) for number in range(3)), ("modest", 9)]:
            workers.submit(peer, lambda peer=peer, number=number: done.append((peer, number)))
        held.set()
        workers.in_turn(lambda: None)
    finally:
        workers.close()

    assert done.index(("modest", 9)) <= 1
    assert [number for peer, number in done if peer == "greedy"] == [0, 1, 2]
