"""The device's connection to an edge server; every call has a deadline."""

from __future__ import annotations

import asyncio
import hashlib
import statistics
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from fusepath import jsonfile
from fusepath.cost import MachineProfile, MessageCosts
from fusepath.errors import (
    FileFormatError,
    InputError,
    PeerError,
    PeerRefusedError,
    PeerTimeoutError,
    PeerUnreachableError,
)
from fusepath.protocol.conversation import ProtocolError
from fusepath.remote import message_costs
from fusepath.remote.limits import CHANNEL_OPTIONS, CONNECT_TIMEOUT_S, PREPARE_TIMEOUT_S
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.remote.wire import fusepath_pb2_grpc as pb_grpc
from fusepath.runtime.edge_share import EdgeTimes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fusepath.onnx_io import Model
    from fusepath.plan import Plan

_CLOCK_CALLS = 8
_DRILLS, _LARGE_DRILLS = 3, 2
_ROUND_TRIPS = 9
_REFUSALS = {
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.NOT_FOUND,
}


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """Edge clock minus device clock, and how far that may be off, in seconds."""

    seconds: float
    error_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgePlan:
    """A plan that an edge server is ready for."""

    sha256: str
    times: EdgeTimes


class EdgeClient:
    """Calls of one edge server; open it with `connect`."""

    def __init__(self, address: str, channel: Any) -> None:
        self.address = address
        self._stub: Any = pb_grpc.EdgeStub(channel)  # type: ignore[no-untyped-call] # generated

    async def clock_offset(self) -> ClockOffset:
        """Compare clocks over a few round trips; the quickest one counts.

        Raises:
            PeerError: the server does not answer.
        """
        best: ClockOffset | None = None
        with peer_errors(self.address):
            for _ in range(_CLOCK_CALLS):
                before_s = time.perf_counter()
                reply = await self._stub.Clock(pb.ClockRequest(), timeout=CONNECT_TIMEOUT_S)
                after_s = time.perf_counter()
                half_s = (after_s - before_s) / 2
                if best is None or half_s < best.error_s:
                    best = ClockOffset(reply.edge_ns * 1e-9 - before_s - half_s, half_s)
        assert best is not None
        return best

    async def message_costs(self) -> MessageCosts:
        """Send pieces for which nothing is computed, one by one, and see what that takes.

        Raises:
            PeerError: the server does not answer.
        """
        with peer_errors(self.address):
            small = [
                await self._drill(message_costs.MESSAGES, message_costs.PIECE_BYTES)
                for _ in range(_DRILLS)
            ]
            large = [
                await self._drill(message_costs.LARGE_MESSAGES, message_costs.LARGE_BYTES)
                for _ in range(_LARGE_DRILLS)
            ]
            round_trips_s = []
            for _ in range(_ROUND_TRIPS):
                before_s = time.perf_counter()
                await self._drill(1, 1)
                round_trips_s.append(time.perf_counter() - before_s)
        # Whatever else goes on only ever adds processor time.
        device_s, edge_s = (min(values) for values in zip(*small, strict=True))
        large_s = min(taken_s for _, taken_s in large)
        more_bytes = message_costs.LARGE_BYTES - message_costs.PIECE_BYTES
        return MessageCosts(
            device_s=device_s,
            edge_s=edge_s,
            message_bytes=message_costs.MESSAGE_BYTES,
            edge_s_per_byte=max(large_s - edge_s, 0.0) / more_bytes,
            delay_s=statistics.median(round_trips_s) / 2,
        )

    async def _drill(self, messages: int, size_bytes: int) -> tuple[float, float]:
        """Send so many pieces; seconds that one of them took this machine and the server."""
        loop = asyncio.get_running_loop()
        stream = self._stub.Drill(timeout=PREPARE_TIMEOUT_S)
        try:
            begun_s = message_costs.busy_s()
            for sent in range(messages):
                if sent == message_costs.WARM_UP:
                    begun_s = message_costs.busy_s()
                if sent > 0:
                    await asyncio.sleep(message_costs.PAUSE_S)
                # A thread of its own, as paths are computed on.
                await stream.write(
                    await loop.run_in_executor(None, message_costs.piece, size_bytes)
                )
            sent_s = (message_costs.busy_s() - begun_s) / max(messages - message_costs.WARM_UP, 1)
            await stream.done_writing()
            reply: pb.DrillReply = await stream
        finally:
            stream.cancel()
        if reply.busy_ns < 0:
            raise ProtocolError("the server says that a message takes it no time at all")
        return sent_s, reply.busy_ns * 1e-9

    async def goodput_bytes_per_s(self, *, size_bytes: int = 1 << 20) -> float:
        """Measured rate of sending up, from one large message and several empty ones.

        Raises:
            PeerError: the server does not answer.
        """
        round_trip_s = 2 * (await self.clock_offset()).error_s
        request = pb.ClockRequest(padding=bytes(size_bytes))
        least_s = float("inf")
        with peer_errors(self.address):
            for _ in range(3):
                before_s = time.perf_counter()
                await self._stub.Clock(request, timeout=PREPARE_TIMEOUT_S)
                least_s = min(least_s, time.perf_counter() - before_s)
        return size_bytes / max(least_s - round_trip_s, 1e-6)

    async def exchange_s(self, *, up_bytes: int, down_bytes: int, timeout_s: float) -> float:
        """Seconds of sending so many bytes and getting so many back, with nothing computed between.

        Raises:
            PeerError: the server does not answer in time, or sends something else.
        """
        request = pb.ClockRequest(padding=bytes(up_bytes), reply_bytes=down_bytes)
        with peer_errors(self.address):
            started_s = time.perf_counter()
            reply = await self._stub.Clock(request, timeout=timeout_s)
            taken_s = time.perf_counter() - started_s
            if len(reply.padding) != down_bytes:
                raise ProtocolError(
                    f"asked for {down_bytes} bytes, the server sent {len(reply.padding)}; "
                    f"is it an older fusepath?"
                )
        return taken_s

    async def profile(self, model: Model) -> MachineProfile:
        """Time of every layer of a model on the edge server.

        Raises:
            PeerError: the server refuses or does not answer.
        """
        request = pb.ModelRequest(
            name=model.graph.name,
            sha256=model.graph.sha256,
            source=model.source,
            input_shape=model.graph.input.shape,
        )
        with peer_errors(self.address):
            reply = await self._stub.Profile(request, timeout=PREPARE_TIMEOUT_S)
            try:
                profile = jsonfile.decode(reply.profile_json, MachineProfile, where="its answer")
                profile.check(model.graph)
            except FileFormatError as error:
                raise ProtocolError(str(error)) from error
        return profile

    async def prepare(self, plan: Plan) -> EdgePlan:
        """Have the server check a plan, build its sessions and time them.

        Raises:
            PeerError: the server refuses or does not answer.
        """
        data = jsonfile.encode(plan)
        with peer_errors(self.address):
            reply = await self._stub.Prepare(
                pb.PrepareRequest(plan_json=data), timeout=PREPARE_TIMEOUT_S
            )
            digest = hashlib.sha256(data).hexdigest()
            if reply.plan_sha256 != digest:
                raise ProtocolError("the server prepared another plan")
            if len(reply.path_ns) != len(plan.cuts) or min(*reply.path_ns, reply.tail_ns) < 0:
                raise ProtocolError("the server did not time every path of the plan")
        times = EdgeTimes(tuple(ns * 1e-9 for ns in reply.path_ns), reply.tail_ns * 1e-9)
        return EdgePlan(sha256=digest, times=times)

    def infer(self, *, timeout_s: float) -> Any:
        """Open the stream of one inference."""
        return self._stub.Infer(timeout=timeout_s)


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[EdgeClient]:
    """Connect to ``HOST:PORT``.

    Raises:
        InputError: the address is malformed.
        PeerUnreachableError: nobody answers there.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) <= 65535:
        raise InputError(f"edge '{address}' is not HOST:PORT, like 192.168.1.20:7070")
    async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await channel.channel_ready()
        except TimeoutError:
            raise PeerUnreachableError(
                address,
                f"nobody answered within {CONNECT_TIMEOUT_S:g} s; "
                f"start one there with `fusepath serve`",
            ) from None
        yield EdgeClient(address, channel)


class peer_errors:  # noqa: N801 - used like a keyword
    """Turns what gRPC raises into errors that say what the edge server did."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> None:
        """Nothing to set up."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Translate.

        Raises:
            PeerError: in place of the gRPC error.
        """
        if isinstance(error, grpc.aio.AioRpcError):
            raise _translate(self._address, error) from error
        if isinstance(error, ProtocolError):
            raise PeerRefusedError(self._address, str(error)) from error


def _translate(address: str, error: grpc.aio.AioRpcError) -> PeerError:
    code = error.code()
    details = (error.details() or "").strip().splitlines()
    text = details[0][:500] if details else code.name
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return PeerTimeoutError(address, "no answer before the deadline")
    if code in _REFUSALS:
        return PeerRefusedError(address, f"refused: {text}")
    # Whatever else went wrong, the server is of no use now: a killed one even says INTERNAL.
    return PeerUnreachableError(address, f"the connection was lost ({text})")
