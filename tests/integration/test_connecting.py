"""A device gives up connecting."""

from __future__ import annotations

import asyncio
import threading

import pytest

from fusepath.errors import PeerUnreachableError
from fusepath.remote.device_tls import Papers
from fusepath.remote.grpc_channel import GrpcChannel

pytestmark = pytest.mark.system

NOBODY = "127.0.0.1:1"


def test_a_loop_that_ends_is_told_nothing_afterwards(caplog):
    async def give_up(after_s: float) -> None:
        with pytest.raises(PeerUnreachableError):
            await GrpcChannel.open(NOBODY, timeout_s=after_s)

        opening = asyncio.create_task(GrpcChannel.open(NOBODY, timeout_s=10))
        await asyncio.sleep(after_s)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()  # whatever it is made of
        with pytest.raises(asyncio.CancelledError):
            await opening

    async def live(until: asyncio.Event) -> None:
        channel = GrpcChannel(NOBODY, Papers())  # who reads on for all of them
        await until.wait()
        await channel.close()

    loop, until = asyncio.new_event_loop(), asyncio.Event()
    other = threading.Thread(target=loop.run_until_complete, args=(live(until),))
    other.start()
    try:
        for k in range(20):
            asyncio.run(give_up(0.002 * k))
    finally:
        loop.call_soon_threadsafe(until.set)
        other.join()
        loop.close()

    assert caplog.text == ""


def test_looking_why_nobody_answers_leaves_no_thread():
    async def fail() -> list[str]:
        other = GrpcChannel(NOBODY, Papers())  # gRPC keeps its own thread for all channels
        before = set(threading.enumerate())
        with pytest.raises(PeerUnreachableError):
            await GrpcChannel.open(NOBODY, timeout_s=2)
        new = set(threading.enumerate()) - before
        for thread in new:
            thread.join(timeout=2)
        await other.close()
        return [thread.name for thread in new if thread.is_alive()]

    assert asyncio.run(fail()) == []
