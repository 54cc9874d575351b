"""Lossless codecs: every bit comes back, and bytes that no encoder wrote are refused."""

from __future__ import annotations

import importlib.util
import struct

import numpy as np
import pytest
import zstandard

from fusepath.errors import InputError
from fusepath.runtime import codecs as lossless
from fusepath.runtime.codecs import CODECS, FOR_PICTURES, find_codec, is_installed
from fusepath.runtime.coders import DamagedError
from tests.extras import codecs_as

every_codec = codecs_as("name", CODECS)
NAN_PAYLOADS = np.array(
    [0x7FC00000, 0x7FC00001, 0xFFC0DEAD, 0x7F800001, 0x7F800000, 0xFF800000], dtype=np.uint32
).view(np.float32)
ARRAYS = {
    "all zero": np.zeros((1, 3, 8, 8), dtype=np.float32),
    "no zero": np.full((1, 3, 8, 8), 1.5, dtype=np.float32),
    "negative zero": np.full((5,), -0.0, dtype=np.float32),
    "both zeros": np.array([0.0, -0.0, 0.0, -0.0, 1.0], dtype=np.float32),
    "payloads of NaN and infinities": NAN_PAYLOADS,
    "denormal": np.array([1e-45, -1e-45, 0.0], dtype=np.float32),
    "empty": np.zeros((1, 0, 4, 4), dtype=np.float32),
    "a scalar": np.array(3.25, dtype=np.float32),
    "a scalar zero": np.array(0.0, dtype=np.float64),
    "one element": np.ones((1,), dtype=np.float32),
    "eight elements": np.arange(8, dtype=np.float32),
    "nine elements": np.arange(9, dtype=np.float32),
    "pixels": np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16),
    "black pixels": np.zeros((1, 3, 5, 7), dtype=np.uint8),
    "truths": np.array([True, False, True, True, False]),
    "halves": np.array([0, -0.0, np.nan, np.inf, 6e-8], dtype=np.float16),
    "doubles": np.array([0, -0.0, np.nan, 1e-310, 1e308]),
    "signed": np.array([-128, 127, 0, -1], dtype=np.int8),
    "long": np.array([-(2**63), 2**63 - 1, 0]),
    "a transposed view": np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1),
    "every other column": np.arange(40, dtype=np.float32).reshape(4, 10)[:, ::2],
    "backwards": np.arange(7, dtype=np.float32)[::-1],
}


def relu_map(seed: int = 0, shape: tuple[int, ...] = (1, 8, 16, 16)) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return np.maximum(noise, 0)


@every_codec
@pytest.mark.parametrize("value", ARRAYS.values(), ids=ARRAYS)
def test_every_bit_comes_back(name, value):
    codec = find_codec(name)

    back = codec.decode(codec.encode(value), value.dtype, value.shape)

    assert back.dtype == value.dtype
    assert back.shape == value.shape
    assert back.tobytes() == value.tobytes()


@every_codec
@pytest.mark.parametrize("seed", range(12))
def test_random_bits_of_random_shapes_come_back(name, seed):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(rng.choice(["u1", "i1", "f2", "f4", "f8", "i4", "i8"]))
    shape = tuple(rng.integers(0, 12, rng.integers(1, 5)).tolist())
    size = int(np.prod(shape)) * dtype.itemsize
    value = np.frombuffer(rng.bytes(size), dtype=dtype).reshape(shape).copy()
    value[rng.random(shape) < rng.random()] = 0
    codec = find_codec(name)

    back = codec.decode(codec.encode(value), dtype, shape)

    assert back.tobytes() == value.tobytes()


def test_a_bitmask_takes_a_bit_per_element_and_the_elements_that_are_not_zero():
    value = relu_map()

    size = len(find_codec("bitmask").encode(value))

    assert size == value.size // 8 + 4 * np.count_nonzero(value)


@codecs_as("name", [name for name in CODECS if name not in FOR_PICTURES])
def test_what_relu_leaves_gets_smaller(name):
    value = relu_map()

    assert len(find_codec(name).encode(value)) < 0.8 * value.nbytes


@every_codec
def test_cut_off_or_longer_data_are_refused(name):
    codec, value = find_codec(name), relu_map()
    data = codec.encode(value)

    for wrong in (b"", data[:1], data[: len(data) // 2], data[:-1], data + b"\0", data * 2):
        with pytest.raises(DamagedError):
            codec.decode(wrong, value.dtype, value.shape)


@every_codec
def test_data_of_another_size_are_refused(name):
    codec, value = find_codec(name), relu_map()
    data = codec.encode(value)

    for shape in ((1, 8, 16, 15), (1, 8, 16, 17), (0,), (1,)):
        with pytest.raises(DamagedError):
            codec.decode(data, value.dtype, shape)


@every_codec
@pytest.mark.parametrize("seed", range(40))
def test_damaged_data_are_refused_or_give_a_tensor_of_the_right_size(name, seed):
    """Checksums find damage; here it is enough that a decoder neither crashes nor swells."""
    rng = np.random.default_rng(seed)
    codec, value = find_codec(name), relu_map(seed)
    data = bytearray(codec.encode(value))
    for _ in range(rng.integers(1, 8)):
        data[rng.integers(len(data))] = rng.integers(256)
    if seed % 4 == 0:
        data = bytearray(rng.bytes(len(data)))

    try:
        back = codec.decode(bytes(data), value.dtype, value.shape)
    except DamagedError:
        return
    assert back.nbytes == value.nbytes


def test_a_presence_bit_behind_the_last_element_is_refused():
    value = np.ones(3, dtype=np.uint8)
    data = bytearray(find_codec("bitmask").encode(value))
    data[0] |= 1

    with pytest.raises(DamagedError, match="behind the last element"):
        find_codec("bitmask").decode(bytes(data) + b"\1", value.dtype, value.shape)


def test_a_zstd_frame_that_states_a_huge_size_is_refused_before_room_is_made():
    bomb = zstandard.ZstdCompressor().compress(bytes(64))
    huge = bomb[:4] + bytes([0xE0]) + struct.pack("<Q", 2**50) + bomb[6:]
    assert zstandard.get_frame_parameters(huge).content_size == 2**50

    with pytest.raises(DamagedError, match="instead of 64"):
        find_codec("zstd").decode(huge, np.dtype("u1"), (64,))


def test_a_zstd_frame_that_states_no_size_is_refused():
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(64))

    with pytest.raises(DamagedError):
        find_codec("zstd").decode(frame, np.dtype("u1"), (64,))


@codecs_as("name", ["zstd", "lz4"])
@pytest.mark.parametrize("size", [63, 65, 1 << 20])
def test_bombs_of_another_size_are_refused(name, size):
    data = find_codec(name).encode(np.zeros(size, np.uint8))

    with pytest.raises(DamagedError):
        find_codec(name).decode(data, np.dtype("u1"), (64,))


def test_an_unknown_codec_is_named_with_the_known_ones():
    with pytest.raises(InputError, match="no codec 'zip'; known ones are bitmask, "):
        find_codec("zip")


def test_a_codec_without_its_package_says_what_to_install(monkeypatch):
    def find(package: str) -> object:
        return None if package == "lz4" else importlib.util.find_spec(package)

    monkeypatch.setattr(lossless, "find_spec", find)

    assert not is_installed("bitmask+lz4")
    assert is_installed("bitmask+zstd")
    assert is_installed("picture")
    with pytest.raises(InputError, match=r"install 'fusepath\[codec\]', or use one without it"):
        find_codec("bitmask+lz4")
