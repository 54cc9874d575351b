"""More devices than there is room for: each is told so, comes back later, and is served then."""

from __future__ import annotations

import asyncio
import queue
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
import pytest

from fusepath.errors import PeerBusyError
from fusepath.onnx_io import load_model
from fusepath.remote.client import Timeout, connect
from fusepath.remote.limits import STREAM_METHOD
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.remote.wire import fusepath_pb2_grpc as pb_grpc
from tests.edges import edge_server
from tests.plans import pixels, plan_of
from tests.runs import run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.system

SOURCE = "zoo:squeezenet?size=64&weights=integer"
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]


@contextmanager
def silent_streams(address: str, count: int) -> Iterator[grpc.Channel]:
    """Streams that say nothing, each on a connection of its own; the last connection."""
    channels = [grpc.insecure_channel(address, options=OWN_CONNECTION) for _ in range(count)]
    said: queue.Queue[bytes | None] = queue.Queue()
    calls = [channel.stream_stream(STREAM_METHOD)(iter(said.get, None)) for channel in channels]
    for channel in channels:
        grpc.channel_ready_future(channel).result(20)
        # On the same connection, and so behind the stream.
        pb_grpc.EdgeStub(channel).Clock(pb.ClockRequest(), timeout=20)
    try:
        yield channels[-1]
    finally:
        for call in calls:
            call.cancel()
            said.put(None)
        for channel in channels:
            channel.close()


async def greet(address: str) -> None:
    async with connect(address, timeout=Timeout(connect_s=5.0)):
        pass


def test_streams_that_say_nothing_leave_others_a_clear_word():
    with edge_server("--streams", "6") as edge, silent_streams(edge.address, 6) as channel:
        stub = pb_grpc.EdgeStub(channel)
        assert stub.Clock(pb.ClockRequest(), timeout=10).edge_ns > 0
        with pytest.raises(PeerBusyError, match="6 streams are open here") as busy:
            asyncio.run(greet(edge.address))
        assert busy.value.retry_after_s == 1.0


def test_many_silent_streams_are_no_reason_to_refuse_anybody():
    model = load_model(SOURCE)
    plan = plan_of(model, tau=4, grid=(2, 2), cuts=[1, 3, 5, 2])

    with edge_server() as edge, silent_streams(edge.address, 40):
        report = run(model, pixels(model), edge=edge.address, plan=plan, verify=True, timeout_s=20)

    assert report.comparison is not None
    assert report.comparison.bit_equal
