"""A connection to an edge server over gRPC."""

from __future__ import annotations

import asyncio
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import grpc

from fusepath.errors import (
    InputError,
    PeerError,
    PeerRefusedError,
    PeerTimeoutError,
    PeerUnreachableError,
)
from fusepath.protocol.framing.text import MAX_TEXT_BYTES, one_line
from fusepath.remote.device_tls import SCHEME, Papers, target_of, why_not
from fusepath.remote.health import CHECK, SERVING
from fusepath.remote.limits import CHANNEL_OPTIONS, RETRY_AFTER, STREAM_ID, STREAM_METHOD
from fusepath.remote.refused import busy
from fusepath.remote.wire import fusepath_pb2_grpc as pb_grpc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

_REFUSALS = {
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
}

_HOST = re.compile(r"[\w.-]+|\[[0-9A-Fa-f:.]+(%[\w.-]+)?\]")
"""A name, an address of IPv4, or one of IPv6 in brackets."""

_State = grpc.ChannelConnectivity
_LOOK_EVERY_S = 0.002
"""Between looks at whether a connection is there."""
_GOODBYE_S = 0.25
"""How long a server may take to agree that a stream ends."""


def check_address(address: str) -> None:
    """Raise unless an address is ``HOST:PORT`` or ``grpcs://HOST:PORT``.

    Raises:
        InputError: it is not.
    """
    host, _, port = target_of(str(address)).rpartition(":")
    spelt = _HOST.fullmatch(host) is not None
    if not spelt or not port.isdecimal() or not 0 < int(port) <= 65535:
        raise InputError(
            f"edge address '{address}' is not HOST:PORT, like 192.168.1.20:7070, or "
            f"{SCHEME}HOST:PORT; commas separate several"
        )


class GrpcChannel:
    """Calls of an edge server, encrypted or not as the address says; open it with `open`.

    Args:
        address: ``HOST:PORT`` or ``grpcs://HOST:PORT``.
        papers: what the device shows, and what it trusts.
    """

    def __init__(self, address: str, papers: Papers) -> None:
        check_address(address)
        self.address = address
        self._metadata = papers.metadata(address)
        target = target_of(address)
        self._channel = (
            grpc.aio.secure_channel(target, papers.credentials(), options=CHANNEL_OPTIONS)
            if address.startswith(SCHEME)
            else grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
        )
        self._closed = False
        self._stub: Any = pb_grpc.EdgeStub(self._channel)  # type: ignore[no-untyped-call] # generated
        self._converse = self._channel.stream_stream(STREAM_METHOD)  # bytes as they are
        self._streams: WeakSet[GrpcStream] = WeakSet()

    @classmethod
    async def open(cls, address: str, *, timeout_s: float) -> GrpcChannel:
        """Connect.

        Raises:
            InputError: the address is malformed, or a file of certificates cannot be used.
            PeerRefusedError: who answers there is not trusted, or does not trust this device.
            PeerUnreachableError: nobody answers there.
        """
        papers = Papers.of()
        channel = cls(address, papers)
        try:
            async with asyncio.timeout(timeout_s):
                await channel._reach(papers)
        except BaseException as error:
            await channel.close()
            if isinstance(error, TimeoutError):
                raise PeerUnreachableError(
                    address,
                    f"nobody answered within {timeout_s:g} s; "
                    f"is `fusepath serve` there, and the way to it open?",
                ) from None
            raise
        return channel

    async def call(self, method: str, request: Message, *, timeout_s: float) -> Any:
        """One message there and one back."""
        self._check_open()
        with _translating(self.address):
            call = getattr(self._stub, method)
            answer = await call(request, timeout=timeout_s, metadata=self._metadata)
        return _said(self.address, answer)

    async def serves(self, *, timeout_s: float) -> bool:
        """Whether the server takes devices, as gRPC's health protocol has it.

        Raises:
            PeerError: it does not answer, or knows no such question.
        """
        self._check_open()
        with _translating(self.address):
            answer = await self._channel.unary_unary(CHECK)(b"", timeout=timeout_s)
        return bool(_said(self.address, answer) == SERVING)

    def stream(self) -> GrpcStream:
        """Open a stream."""
        self._check_open()
        named = secrets.token_hex(4)
        call = self._converse(metadata=((STREAM_ID, named), *(self._metadata or ())))
        stream = GrpcStream(self.address, call, named)
        self._streams.add(stream)
        return stream

    async def close(self) -> None:
        """Let everything go."""
        self._closed = True
        for stream in tuple(self._streams):
            await stream.close()
        await self._channel.close()

    async def _reach(self, papers: Papers) -> None:
        """Wait for a connection.

        To be told by gRPC would be to be told even of a channel that was given up, when the event
        loop may be closed.

        Raises:
            PeerRefusedError: one of the two does not trust the other.
            PeerUnreachableError: the network says that nobody takes connections there.
        """
        failed = False
        while (state := self._channel.get_state(try_to_connect=True)) is not _State.READY:
            failed, before = state is _State.TRANSIENT_FAILURE, failed
            if failed and not before:
                reason = await _reason(self.address, papers)
                if reason is not None:
                    raise reason
            await asyncio.sleep(_LOOK_EVERY_S)

    def _check_open(self) -> None:
        if self._closed:
            raise PeerUnreachableError(self.address, "the connection was given up")


async def _reason(address: str, papers: Papers) -> PeerError | None:
    """`why_not`, on a thread that ends with it: those of the event loop would stay."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="fusepath-reason")
    try:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(thread, why_not, address, papers)
    finally:
        thread.shutdown(wait=False)


class GrpcStream:
    """The device's end of a stream over gRPC."""

    def __init__(self, address: str, call: Any, named: str) -> None:
        self.id = named
        self._address = address
        self._call = call
        self._is_writing = False
        self._ended = asyncio.Event()
        """Whether whoever reads has been told the end."""

    async def write(self, data: bytes) -> bool:
        """Send a message; False once the stream has ended."""
        self._is_writing = True
        try:
            await self._call.write(data)
        except (asyncio.InvalidStateError, grpc.aio.AioRpcError):
            return False
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            return False
        finally:
            self._is_writing = False
        return True

    async def read(self) -> bytes | None:
        """The next message of the server; None after the last."""
        try:
            data = await self._read()
        except BaseException:
            self._ended.set()
            raise
        if data is None:
            self._ended.set()
        return data

    async def _read(self) -> bytes | None:
        with _translating(self._address):
            message = await self._call.read()
            if message is not grpc.aio.EOF:
                return bytes(message)
            code = await self._call.code()  # raises the reason, where there is one
            if code is not grpc.StatusCode.OK:
                raise PeerRefusedError(self._address, _told(code, await self._call.details()))
        return None

    def cancel(self) -> None:
        """End it, if it has not ended."""
        self._call.cancel()

    async def close(self) -> None:
        """End it in agreement with the server, if that takes no time.

        What gRPC has yet to tell of a call that was cancelled, it would tell an event loop that may
        be closed by then, and complain.
        """
        if self._is_writing or self._ended.is_set():
            self.cancel()
            return
        try:
            async with asyncio.timeout(_GOODBYE_S):
                with suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
                    await self._call.done_writing()
                await self._ended.wait()
        except TimeoutError:
            self.cancel()


def _said(address: str, answer: Any) -> Any:
    """The answer of a call that has one."""
    if answer is None or answer is grpc.aio.EOF:
        raise PeerRefusedError(address, "gave no answer; is it a fusepath server?")
    return answer


def _is_cancelled() -> bool:
    """Whether whoever waits is cancelled, and not the call that is waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@contextmanager
def _translating(address: str) -> Iterator[None]:
    """Says what the edge server did where gRPC raises something."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise translated(address, error) from error
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        raise PeerUnreachableError(address, "the connection was given up") from error


def _told(code: grpc.StatusCode, details: str | None) -> str:
    """What a server said of an end, in its first line."""
    first = (details or "").strip().partition("\n")[0]
    return one_line(first)[:MAX_TEXT_BYTES] or code.name


def _retry_after_ms(error: grpc.aio.AioRpcError) -> int:
    """How long a server asks to be left alone; 0 where it does not say, or nonsense."""
    for name, value in error.trailing_metadata() or ():
        if name == RETRY_AFTER and str(value).isascii() and str(value).isdigit():
            return int(value[:9])
    return 0


def translated(address: str, error: grpc.aio.AioRpcError) -> PeerError:
    """What the edge server did, from what gRPC raises."""
    code = error.code()
    text = _told(code, error.details())
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return PeerTimeoutError(address, "no answer before the deadline")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return busy(address, text, _retry_after_ms(error))
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return PeerRefusedError(address, f"refused: {text}; is it another version of fusepath?")
    if code in _REFUSALS:
        return PeerRefusedError(address, f"refused: {text}")
    # Whatever else went wrong, the server is of no use now: a killed one even says INTERNAL.
    return PeerUnreachableError(address, f"the connection was lost ({text})")
