"""An edge server that listens: `EdgeService` behind gRPC."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError

from fusepath.errors import InputError
from fusepath.protocol.framing import RefusalKind
from fusepath.remote.access import INFER, PROFILE, Access, NotAllowedError, Shown
from fusepath.remote.edge_service import first_word
from fusepath.remote.health import Health
from fusepath.remote.journal import tell
from fusepath.remote.limits import (
    LONGEST_REQUEST_S,
    RETRY_AFTER,
    SERVER_OPTIONS,
    STREAM_ID,
    STREAM_NAME,
    STREAM_SERVICE,
)
from fusepath.remote.listening import parse_listen
from fusepath.remote.open_inference.service import Caller, OpenInference
from fusepath.remote.reflection import reflection_handlers
from fusepath.remote.transport import Refusal
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.remote.wire import open_inference_pb2 as open_pb

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from google.protobuf.message import Message

    from fusepath.remote.edge_service import EdgeService
    from fusepath.remote.metrics import Metrics
    from fusepath.remote.metrics_server import MetricsServer
    from fusepath.remote.server_tls import ServerTls

_CODES = {
    RefusalKind.MALFORMED: grpc.StatusCode.INVALID_ARGUMENT,
    RefusalKind.UNFIT: grpc.StatusCode.FAILED_PRECONDITION,
    RefusalKind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    RefusalKind.SILENT: grpc.StatusCode.DEADLINE_EXCEEDED,
}


@dataclass(frozen=True, slots=True)
class _Incoming:
    """The server's end of one gRPC call."""

    context: Any
    peer: str
    id: str = "-"

    async def read(self) -> bytes | None:
        message = await self.context.read()
        return None if message is grpc.aio.EOF else message

    async def write(self, data: bytes) -> None:
        await self.context.write(data)


class _Call(NamedTuple):
    """A call of one message each way, whose messages are bytes to gRPC."""

    name: str
    kind: type[Message]
    """Of what comes."""
    allowed: Callable[[Any], str]
    """Who calls, by the context; raises where that one may not."""
    work: Callable[[Any, Caller], Awaitable[Message]]


def _edge_handler(service: EdgeService, access: Access) -> Any:
    """What is asked before inferences."""

    async def clock(request: pb.ClockRequest, _: Caller) -> Message:
        return await service.clock(request)  # takes no work, however much is asked for

    async def profile(request: pb.ModelRequest, caller: Caller) -> Message:
        with service.loading(caller.peer):
            return await service.profile(request)

    async def prepare(request: pb.PrepareRequest, caller: Caller) -> Message:
        with service.loading(caller.peer):
            return await service.prepare(request)

    def by(right: str | None) -> Callable[[Any], str]:
        return partial(_peer, access=access, right=right)

    calls = (
        _Call("Clock", pb.ClockRequest, by(None), clock),
        _Call("Profile", pb.ModelRequest, by(PROFILE), profile),
        _Call("Prepare", pb.PrepareRequest, by(INFER), prepare),
    )
    return _handler("fusepath.v1.Edge", service.metrics, calls)


def _open_inference_handler(service: EdgeService, access: Access, health: Health) -> Any:
    """Whole models; whether the server is there is told to anybody, as of `Health`."""
    answers = OpenInference(service, lambda: health.serves)

    def anybody(_: Any) -> str:
        return ""

    known, infers = (partial(_peer, access=access, right=right) for right in (None, INFER))
    calls = (
        _Call("ServerLive", open_pb.ServerLiveRequest, anybody, answers.server_live),
        _Call("ServerReady", open_pb.ServerReadyRequest, anybody, answers.server_ready),
        _Call("ServerMetadata", open_pb.ServerMetadataRequest, known, answers.server_metadata),
        _Call("ModelReady", open_pb.ModelReadyRequest, infers, answers.model_ready),
        _Call("ModelMetadata", open_pb.ModelMetadataRequest, infers, answers.model_metadata),
        _Call("ModelInfer", open_pb.ModelInferRequest, infers, answers.model_infer),
    )
    return _handler("inference.GRPCInferenceService", service.metrics, calls)


def _handler(service_name: str, metrics: Metrics, calls: Iterable[_Call]) -> Any:
    handlers = {call.name: _unary(metrics, call) for call in calls}
    return grpc.method_handlers_generic_handler(service_name, handlers)


def _unary(metrics: Metrics, call: _Call) -> Any:
    async def admitted(data: bytes, context: Any) -> bytes:
        peer = call.allowed(context)
        try:
            request = call.kind.FromString(data)
        except DecodeError:
            reason = f"what came is no {call.kind.DESCRIPTOR.name}"
            raise Refusal(RefusalKind.MALFORMED, reason) from None
        left_s = context.time_remaining()
        caller = Caller(peer, LONGEST_REQUEST_S if left_s is None else left_s)
        said: bytes = (await call.work(request, caller)).SerializeToString()
        return said

    async def answered(data: bytes, context: Any) -> Any:
        return await _answer(metrics, call.name, admitted(data, context), context)

    # Messages are bytes to gRPC, which would answer to what is none with an error of its own.
    return grpc.unary_unary_rpc_method_handler(answered)


def _stream_handler(service: EdgeService, access: Access) -> Any:
    """The stream of requests, whose messages are bytes to gRPC."""

    async def admitted(context: Any) -> None:
        try:
            peer = _peer(context, access=access, right=INFER)
        except NotAllowedError:
            await first_word(_Incoming(context, ""))
            raise
        await service.converse(_Incoming(context, peer, _stream_id(context)))

    async def converse(_: Any, context: Any) -> None:
        await _answer(service.metrics, STREAM_NAME, admitted(context), context)

    handlers = {STREAM_NAME: grpc.stream_stream_rpc_method_handler(converse)}
    return grpc.method_handlers_generic_handler(STREAM_SERVICE, handlers)


def _stream_id(context: Any) -> str:
    """What the device calls a stream, if that is no more than a name."""
    named = str(dict(context.invocation_metadata() or ()).get(STREAM_ID, ""))[:16]
    return named if named.isascii() and named.isalnum() else "-"


def _shown(context: Any) -> Shown:
    """What a caller shows of itself; the certificate has been checked."""
    names = context.auth_context().get("x509_common_name", [b""])
    said = dict(context.invocation_metadata() or ()).get("authorization", "")
    scheme, _, token = str(said).partition(" ")
    return Shown(
        token=token.strip() if scheme.lower() == "bearer" else "",
        certificate=names[0].decode(errors="replace"),
    )


def _peer(context: Any, *, access: Access, right: str | None) -> str:
    """Who calls; without a name, one connection, however many calls and streams it carries.

    Raises:
        NotAllowedError: somebody who may not.
    """
    name = access.admitted(_shown(context), right)
    connection: str = context.peer()
    return name if name.isprintable() and name else connection


async def _answer(metrics: Metrics, name: str, call: Any, context: Any) -> Any:
    def told(kind: str, reason: Exception) -> None:
        metrics.refused(kind)
        peer, stream = context.peer(), _stream_id(context)
        tell("refused", call=name, peer=peer, stream=stream, kind=kind, reason=str(reason))

    try:
        return await call
    except Refusal as refusal:
        told(refusal.kind.name.lower(), refusal)
        trailing = ((RETRY_AFTER, str(refusal.retry_after_ms)),) if refusal.retry_after_s else ()
        await context.abort(_CODES[refusal.kind], str(refusal), trailing)
    except NotAllowedError as error:
        told("not allowed", error)
        denied, unknown = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED
        await context.abort(denied if error.known else unknown, str(error))


class EdgeServer:
    """A listening edge server.

    Args:
        listen: ``HOST:PORT``; port 0 picks a free one.
        service: what answers; it is closed with the server.
        access: who may use it.
        tls: its certificates; None does not encrypt.
    """

    def __init__(
        self,
        listen: str,
        service: EdgeService,
        *,
        access: Access | None = None,
        tls: ServerTls | None = None,
    ) -> None:
        self._access = Access() if access is None else access
        self._tls = tls
        self._listen = listen
        self._service = service
        self._server: Any = None
        self.address = ""

    async def start(self) -> str:
        """Listen; the address with the port that was taken.

        Raises:
            InputError: the address is malformed or taken, or a certificate cannot be used.
        """
        host, _ = parse_listen(self._listen)
        credentials = None if self._tls is None else self._tls.credentials()
        self._health = Health()
        self._server = grpc.aio.server(options=SERVER_OPTIONS)
        served = self._service, self._access
        handlers = (
            _edge_handler(*served),
            _stream_handler(*served),
            _open_inference_handler(*served, self._health),
            self._health.handler(),
            *reflection_handlers(),
        )
        self._server.add_generic_rpc_handlers(handlers)
        try:
            bound = (
                self._server.add_insecure_port(self._listen)
                if credentials is None
                else self._server.add_secure_port(self._listen, credentials)
            )
        except RuntimeError as error:
            # What OpenSSL has found good may be too weak for gRPC, which does not say so.
            or_else = (
                ""
                if self._tls is None
                else f", or gRPC takes no '{self._tls.certificate}' with '{self._tls.key}'"
            )
            raise InputError(
                f"cannot listen on {self._listen}: the address is taken or not of this machine"
                f"{or_else}"
            ) from error
        await self._server.start()
        self.address = f"{host}:{bound}"
        return self.address

    async def stop(self, grace_s: float = 10.0) -> None:
        """Finish what is running, then close."""
        self._health.stop()
        await self._server.stop(grace_s)
        self._service.close()


async def serve(
    server: EdgeServer,
    *,
    ready: Callable[[str, str | None], None],
    metrics: MetricsServer | None = None,
    grace_s: float = 10.0,
) -> None:
    """Serve until SIGINT or SIGTERM, then let running inferences end.

    Args:
        server: not yet started.
        ready: called with the address once devices can connect, and that of the metrics.
        metrics: served beside.
        grace_s: seconds that running inferences are given.
    """
    stop = asyncio.Event()
    with _signals(stop):
        counted = None if metrics is None else await metrics.start()
        ready(await server.start(), counted)
        await stop.wait()
        await server.stop(grace_s)
        if metrics is not None:
            metrics.close()


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
