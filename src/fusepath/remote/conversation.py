"""The device's end of the stream to an edge server, which all requests share and keep open."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from fusepath.errors import PeerError, PeerRefusedError, PeerTimeoutError, PeerUnreachableError
from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.framing import (
    WIRE_VERSION,
    Drilled,
    GiveUp,
    Hello,
    Part,
    Refused,
    Result,
    check_hello,
    decode,
    encode,
)
from fusepath.protocol.requests import DeviceRequests
from fusepath.remote.journal import tell
from fusepath.remote.refused import refused
from fusepath.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.protocol.framing import Message
    from fusepath.remote.transport import Channel, Stream

    Answer = Part | Result | Drilled


class Conversation:
    """Requests of one device to one edge server.

    The stream is opened when it is needed, and again after it was lost; with it are lost all
    requests that were on it.

    Args:
        channel: leads to the edge server; whoever opened it closes it.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._open: _OpenStream | None = None

    async def greet(self, *, timeout_s: float) -> None:
        """See to it that there is a stream, and that both sides speak the same version.

        Raises:
            PeerError: the server refused, vanished or took too long.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(self._stream().greeted)
        except TimeoutError:
            if self._open is not None:
                self._open.cancel()
            raise PeerTimeoutError(self._channel.address, "no answer before the deadline") from None

    def renew(self) -> None:
        """Have what follows go over another stream; what is under way goes on.

        A stream on which an answer is late may be of no use any more, and nothing says so.
        """
        if self._open is not None:
            self._open.retire()
            self._open = None

    def begin(self, left_s: float) -> Request:
        """A new request.

        Args:
            left_s: seconds after which nobody waits for its answer any more.

        Raises:
            PeerUnreachableError: the channel is closed.
        """
        return self._stream().begin(left_s)

    def _stream(self) -> _OpenStream:
        if self._open is None or self._open.ended:
            self._open = _OpenStream(self._channel.address, self._channel.stream())
        return self._open


class Request:
    """One request; made by `Conversation.begin`.

    Args:
        stream: that it is made on.
        left_s: seconds until it is given up.
    """

    def __init__(self, stream: _OpenStream, left_s: float) -> None:
        self._number = 0
        self._stream = stream
        self._answers: asyncio.Queue[Answer | None] = asyncio.Queue()
        self._error: PeerError | None = None
        loop = asyncio.get_running_loop()
        self._due_s = loop.time() + left_s
        self._timer = loop.call_at(self._due_s, self._expire)
        self._writing = 0

    @property
    def number(self) -> int:
        """By which both sides know it, from its first message on."""
        if not self._number:
            self._number = self._stream.number_of(self)
        return self._number

    @property
    def stream(self) -> object:
        """What it is made on; another one after that was lost."""
        return self._stream

    @property
    def left_us(self) -> int:
        """Microseconds until it is given up."""
        return max(round((self._due_s - asyncio.get_running_loop().time()) * 1e6), 0)

    async def send(self, message: Message) -> bool:
        """Send a message; False once nothing will come of it (`read` tells why).

        Whoever gives up waiting leaves the message on its way.
        """
        self._writing += 1
        return await self._stream.send(message, self._written)

    def _written(self) -> None:
        self._writing -= 1

    async def read(self) -> Answer:
        """What the server answers next.

        Raises:
            PeerError: it refused, vanished, talked nonsense or took too long.
        """
        answer = await self._answers.get()
        if answer is None:
            assert self._error is not None  # why nothing comes any more
            raise self._error
        return answer

    def end(self) -> None:
        """Nothing more is waited for."""
        self._timer.cancel()
        self._stream.end(self, self._number)

    def give_up(self) -> None:
        """Nothing more is waited for, and the server need do no more for it.

        What is still on its way would hold up whatever follows, so the stream is ended with it.
        """
        self._timer.cancel()
        if self._writing:
            self._stream.cancel()
        elif self._stream.end(self, self._number) and self._number:
            self._stream.send(GiveUp(self._number))

    def answered(self, answer: Answer) -> None:
        """The server has said something."""
        self._answers.put_nowait(answer)

    def lost(self, error: PeerError) -> None:
        """Nothing more will come."""
        self._timer.cancel()
        self._error = error
        self._answers.put_nowait(None)

    def _expire(self) -> None:
        address = self._stream.address
        self.lost(PeerTimeoutError(address, "no answer before the deadline"))
        self.give_up()


class _Outgoing(NamedTuple):
    """A message that is to be sent, and who is told when it has been, or cannot be."""

    data: bytes
    sent: asyncio.Future[bool]
    written: Callable[[], None] | None

    def settle(self, done: bool) -> None:
        """Tell whether it has been sent."""
        if self.written is not None:
            self.written()
        if not self.sent.done():
            self.sent.set_result(done)


class _OpenStream:
    """A stream as long as it lasts."""

    def __init__(self, address: str, stream: Stream) -> None:
        self.address = address
        self.ended = False
        self._retired = False
        self._stream = stream
        self._machine = DeviceRequests()
        self._requests: set[Request] = set()
        """That wait for something."""
        self._numbered: dict[int, Request] = {}
        self._outbox: deque[_Outgoing] = deque()
        self._posted = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.greeted: asyncio.Future[None] = loop.create_future()
        self.greeted.add_done_callback(_seen)
        self._hello = Hello(WIRE_VERSION, VERSION)
        self.send(self._hello)
        self._writing = loop.create_task(self._write())
        self._reading = loop.create_task(self._read())

    def begin(self, left_s: float) -> Request:
        request = Request(self, left_s)
        self._requests.add(request)
        return request

    def number_of(self, request: Request) -> int:
        """A number for a request that has none."""
        number = self._machine.begin()
        self._numbered[number] = request
        return number

    def end(self, request: Request, number: int) -> bool:
        """Whether the server may still be at work on it."""
        held = request in self._requests
        self._requests.discard(request)
        self._numbered.pop(number, None)
        self._machine.end(number)
        if self._retired:
            self.retire()
        return held and not self.ended

    def retire(self) -> None:
        """End it as soon as nothing is waited for."""
        self._retired = True
        if not self._requests:
            self.cancel()

    def send(
        self, message: Message, written: Callable[[], None] | None = None
    ) -> asyncio.Future[bool]:
        """Send when all before it has been sent; whoever gives up waiting does not break it off."""
        sent: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._outbox.append(_Outgoing(encode(message), sent, written))
        self._posted.set()
        if self.ended:
            self._drop()
        return sent

    async def _write(self) -> None:
        """One message after the other: a stream takes no second one meanwhile."""
        while True:
            await self._posted.wait()
            self._posted.clear()
            while self._outbox:
                done = await self._stream.write(self._outbox[0].data)
                if self._outbox:  # or it has ended
                    self._outbox.popleft().settle(done)

    def _drop(self) -> None:
        """Nothing more is sent."""
        while self._outbox:
            self._outbox.popleft().settle(False)

    def _id(self, number: int) -> str:
        """By which both sides know a request, in what they log."""
        return f"{self._stream.id}-{number}"

    def cancel(self) -> None:
        """End it; `_read` tells whoever waits."""
        self.ended = True
        self._drop()
        self._stream.cancel()

    async def _read(self) -> None:
        error: PeerError = PeerUnreachableError(self.address, "the connection was given up")
        try:
            check_hello(await self._message(), self._hello, "edge server")
            self.greeted.set_result(None)
            while True:
                self._take(await self._message())
        except PeerError as lost:
            error = lost
        except ProtocolError as nonsense:
            error = PeerRefusedError(self.address, str(nonsense))
        except Exception as failed:  # of a server within this process
            error = PeerUnreachableError(self.address, f"the connection was lost ({failed})")
        finally:
            self.cancel()
            self._writing.cancel()
            if not self.greeted.done():
                self.greeted.set_exception(error)
            requests, self._requests = self._requests, set()
            for request in requests:
                request.lost(error)

    async def _message(self) -> Message:
        data = await self._stream.read()
        if data is None:
            raise ProtocolError("the stream ended without a result")
        return decode(data)

    def _take(self, message: Message) -> None:
        if not isinstance(message, Part | Result | Refused | Drilled):
            raise ProtocolError(f"the server sent {type(message).__name__}")
        if not self._machine.waits(message.request):
            return
        request = self._numbered[message.request]
        if isinstance(message, Part):
            request.answered(message)
            return
        self.end(request, message.request)
        if isinstance(message, Refused):
            no = refused(self.address, message.kind, message.reason, message.retry_after_ms)
            request.lost(no)
            tell("refused by the server", request=self._id(message.request), reason=str(no))
        else:
            request.answered(message)


def _seen(future: asyncio.Future[None]) -> None:
    """It need not be waited for."""
    if not future.cancelled():
        future.exception()
