"""The device's end of a stream that requests share, over a stream that a test plays."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from fusepath.errors import PeerBusyError, PeerRefusedError, PeerTimeoutError, PeerUnreachableError
from fusepath.protocol.framing import (
    WIRE_VERSION,
    Begin,
    Drilled,
    GiveUp,
    Hello,
    Message,
    Part,
    RefusalKind,
    Refused,
    Result,
    decode,
    encode,
)
from fusepath.remote.conversation import Conversation

if TYPE_CHECKING:
    from collections.abc import Coroutine

HELLO = Hello(WIRE_VERSION, "of a test")


class Played:
    """A stream whose other end is the test."""

    id = "0a1b2c3d"

    def __init__(self) -> None:
        self.said: list[Message] = []
        self.answers: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.free = asyncio.Event()
        self.free.set()
        self.cancelled = False

    async def write(self, data: bytes) -> bool:
        await self.free.wait()
        self.said.append(decode(data))
        return not self.cancelled

    async def read(self) -> bytes | None:
        data = await self.answers.get()
        if self.cancelled:
            raise PeerUnreachableError("edge:1", "the connection was given up")
        return data

    def cancel(self) -> None:
        self.cancelled = True
        self.answers.put_nowait(None)

    async def answer(self, *messages: Message) -> None:
        for message in messages:
            self.answers.put_nowait(encode(message))
        await settle()


class Channel:
    address = "edge:1"

    def __init__(self) -> None:
        self.streams: list[Played] = []

    def stream(self) -> Played:
        self.streams.append(Played())
        return self.streams[-1]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def first(request: Any) -> Begin:
    return Begin(request.number, 1, "0" * 64, request.left_us, [])


def played(talk: Coroutine[Any, Any, None]) -> None:
    asyncio.run(talk)


def test_requests_share_a_stream_and_get_what_is_for_them():
    async def talk() -> None:
        channel = Channel()
        conversation = Conversation(channel)
        early, late = conversation.begin(60), conversation.begin(60)
        # Numbers are those of the order in which messages leave, whoever asked first.
        await late.send(first(late))
        await early.send(first(early))
        (stream,) = channel.streams
        await stream.answer(HELLO, Part(2, 1, []), Drilled(1, 5), Result(2, 0, [], []))

        assert [type(message) for message in stream.said] == [Hello, Begin, Begin]
        assert [message.request for message in stream.said[1:]] == [1, 2]
        assert await late.read() == Drilled(1, 5)
        assert await early.read() == Part(2, 1, [])
        assert await early.read() == Result(2, 0, [], [])
        for request in (early, late):
            request.give_up()  # their answers are there
        await settle()
        assert len(stream.said) == 3

    played(talk())


def test_what_is_given_up_is_said_and_its_answer_is_dropped():
    async def talk() -> None:
        channel = Channel()
        conversation = Conversation(channel)
        given_up, unsent, other = (conversation.begin(60) for _ in range(3))
        for request in (given_up, other):
            await request.send(first(request))
        given_up.give_up()
        unsent.give_up()
        (stream,) = channel.streams
        await stream.answer(HELLO, Part(1, 1, []), Result(1, 0, [], []), Result(2, 0, [], []))

        assert stream.said[3:] == [GiveUp(1)]
        assert await other.read() == Result(2, 0, [], [])
        assert not stream.cancelled

    played(talk())


def test_what_is_given_up_on_its_way_ends_the_stream_and_all_that_is_on_it():
    async def talk() -> None:
        channel = Channel()
        conversation = Conversation(channel)
        stuck, other = conversation.begin(60), conversation.begin(60)
        await other.send(first(other))
        (stream,) = channel.streams
        stream.free.clear()
        sending = asyncio.create_task(stuck.send(first(stuck)))
        await settle()
        stuck.give_up()
        await settle()

        assert stream.cancelled
        with pytest.raises(PeerUnreachableError, match="given up"):
            await other.read()
        assert not await sending
        assert not await other.send(first(other))
        conversation.begin(60)
        assert len(channel.streams) == 2

    played(talk())


def test_a_refusal_ends_its_request_alone(caplog):
    caplog.set_level("INFO", "fusepath")

    async def talk() -> None:
        channel = Channel()
        conversation = Conversation(channel)
        refused, other = conversation.begin(60), conversation.begin(60)
        for request in (refused, other):
            await request.send(first(request))
        (stream,) = channel.streams
        no = Refused(1, RefusalKind.EXHAUSTED, "no room", 1500)
        await stream.answer(HELLO, no, Result(2, 0, [], []))

        with pytest.raises(PeerBusyError, match="no room") as busy:
            await refused.read()
        assert busy.value.retry_after_s == 1.5
        (line,) = caplog.records
        assert line.fields["request"] == "0a1b2c3d-1"
        assert isinstance(await other.read(), Result)

    played(talk())


def test_a_request_has_so_long_and_no_longer():
    async def talk() -> None:
        channel = Channel()
        request = Conversation(channel).begin(0.01)
        await request.send(first(request))

        with pytest.raises(PeerTimeoutError, match="no answer before the deadline"):
            await request.read()
        await settle()
        assert channel.streams[0].said[2:] == [GiveUp(1)]
        assert channel.streams[0].said[1].left_us <= 10_000

    played(talk())


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (GiveUp(1), "must say Hello first, not GiveUp"),
        (Hello(77, "9.9"), r"runs fusepath 9.9 \(wire 77\)"),
    ],
    ids=["no hello", "another version"],
)
def test_a_stream_begins_with_the_same_version(message, reason):
    async def talk() -> None:
        channel = Channel()
        conversation = Conversation(channel)
        greeting = asyncio.create_task(conversation.greet(timeout_s=60))
        await settle()
        await channel.streams[0].answer(message)

        with pytest.raises(PeerRefusedError, match=reason):
            await greeting
        assert channel.streams[0].cancelled

    played(talk())


def test_a_renewed_conversation_leaves_what_is_under_way_where_it_is():
    async def talk() -> None:
        channel = Channel()
        conversation = Conversation(channel)
        before = conversation.begin(60)
        await before.send(first(before))
        conversation.renew()
        after = conversation.begin(60)
        await after.send(first(after))
        old, new = channel.streams
        assert not old.cancelled
        await old.answer(HELLO, Result(1, 0, [], []))

        assert isinstance(await before.read(), Result)
        assert old.cancelled
        assert not new.cancelled

    played(talk())
