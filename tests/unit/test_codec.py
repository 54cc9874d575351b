"""Tensors on the wire: nothing that arrives is believed before it is checked."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import pytest

from fusepath.protocol.conversation import ProtocolError
from fusepath.remote import messages
from fusepath.remote.wire import fusepath_pb2 as pb

EXPECTED = {"x": ("uint8", (1, 2, 3))}


def tensor(**changes: object) -> pb.Tensor:
    data = bytes(range(6))
    fields = {"name": "x", "dtype": "uint8", "shape": (1, 2, 3), "data": data, "crc32": crc32(data)}
    return pb.Tensor(**(fields | changes))


def test_the_tensor_of_these_tests_is_accepted():
    values = messages.decode([tensor()], EXPECTED)

    np.testing.assert_array_equal(values["x"], np.arange(6, dtype=np.uint8).reshape(1, 2, 3))


@pytest.mark.parametrize("dtype", sorted(messages.DTYPES))
@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3, 4), (1,), (), (2, 0, 3)], ids=str)
def test_every_type_and_shape_comes_back_as_it_was(dtype, shape):
    value = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)

    sent = pb.Tensor.FromString(messages.encode("x", value).SerializeToString())

    back = messages.decode([sent], {"x": (dtype, shape)})["x"]
    np.testing.assert_array_equal(back, value, strict=True)


def test_a_view_is_sent_as_it_looks_not_as_it_lies_in_memory():
    value = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1)[1:3]

    back = messages.decode([messages.encode("x", value)], {"x": ("float32", value.shape)})["x"]

    np.testing.assert_array_equal(back, value)


def test_nan_and_infinity_travel_bit_by_bit():
    value = np.array([np.nan, np.inf, -np.inf, -0.0], dtype=np.float32)

    back = messages.decode([messages.encode("x", value)], {"x": ("float32", (4,))})["x"]

    assert back.tobytes() == value.tobytes()


def test_several_tensors_keep_their_order_and_come_in_any():
    values = {name: np.full((2,), at, dtype=np.float32) for at, name in enumerate("cab")}
    expected = dict.fromkeys(values, ("float32", (2,)))

    sent = messages.encode_all(values)

    assert [item.name for item in sent] == ["c", "a", "b"]
    back = messages.decode(reversed(sent), expected)
    assert {name: value[0] for name, value in back.items()} == {"c": 0, "a": 1, "b": 2}


@pytest.mark.parametrize(
    "value",
    [np.array(["text"]), np.array([None]), np.array([1j]), np.array(["2020"], dtype="datetime64")],
    ids=["text", "object", "complex", "time"],
)
def test_what_is_no_tensor_of_numbers_is_not_sent(value):
    with pytest.raises(ProtocolError, match="cannot be sent"):
        messages.encode("x", value)


REJECTED = {
    "nothing": ([], "tensor 'x' is missing"),
    "another name": ([tensor(name="y")], "tensor 'y' is not expected here"),
    "no name": ([tensor(name="")], "tensor '' is not expected here"),
    "twice": ([tensor(), tensor()], "tensor 'x' is not expected here"),
    "one more": ([tensor(), tensor(name="z")], "tensor 'z' is not expected here"),
    "another type": ([tensor(dtype="int8")], r"'x' is int8\[1, 2, 3\], expected uint8\[1, 2, 3\]"),
    "a type of the same size under another name": ([tensor(dtype="u1")], "is u1"),
    "an object type": ([tensor(dtype="object")], "is object"),
    "another order of the shape": ([tensor(shape=(3, 2, 1))], r"is uint8\[3, 2, 1\]"),
    "one dimension less": ([tensor(shape=(2, 3))], r"is uint8\[2, 3\]"),
    "negative dimensions": ([tensor(shape=(-1, -2, 3))], r"is uint8\[-1, -2, 3\]"),
    "huge dimensions": ([tensor(shape=(2**62, 2**62))], "is uint8"),
    "a thousand dimensions": ([tensor(shape=(1,) * 1000)], "is uint8"),
    "a byte too few": ([tensor(data=bytes(5), crc32=crc32(bytes(5)))], "has 5 bytes"),
    "a byte too many": ([tensor(data=bytes(7), crc32=crc32(bytes(7)))], "has 7 bytes"),
    "no bytes": ([tensor(data=b"", crc32=0)], "has 0 bytes"),
    "a wrong checksum": ([tensor(crc32=1)], "was damaged on the way"),
    "a changed byte": ([tensor(data=bytes([0, 1, 2, 3, 4, 4]))], "was damaged on the way"),
}


@pytest.mark.parametrize(("tensors", "words"), REJECTED.values(), ids=REJECTED)
def test_what_is_not_expected_is_rejected_with_a_reason(tensors, words):
    with pytest.raises(ProtocolError, match=words) as caught:
        messages.decode(tensors, EXPECTED)

    assert len(str(caught.value)) < 300


def test_a_long_or_strange_name_does_not_flood_the_message():
    with pytest.raises(ProtocolError) as caught:
        messages.decode([tensor(name="x\n" * 100_000)], EXPECTED)

    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_what_arrived_is_not_copied_again():
    """A received map is read-only: nobody may scribble on what a message holds."""
    value = messages.decode([tensor()], EXPECTED)["x"]

    assert not value.flags.writeable
