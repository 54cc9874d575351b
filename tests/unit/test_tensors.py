"""Tensors on the wire: nothing that arrives is believed before it is checked."""

from __future__ import annotations

import numpy as np
import pytest

from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.framing import Piece, RawTensor, decode, encode
from fusepath.remote import tensors

EXPECTED = {"x": ("uint8", (1, 2, 3))}
DTYPES = ("uint8", "int8", "float16", "float32", "float64", "int32", "int64", "bool")


def over_the_wire(values, expected):
    message = decode(encode(Piece(1, 1, tensors.to_send(values))))
    assert isinstance(message, Piece)
    return tensors.decode(message.tensors, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3, 4), (1,), (), (2, 0, 3)], ids=str)
def test_every_type_and_shape_comes_back_as_it_was(dtype, shape):
    value = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)

    back = over_the_wire({"x": value}, {"x": (dtype, shape)})["x"]

    np.testing.assert_array_equal(back, value, strict=True)


def test_a_view_is_sent_as_it_looks_not_as_it_lies_in_memory():
    value = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1)[1:3]

    back = over_the_wire({"x": value}, {"x": ("float32", value.shape)})["x"]

    np.testing.assert_array_equal(back, value)


def test_nan_and_infinity_travel_bit_by_bit():
    value = np.array([np.nan, np.inf, -np.inf, -0.0], dtype=np.float32)

    back = over_the_wire({"x": value}, {"x": ("float32", (4,))})["x"]

    assert back.tobytes() == value.tobytes()


def test_several_tensors_find_their_names_in_whatever_order_they_are_known():
    values = {name: np.full((2,), at, dtype=np.float32) for at, name in enumerate("cab")}
    expected = dict.fromkeys("bca", ("float32", (2,)))

    back = over_the_wire(values, expected)

    assert {name: value[0] for name, value in back.items()} == {"c": 0, "a": 1, "b": 2}


REJECTED = {
    "nothing": ([], "holds 0 tensors, expected x"),
    "twice": ([bytes(6), bytes(6)], "holds 2 tensors, expected x"),
    "a byte too few": ([bytes(5)], r"'x' has 5 bytes; uint8\[1, 2, 3\] has 6"),
    "a byte too many": ([bytes(7)], "has 7 bytes"),
    "no bytes": ([b""], "has 0 bytes"),
}


@pytest.mark.parametrize(("data", "words"), REJECTED.values(), ids=REJECTED)
def test_what_is_not_expected_is_rejected_with_a_reason(data, words):
    with pytest.raises(ProtocolError, match=words) as caught:
        tensors.decode([RawTensor(item) for item in data], EXPECTED)

    assert len(str(caught.value)) < 300


def test_what_arrived_is_not_copied_again():
    """A received map is read-only: nobody may scribble on what a message holds."""
    value = over_the_wire({"x": np.zeros((1, 2, 3), dtype=np.uint8)}, EXPECTED)["x"]

    assert not value.flags.writeable
    assert not value.flags.owndata
