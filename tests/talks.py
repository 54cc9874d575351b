"""Streams of an edge server and of a device, by hand."""

from __future__ import annotations

import queue
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc

from fusepath.protocol.framing import Drilled, Message, Refused, Result, decode, encode
from fusepath.remote.limits import STREAM_METHOD, STREAM_NAME, STREAM_SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Answered = Message | bytes
"""What is said: a message, or whatever bytes."""
TIMEOUT_S = 30.0


def as_bytes(message: Answered) -> bytes:
    return message if isinstance(message, bytes) else encode(message)


@contextmanager
def converse(
    channel: grpc.Channel,
) -> Iterator[tuple[Callable[..., None], Callable[[], Message]]]:
    """A stream for the time of a ``with`` block: how to say something, and to read."""
    said: queue.Queue[Answered | None] = queue.Queue()
    call = channel.stream_stream(STREAM_METHOD)(map(as_bytes, iter(said.get, None)))

    def say(*messages: Answered) -> None:
        for message in messages:
            said.put(message)

    try:
        yield say, lambda: decode(next(call))
    finally:
        call.cancel()
        said.put(None)


def talk(channel: grpc.Channel, *messages: Answered, ends: int = 1) -> list[Any]:
    """Say some messages on one stream; its answers until so many requests have ended."""
    said: queue.Queue[Answered | None] = queue.Queue()
    for message in messages:
        said.put(message)
    call = channel.stream_stream(STREAM_METHOD)(
        map(as_bytes, iter(said.get, None)), timeout=TIMEOUT_S
    )
    answers: list[Message] = []
    try:
        next(call)  # its hello
        for data in call:
            answers.append(decode(data))
            ends -= isinstance(answers[-1], Result | Refused | Drilled)
            if not ends:
                break
    finally:
        said.put(None)
    call.cancel()
    return answers


def serving_stream(answer: Callable[[Iterator[Message]], Iterator[Answered]]) -> Any:
    """A handler of streams for a server of gRPC."""

    def handle(messages: Iterator[bytes], _: Any) -> Iterator[bytes]:
        yield from map(as_bytes, answer(map(decode, messages)))

    handlers = {STREAM_NAME: grpc.stream_stream_rpc_method_handler(handle)}
    return grpc.method_handlers_generic_handler(STREAM_SERVICE, handlers)
