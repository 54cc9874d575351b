"""Messages as bytes: what is sent is what arrives, and what was changed on the way is noticed."""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.framing import (
    WIRE_VERSION,
    Begin,
    Drill,
    Drilled,
    EdgeSpan,
    GiveUp,
    Hello,
    Part,
    Piece,
    RawTensor,
    RefusalKind,
    Refused,
    Result,
    Reused,
    check_hello,
    decode,
    encode,
)
from fusepath.protocol.framing.header import HEADER_BYTES, Header, Kind
from fusepath.protocol.framing.header import sealed as with_header
from tests.effort import some

FUZZED = 10_000

numbers = st.integers(0, 2**64 - 1)
paths = st.integers(0, 2**16 - 1)
signed = st.integers(-(2**63), 2**63 - 1)
lists_of_tensors = st.lists(st.builds(RawTensor, st.binary(max_size=300), st.booleans()))
keeps = st.lists(paths)
reused = st.lists(st.builds(Reused, paths, numbers))
spans = st.lists(st.builds(EdgeSpan, paths, paths, signed, signed, signed))
words = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=100)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
messages = st.one_of(
    st.builds(Hello, st.just(WIRE_VERSION), words),
    st.builds(Begin, numbers, paths, digests, numbers, lists_of_tensors, numbers, keeps, reused),
    st.builds(Piece, numbers, paths, lists_of_tensors),
    st.builds(Part, numbers, paths, lists_of_tensors),
    st.builds(Result, numbers, numbers, spans, lists_of_tensors),
    st.builds(Refused, numbers, st.sampled_from(RefusalKind), words, st.integers(0, 2**32 - 1)),
    st.builds(GiveUp, numbers),
    st.builds(Drill, numbers, st.integers(0, 2**32 - 1), lists_of_tensors),
    st.builds(Drilled, numbers, signed),
)
EVERY = [
    Hello(WIRE_VERSION, "1.2.3"),
    Begin(
        7,
        2,
        "0f" * 32,
        5_000_000,
        [RawTensor(b"picture"), RawTensor(b"", encoded=True)],
        5,
        [2],
        [Reused(1, 6), Reused(3, 4)],
    ),
    Piece(8, 3, [RawTensor(b"rows", encoded=True)]),
    Part(8, 3, [RawTensor(b"more rows")]),
    Result(9, 10**12, [EdgeSpan(1, 2, 3, 4, 5), EdgeSpan(0, 0, -3, 9)], [RawTensor(b"scores")]),
    Refused(10, RefusalKind.EXHAUSTED, "no room", 1500),
    GiveUp(11),
    Drill(12, 3, [RawTensor(bytes(30))]),
    Drilled(12, 45_000),
]


@given(messages)
@settings(max_examples=some(300), deadline=None)
def test_every_message_comes_back_as_it_was(message):
    assert decode(encode(message)) == message


def test_there_is_an_example_of_every_kind():
    assert sorted(encode(message)[5] for message in EVERY) == sorted(Kind)


@pytest.mark.parametrize("message", EVERY, ids=lambda item: type(item).__name__)
def test_every_flipped_bit_and_every_truncation_is_noticed(message):
    data = encode(message)

    for at in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[at] ^= 1 << bit
            _assert_refused(bytes(flipped))
        _assert_refused(data[:at])
        _assert_refused(data + data[:at] + b"\0")


def test_whatever_comes_is_a_message_or_refused_in_one_line():
    """Mutants of messages, most of them under checksums that are right, and mere noise."""
    rng = random.Random(13)  # noqa: S311 - nothing secret
    taken, reasons = 0, set()
    for _ in range(FUZZED):
        data = bytearray(encode(rng.choice(EVERY)))
        for _ in range(rng.choice((1, 1, 2, 8))):
            _mutate(data, rng)
        if rng.random() < 0.9:
            _seal(data)
        try:
            decode(bytes(data))
            taken += 1
        except ProtocolError as error:
            reasons.add(str(error))

    assert not any("\n" in reason or len(reason) > 300 for reason in reasons)
    assert len(reasons) > 100
    assert FUZZED / 20 < taken < FUZZED / 2  # or this shows nothing


def _mutate(data: bytearray, rng: random.Random) -> None:
    what = rng.randrange(5)
    at = rng.randrange(len(data) + 1)
    if what == 0:
        del data[at:]
    elif what == 1:
        data[at:at] = rng.randbytes(rng.randrange(1, 40))
    elif what == 2:
        data[at : at + 4] = rng.choice((b"\0" * 4, b"\xff" * 4, b"\xff\xff\xff\x7f"))
    elif at < len(data):
        data[at] = rng.randrange(256)


def _seal(data: bytearray) -> None:
    """Make size and checksums right again."""
    if len(data) >= HEADER_BYTES:
        body = data[HEADER_BYTES:]
        struct.pack_into("<II", data, HEADER_BYTES - 12, len(body), zlib.crc32(body))
        struct.pack_into("<I", data, HEADER_BYTES - 4, zlib.crc32(data[: HEADER_BYTES - 4]))


def _assert_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(data)


def sealed(message, **changes: tuple[str, int, int]) -> bytes:
    """A message with one field set to something else, and right checksums."""
    data = bytearray(encode(message))
    for layout, at, value in changes.values():
        struct.pack_into(layout, data, at, value)
    _seal(data)
    return bytes(data)


WRONG = {
    "another magic": (b"nope" + encode(EVERY[6])[4:], "no message of fusepath"),
    "an unknown kind": (sealed(GiveUp(1), kind=("<B", 5, 77)), "unknown kind 77 of message"),
    "another version": (
        sealed(GiveUp(1), version=("<B", 4, 9)),
        rf"unknown kind 7 of message, wire version 9; this is {WIRE_VERSION}",
    ),
    "an unknown refusal": (
        sealed(EVERY[5], kind=("<B", HEADER_BYTES, 9)),
        "unknown kind 9 of refusal",
    ),
    "an unknown coding": (
        sealed(EVERY[2], coding=("<B", HEADER_BYTES + 6, 2)),
        "unknown coding 2 of a tensor",
    ),
    "a tensor of four gigabytes": (
        sealed(EVERY[2], size=("<I", HEADER_BYTES + 2, 2**32 - 1)),
        "a tensor of 4294967295 bytes is longer than its message",
    ),
    "many tensors": (
        sealed(EVERY[2], count=("<H", HEADER_BYTES, 2**16 - 1)),
        "longer than its message",
    ),
    "many spans": (sealed(EVERY[4], count=("<H", HEADER_BYTES + 8, 2**16 - 1)), "too short"),
    "a long name of a version": (
        with_header(Header(Kind.HELLO), [b"9" * 501]),
        "a text of 501 bytes is longer than 500",
    ),
    "a reason that is no UTF-8": (
        with_header(Header(Kind.REFUSED, 1), [b"\1" + bytes(4) + b"no \xe4"]),
        "a text is not UTF-8 at byte 3",
    ),
    "a byte too many": (
        sealed(EVERY[2], size=("<I", HEADER_BYTES + 2, 3)),
        r"\(PIECE\) goes on for 1 bytes",
    ),
}


@pytest.mark.parametrize(("data", "reason"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_under_right_checksums_is_refused_by_name(data, reason):
    with pytest.raises(ProtocolError, match=reason):
        decode(data)


def test_what_another_version_says_of_itself_is_understood():
    other = Hello(WIRE_VERSION + 1, "9.9")

    assert decode(encode(other)) == other


def test_versions_are_compared_and_both_are_named():
    ours = Hello(WIRE_VERSION, "1.0")

    check_hello(replace(ours, software="1.1"), ours, "device")
    with pytest.raises(ProtocolError, match=r"the device runs fusepath 9 \(wire 77\), this is 1.0"):
        check_hello(Hello(77, "9"), ours, "device")
    with pytest.raises(ProtocolError, match="the device must say Hello first, not GiveUp"):
        check_hello(GiveUp(1), ours, "device")


def test_reasons_are_short_and_of_one_line():
    message = decode(encode(Refused(1, RefusalKind.UNFIT, "two\nlines " * 1000)))

    assert isinstance(message, Refused)
    assert "\n" not in message.reason
    assert len(message.reason) <= 500


def test_reasons_end_with_a_whole_character():
    message = decode(encode(Refused(1, RefusalKind.UNFIT, "x" + "ä" * 500)))

    assert isinstance(message, Refused)
    assert message.reason == "x" + "ä" * 249


@pytest.mark.parametrize(
    "message",
    [Hello(WIRE_VERSION, "evil\x1b[31m\x07"), Refused(1, RefusalKind.UNFIT, "evil\x1b[31m\x07")],
    ids=["hello", "refusal"],
)
def test_no_text_can_command_a_terminal(message):
    arrived = decode(encode(message))

    assert isinstance(arrived, Hello | Refused)
    assert (arrived.software if isinstance(arrived, Hello) else arrived.reason) == "evil [31m"
