"""What a device asks of an edge server, over any transport; every call has a deadline."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from fusepath import jsonfile
from fusepath.cost import MachineProfile, MessageCosts
from fusepath.errors import FileFormatError, PeerRefusedError, SettingError
from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.framing import Drill, Drilled
from fusepath.remote import message_costs
from fusepath.remote.conversation import Conversation
from fusepath.remote.grpc_channel import GrpcChannel
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.runtime.edge_share import EdgeTimes
from fusepath.runtime.execution import PROVIDERS
from fusepath.timeline import Lane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fusepath.onnx_io import Model
    from fusepath.plan import Plan
    from fusepath.protocol.framing import RawTensor
    from fusepath.remote.conversation import Request
    from fusepath.remote.transport import Channel

_CLOCK_CALLS = 8
_MOST_SLOWNESS = 1e6
_MOST_TOLD = 2**31
_DRILLS, _LARGE_DRILLS = 3, 2
_ROUND_TRIPS = 9


class Timeout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a device waits for an edge server, in seconds.

    Raises:
        SettingError: a time that is not above zero.
    """

    connect_s: float = 5.0
    """For a connection, and for an answer that takes no work."""
    prepare_s: float = 300.0
    """For a profile or a plan to be made ready."""
    infer_s: float = 60.0
    """For one inference."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            seconds = getattr(self, name)
            if not (isinstance(seconds, int | float) and seconds > 0):
                raise SettingError(f"{name} {seconds!r} is no time in seconds above zero")


DEFAULT_TIMEOUT = Timeout()


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """Edge clock minus device clock, and how far that may be off, in seconds."""

    seconds: float
    error_s: float


class EdgeClient:
    """Calls of one edge server.

    Every method raises a `PeerError` where the server refuses, vanishes, answers nonsense or takes
    too long.

    Args:
        channel: leads to it; whoever opened it closes it.
        timeout: how long to wait.
    """

    def __init__(self, channel: Channel, timeout: Timeout = DEFAULT_TIMEOUT) -> None:
        self._channel = channel
        self._conversation = Conversation(channel)
        self.timeout = timeout
        self.edge_slowness = 1.0
        """As the server has told last: how many times longer work takes there than computing it,
        for it waits for that of other devices."""
        self.instance: int | None = None
        """Which of those that have run there the server is; None before it has said so."""
        self.answered_alone = 0
        """Frames that fell back, of which the server does not know yet."""

    @property
    def address(self) -> str:
        """Whom the calls reach."""
        return self._channel.address

    def refused(self, reason: str) -> PeerRefusedError:
        """The error for an answer that the plan does not call for."""
        return PeerRefusedError(self.address, reason)

    async def clock_offset(self) -> ClockOffset:
        """Compare clocks over a few round trips; the quickest one counts."""
        best: ClockOffset | None = None
        for _ in range(_CLOCK_CALLS):
            before_s = time.perf_counter()
            reply = await self._clock(pb.ClockRequest(), timeout_s=self.timeout.connect_s)
            half_s = (time.perf_counter() - before_s) / 2
            if best is None or half_s < best.error_s:
                best = ClockOffset(reply.edge_ns * 1e-9 - before_s - half_s, half_s)
        assert best is not None
        return best

    async def _clock(self, request: pb.ClockRequest, *, timeout_s: float) -> pb.ClockReply:
        request.answered_alone = told = min(self.answered_alone, _MOST_TOLD)
        self.answered_alone -= told  # at once: calls overlap, and each frame is told in one
        try:
            reply: pb.ClockReply = await self._channel.call("Clock", request, timeout_s=timeout_s)
        except BaseException:
            self.answered_alone += told
            raise
        if not 0 <= reply.slowness <= _MOST_SLOWNESS:  # NaN neither
            raise self.refused(f"the server says that work takes {reply.slowness:.3g} times longer")
        self.edge_slowness = max(reply.slowness, 1.0)
        self.instance = reply.instance
        return reply

    async def greet(self, *, within_s: float) -> None:
        """See whether the server is there, and speaks the same version."""
        timeout_s = min(within_s, self.timeout.connect_s)
        await self._conversation.greet(timeout_s=timeout_s)
        await self._clock(pb.ClockRequest(), timeout_s=timeout_s)

    async def greet_anew(self, *, within_s: float) -> None:
        """The same for a server that has failed, on another stream."""
        self._conversation.renew()
        await self.greet(within_s=within_s)

    async def message_costs(self) -> MessageCosts:
        """Send pieces for which nothing is computed, one by one, and see what that takes."""
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

    async def _drill(self, count: int, size_bytes: int) -> tuple[float, float]:
        """Send so many pieces; seconds that one of them took this machine and the server."""
        loop = asyncio.get_running_loop()
        made: asyncio.Queue[list[RawTensor]] = asyncio.Queue()
        # On a thread of its own, as paths are computed on.
        making = loop.run_in_executor(
            None,
            message_costs.make,
            count,
            size_bytes,
            lambda tensors: loop.call_soon_threadsafe(made.put_nowait, tensors),
        )
        request = self._conversation.begin(self.timeout.prepare_s)
        try:
            begun_s = message_costs.busy_s()
            for sent in range(count):
                tensors = await made.get()
                if sent == message_costs.WARM_UP:
                    begun_s = message_costs.busy_s()
                if not await request.send(Drill(request.number, count - sent - 1, tensors)):
                    break  # why, the answer says
            sent_s = (message_costs.busy_s() - begun_s) / max(count - message_costs.WARM_UP, 1)
            reply = await request.read()
        finally:
            making.cancel()
            request.give_up()
        if not isinstance(reply, Drilled) or reply.busy_ns < 0:
            raise self.refused("the server does not say what a message takes it")
        return sent_s, reply.busy_ns * 1e-9

    async def exchange_s(self, *, up_bytes: int, down_bytes: int, timeout_s: float) -> float:
        """Seconds of sending so many bytes and getting so many back, nothing computed between."""
        request = pb.ClockRequest(padding=bytes(up_bytes), reply_bytes=down_bytes)
        started_s = time.perf_counter()
        reply = await self._clock(request, timeout_s=timeout_s)
        taken_s = time.perf_counter() - started_s
        if len(reply.padding) != down_bytes:
            raise self.refused(
                f"asked for {down_bytes} bytes, the server sent {len(reply.padding)}; "
                f"is it an older fusepath?"
            )
        return taken_s

    async def profile(self, model: Model) -> MachineProfile:
        """Time of every layer of a model on the edge server."""
        request = pb.ModelRequest(
            name=model.graph.name,
            sha256=model.graph.sha256,
            source=model.source,
            input_shape=model.graph.fed_shape,
        )
        reply = await self._channel.call("Profile", request, timeout_s=self.timeout.prepare_s)
        try:
            profile = jsonfile.decode(reply.profile_json, MachineProfile, where="its answer")
            profile.check(model.graph)
        except FileFormatError as error:
            raise self.refused(str(error)) from error
        return profile

    async def prepare(self, plan: Plan) -> EdgeTimes:
        """Have the server check a plan's recipe, build its sessions and time them.

        It knows them by the digest of the recipe then.
        """
        request = pb.PrepareRequest(
            recipe_json=jsonfile.encode(plan.recipe),
            idle_ns=[round(seconds * 1e9) for seconds in idle_s(plan)],
        )
        reply = await self._channel.call("Prepare", request, timeout_s=self.timeout.prepare_s)
        if reply.recipe_sha256 != plan.recipe_sha256:
            raise self.refused("the server prepared another plan")
        if len(reply.path_ns) != len(plan.cuts) or min(*reply.path_ns, reply.tail_ns) < 0:
            raise self.refused("the server did not time every path of the plan")
        providers = tuple(reply.providers)
        if not set(providers) <= PROVIDERS.keys() or not 1 <= len(providers) <= len(PROVIDERS):
            raise self.refused("the server computes on what is not known here")
        return EdgeTimes(tuple(ns * 1e-9 for ns in reply.path_ns), reply.tail_ns * 1e-9, providers)

    def infer(self, left_s: float) -> Request:
        """A new request for an inference.

        Args:
            left_s: seconds after which nobody waits for it any more.
        """
        return self._conversation.begin(left_s)


def idle_s(plan: Plan) -> tuple[float, ...]:
    """How long the edge server waits for each path, if all goes as the plan predicts."""
    waits_s, free_s = [0.0] * len(plan.cuts), dict[int, float]()
    for span in plan.timeline.on(Lane.EDGE):
        if span.path is not None:
            waits_s[span.path - 1] = max(span.start_s - free_s.get(span.worker, 0.0), 0.0)
        free_s[span.worker] = span.end_s
    return tuple(waits_s)


@asynccontextmanager
async def connect(address: str, *, timeout: Timeout = DEFAULT_TIMEOUT) -> AsyncIterator[EdgeClient]:
    """Connect to ``HOST:PORT``.

    Raises:
        InputError: the address is malformed.
        PeerError: nobody answers there, or another version of fusepath.
    """
    channel = await GrpcChannel.open(address, timeout_s=timeout.connect_s)
    try:
        client = EdgeClient(channel, timeout)
        await client.greet(within_s=timeout.connect_s)
        yield client
    finally:
        await channel.close()


class peer_errors:  # noqa: N801 - used like a keyword
    """Turns a conversation that goes wrong into an error that says what the edge server did."""

    def __init__(self, client: EdgeClient) -> None:
        self._client = client

    def __enter__(self) -> None:
        """Nothing to set up."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Translate.

        Raises:
            PeerRefusedError: in place of the protocol error.
        """
        if isinstance(error, ProtocolError):
            raise self._client.refused(str(error)) from error
