"""The edge server's end of one device's stream."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fusepath.errors import FusepathError
from fusepath.protocol.admission import Cost
from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.framing import (
    WIRE_VERSION,
    Begin,
    Drill,
    GiveUp,
    Hello,
    Piece,
    RefusalKind,
    Refused,
    check_hello,
    decode,
    encode,
)
from fusepath.protocol.requests import EdgeRequests
from fusepath.remote.edge_drill import EdgeDrill
from fusepath.remote.edge_inference import EdgeInference
from fusepath.remote.journal import tell
from fusepath.remote.limits import (
    DRILL_BYTES,
    HELLO_WITHIN_S,
    LONGEST_REQUEST_S,
    SLOWEST_READER_BYTES_PER_S,
    WRITTEN_WITHIN_S,
)
from fusepath.remote.transport import Refusal
from fusepath.version import VERSION

if TYPE_CHECKING:
    from fusepath.protocol.admission import Admission
    from fusepath.protocol.framing import Message
    from fusepath.remote.kept_shares import KeptShares
    from fusepath.remote.metrics import Metrics
    from fusepath.remote.prepared import PreparedPlan
    from fusepath.remote.transport import Incoming
    from fusepath.remote.workers import Workers

_LAST_WORDS_S = 5.0
"""How long answers may take to leave once the stream is to be ended."""
_NOT_PREPARED = "this plan has not been prepared here; call Prepare first"


class Host(Protocol):
    """What all streams of an edge server share."""

    workers: Workers
    overlaps: bool
    admission: Admission
    metrics: Metrics
    kept: KeptShares

    def find(self, recipe_sha256: str) -> PreparedPlan | None:
        """A plan that has been prepared."""


@dataclass(slots=True)
class _Asked:
    """A request that has not ended."""

    work: EdgeInference | EdgeDrill
    cost: Cost
    timer: asyncio.TimerHandle
    answered: bool = False
    """Whether nothing but its answer is to be sent."""


class EdgeConversation:
    """Answers the requests of one device, each as it can be.

    What no device of this version says ends the stream, as do data that do not decode; whatever
    else is wrong with a request ends that alone.

    Args:
        host: what all streams share.
        stream: the device's.
    """

    def __init__(self, host: Host, stream: Incoming) -> None:
        self._host = host
        self._stream = stream
        self._requests = EdgeRequests(host.admission.room.requests_of_one)
        self._open: dict[int, _Asked] = {}
        self._answers: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        """What is to be sent, and which request ends with it; 0 where none does."""
        self._error: BaseException | None = None
        self._place = object()
        """Stands for the stream where shares are kept for it."""

    async def run(self) -> None:
        """Answer until the device ends the stream.

        Raises:
            Refusal: of the stream as a whole.
        """
        writing = asyncio.create_task(self._write())
        self._reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait([self._reading, writing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._reading.cancel()
            for number in list(self._open):
                self._end(number)
            self._host.kept.end(self._place)
            # Also before a refusal: gRPC loses the stream's end when a write is broken off.
            self._answers.put_nowait(None)
            await asyncio.wait([writing], timeout=_LAST_WORDS_S)
            writing.cancel()
        if self._error is not None:
            raise self._error

    async def _write(self) -> None:
        """Send the answers one after the other; a long one does not hold up the next path."""
        while (answer := await self._answers.get()) is not None:
            ends, data = answer
            within_s = WRITTEN_WITHIN_S + len(data) / SLOWEST_READER_BYTES_PER_S
            try:
                async with asyncio.timeout(within_s):
                    await self._stream.write(data)
            except TimeoutError:  # it loses the stream, and what it holds here
                reason = f"the device has not taken {len(data)} bytes in for {within_s:.0f} s"
                self._break_off(Refusal(RefusalKind.SILENT, reason))
                return
            self._host.metrics.sent_bytes += len(data)
            if ends:
                self._end(ends)  # only now it takes no room any more

    async def _read(self) -> None:
        try:
            await self._greet()
            while (data := await self._stream.read()) is not None:
                self._host.metrics.received_bytes += len(data)
                self._take(decode(data))
        except Exception as error:
            self._break_off(error)

    def _break_off(self, error: BaseException) -> None:
        """End the stream; why, the device is told."""
        if isinstance(error, ProtocolError):
            error = Refusal(RefusalKind.MALFORMED, str(error))
        if self._error is None:
            self._error = error
        self._reading.cancel()

    async def _greet(self) -> None:
        ours = Hello(WIRE_VERSION, VERSION)
        try:
            async with asyncio.timeout(HELLO_WITHIN_S):
                data = await self._stream.read()
        except TimeoutError:
            raise Refusal(RefusalKind.SILENT, f"no Hello for {HELLO_WITHIN_S:g} s") from None
        if data is None:
            return
        hello = decode(data)
        try:
            check_hello(hello, ours, "device")
        except ProtocolError as error:
            if isinstance(hello, Hello):
                raise Refusal(RefusalKind.UNFIT, str(error)) from error
            raise
        self._answers.put_nowait((0, encode(ours)))

    # ------------------------------------------------------------------ requests

    def _take(self, message: Message) -> None:
        match message:
            case Begin():
                self._begin(message)
            case Piece(number, path, tensors):
                if self._requests.serves(number):
                    work = self._open[number].work
                    if isinstance(work, EdgeDrill):
                        raise ProtocolError(f"request {number} is a drill")
                    work.take(path - 1, tensors)
            case GiveUp(number):
                if self._requests.serves(number):
                    self._end(number)
            case Drill():
                self._drill(message)
            case _:
                raise ProtocolError(f"a device does not send {type(message).__name__}")

    def _begin(self, message: Begin) -> None:
        number, left_s = message.request, message.left_us / 1e6
        room = self._requests.begin(number)
        plan = self._host.find(message.recipe_sha256)
        if plan is None:
            self._refuse(number, Refusal(RefusalKind.UNFIT, _NOT_PREPARED))
            return
        cost = plan.cost(message)
        if not self._admit(number, room, cost, left_s):
            return
        try:
            reuse = self._host.kept.reuse(self._place, message, plan.share)
            inference = EdgeInference(
                reuse,
                plan,
                self._host.workers,
                peer=self._stream.peer,
                overlaps=self._host.overlaps,
                asker=self,
            )
        except ProtocolError:
            self._host.admission.end(self._stream.peer, cost)
            raise
        except Refusal as lost:
            self._host.admission.end(self._stream.peer, cost)
            self._refuse(number, lost)
            return
        self._keep(number, inference, cost, left_s)
        inference.take(message.path - 1, message.tensors)

    def _drill(self, message: Drill) -> None:
        number = message.request
        if self._requests.is_new(number):
            room = self._requests.begin(number)
            cost = Cost(bytes=DRILL_BYTES)
            if not self._admit(number, room, cost, LONGEST_REQUEST_S):
                return
            drill = EdgeDrill(number, self._host.workers, peer=self._stream.peer, asker=self)
            self._keep(number, drill, cost, LONGEST_REQUEST_S)
        if self._requests.serves(number):
            work = self._open[number].work
            if not isinstance(work, EdgeDrill):
                raise ProtocolError(f"request {number} is no drill")
            work.take(message)

    def _admit(self, number: int, room: bool, cost: Cost, left_s: float) -> bool:
        """Whether there is room for a new request, also beside others of its stream.

        If not, the device is told.
        """
        admission, peer = self._host.admission, self._stream.peer
        busy = (
            admission.begin(peer, cost, left_s=left_s, load=self._host.workers.load)
            if room
            else admission.too_many_of_one()
        )
        if busy is not None:
            self._host.workers.want(peer, cost.work_s)
            self._refuse(number, Refusal.of(busy))
        return busy is None

    def _keep(
        self, number: int, work: EdgeInference | EdgeDrill, cost: Cost, left_s: float
    ) -> None:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(min(left_s, LONGEST_REQUEST_S), self._expire, number)
        self._open[number] = _Asked(work, cost, timer)

    def _refuse(self, number: int, no: Refusal) -> None:
        self._end(number)
        kind = no.kind.name.lower()
        self._host.metrics.refused(kind)
        named = f"{self._stream.id}-{number}"
        tell("refused", request=named, peer=self._stream.peer, kind=kind, reason=str(no))
        refused = Refused(number, no.kind, str(no), no.retry_after_ms)
        self._answers.put_nowait((0, encode(refused)))

    def _end(self, number: int) -> None:
        """Do no more for a request."""
        self._requests.end(number)
        asked = self._open.pop(number, None)
        if asked is not None:
            asked.timer.cancel()
            asked.work.give_up()
            self._host.admission.end(self._stream.peer, asked.cost)

    def _expire(self, number: int) -> None:
        if self._open[number].answered:
            self._break_off(Refusal(RefusalKind.SILENT, "the device does not take its answers"))
        else:
            no = Refusal(RefusalKind.SILENT, "the deadline passed before it was done")
            self._refuse(number, no)

    # ------------------------------------------------------------------ what comes of them

    def say(self, answer: bytes) -> None:
        """Send a part of an answer."""
        self._answers.put_nowait((0, answer))

    def finish(self, number: int, answer: bytes) -> None:
        """Send the end of the answer to a request."""
        asked = self._open[number]
        asked.answered = True
        if isinstance(asked.work, EdgeInference):
            self._host.metrics.served(asked.work.spans)
        self._answers.put_nowait((number, answer))

    def fail(self, number: int, error: BaseException) -> None:
        """A request cannot be done."""
        if isinstance(error, MemoryError):
            self._refuse(number, Refusal(RefusalKind.EXHAUSTED, "not enough memory here"))
        elif isinstance(error, Refusal):
            self._refuse(number, error)
        elif isinstance(error, FusepathError):
            self._refuse(number, Refusal(RefusalKind.FAILED, str(error)))
        else:
            self._break_off(error)
