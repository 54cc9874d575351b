"""A device gives up connecting."""

from __future__ import annotations

import asyncio
import socket
import threading

import grpc
import pytest

from fusepath.errors import PeerUnreachableError
from fusepath.remote import grpc_channel
from fusepath.remote.device_tls import Papers
from fusepath.remote.grpc_channel import GrpcChannel

pytestmark = pytest.mark.system

NOBODY = "127.0.0.1:1"


def test_a_loop_that_ends_is_told_nothing_afterwards(caplog):
    silent = socket.create_server(("127.0.0.1", 0))  # takes connections, and says nothing
    address = f"127.0.0.1:{silent.getsockname()[1]}"

    async def give_up(after_s: float) -> None:
        with pytest.raises(PeerUnreachableError):
            await GrpcChannel.open(NOBODY, timeout_s=after_s)

        opening = asyncio.create_task(GrpcChannel.open(address, timeout_s=10))
        await asyncio.sleep(after_s)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()  # whatever it is made of
        with pytest.raises(asyncio.CancelledError):
            await opening

    async def live(until: asyncio.Event) -> None:
        channel = GrpcChannel(address, Papers())  # who reads on for all of them
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
        silent.close()

    assert caplog.text == ""


def test_looking_why_nobody_answers_leaves_no_thread():
    async def fail() -> list[str]:
        other = GrpcChannel(NOBODY, Papers())  # gRPC keeps its own thread for all channels
        before = set(threading.enumerate())
        with pytest.raises(PeerUnreachableError):
            await GrpcChannel.open(NOBODY, timeout_s=60)
        new = set(threading.enumerate()) - before
        for thread in new:
            thread.join(timeout=2)
        await other.close()
        return [thread.name for thread in new if thread.is_alive()]

    assert asyncio.run(fail()) == []


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (NOBODY, "nobody listens there; start one with `fusepath serve`"),
        ("no-such-host.invalid:7070", "there is no such host"),
    ],
)
def test_what_the_network_says_at_once_is_not_waited_for(address, words):
    async def connect() -> None:
        async with asyncio.timeout(60):
            await GrpcChannel.open(address, timeout_s=3600)

    with pytest.raises(PeerUnreachableError, match=words):
        asyncio.run(connect())


def test_a_server_that_begins_to_listen_while_it_is_dialled_is_reached(monkeypatch):
    """The first attempt is refused; by the time that the reason is looked for it is there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

    async def connect() -> None:
        server = grpc.aio.server()
        looked = grpc_channel.why_not

        def begin_to_listen(*arguments):
            async def begin() -> None:
                server.add_insecure_port(address)
                await server.start()

            asyncio.run_coroutine_threadsafe(begin(), loop).result(30)
            return looked(*arguments)

        loop = asyncio.get_running_loop()
        monkeypatch.setattr(grpc_channel, "why_not", begin_to_listen)
        channel = await GrpcChannel.open(address, timeout_s=60)
        await channel.close()
        await server.stop(None)

    asyncio.run(connect())
