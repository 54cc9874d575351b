"""Values that are pixels in disguise travel as pixels, and every bit of them comes back."""

from __future__ import annotations

import numpy as np
import pytest

from fusepath.offload.frames import made_up_frame
from fusepath.profiling.codecs import sample_codecs
from fusepath.runtime import disguise
from fusepath.runtime.codecs import CODECS, find_codec, suits
from fusepath.runtime.coders import DamagedError
from fusepath.runtime.disguise import DisguisedCodec
from fusepath.runtime.picture_codec import PictureCodec

MEAN = np.array([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
STD = np.array([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
SINGLE = np.float32
RECIPES = {
    "as they are": lambda x: x.astype(SINGLE),
    "by 255": lambda x: x.astype(SINGLE) / SINGLE(255),
    "times 1/255": lambda x: x.astype(SINGLE) * SINGLE(1 / 255),
    "ImageNet, single": lambda x: (x.astype(SINGLE) / 255 - MEAN.astype(SINGLE)) / STD.astype("f4"),
    "ImageNet, double": lambda x: ((x / 255 - MEAN) / STD).astype(SINGLE),
    "-1 to 1": lambda x: x.astype(SINGLE) / SINGLE(127.5) - 1,
    "less 127, by 128": lambda x: (x.astype(SINGLE) - 127) / 128,
    "less a mean": lambda x: x.astype(SINGLE) - MEAN.astype(SINGLE) * 255,
    "upside down": lambda x: 1 - x.astype(SINGLE) / 255,
}
PICTURE = made_up_frame((1, 3, 48, 64), "uint8")


def back(codec: DisguisedCodec, value: np.ndarray) -> np.ndarray:
    return codec.decode(codec.encode(value), value.dtype, value.shape)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_quarter_of_the_bytes_brings_every_bit_back_however_values_were_computed(recipe):
    value = recipe(PICTURE)
    codec = DisguisedCodec()

    assert len(codec.encode(value)) < value.nbytes / 4 + 600
    assert back(codec, value).tobytes() == value.tobytes()


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_picture_codec_takes_the_pixels_as_if_they_had_come_as_such(recipe):
    value = recipe(PICTURE)
    codec = DisguisedCodec(PictureCodec())

    size = len(codec.encode(value))

    # Upside down they are other pixels, and 0 need not be among them.
    assert size < 1.1 * len(PictureCodec().encode(PICTURE)) + 600
    assert back(codec, value).tobytes() == value.tobytes()


def test_pictures_with_other_pixels_than_the_first_one_had_come_back_too():
    rng = np.random.default_rng(0)
    codec = DisguisedCodec()
    for _ in range(200):
        low, high = sorted(rng.integers(0, 257, 2))
        shape = (1, 3, *rng.integers(1, 9, 2))
        pixels = rng.integers(low, high + 1, shape).clip(max=255)
        name = rng.choice(["ImageNet, double", "by 255", "-1 to 1"])
        value = RECIPES[name](pixels)

        assert back(codec, value).tobytes() == value.tobytes()


def test_what_stands_for_what_is_worked_out_once(monkeypatch):
    codec, find = DisguisedCodec(), disguise.find_palette
    found: list[object] = []
    monkeypatch.setattr(
        disguise, "find_palette", lambda *planes: (found.append(1), find(*planes))[1]
    )
    every = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16).repeat(3, axis=1)

    codec.encode(RECIPES["ImageNet, single"](every))
    for _ in range(3):
        codec.encode(RECIPES["ImageNet, single"](PICTURE))

    assert len(found) == 3  # one for each channel


CHANGED = {
    "one bit": ((0, 1, 5, 7), 0x3F000001),
    "between two pixels": ((0, 0, 0, 0), np.float32(0.5019).view("u4")),
    "a payload of NaN": ((0, 2, 1, 1), 0x7FC00001),
    "infinite": ((0, 2, 47, 63), 0x7F800000),
    "-0.0 beside 0.0": ((0, 0, 0, slice(0, 2)), [0x80000000, 0]),
    "huge": ((0, 1, 0, 0), np.float32(-3e38).view("u4")),
}
"""Places, and the bits that come there."""


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_a_value_that_is_no_pixel_comes_back_as_well(change):
    """Whatever else it costs: such a frame may travel as it is."""
    place, bits = change
    codec = DisguisedCodec()
    value = RECIPES["by 255"](PICTURE)
    codec.encode(value)
    changed = value.copy()
    changed.view("u4")[place] = bits

    assert back(codec, changed).tobytes() == changed.tobytes()
    assert back(codec, value).tobytes() == value.tobytes()


def test_values_that_are_no_pixels_at_all_are_left_alone():
    value = np.random.default_rng(0).random((1, 3, 32, 32), dtype=np.float32)

    data = DisguisedCodec().encode(value)

    assert len(data) > value.nbytes  # so the piece is sent plain
    assert back(DisguisedCodec(), value).tobytes() == value.tobytes()


def test_damaged_data_are_refused_or_give_a_tensor_of_the_right_size():
    value = RECIPES["ImageNet, single"](PICTURE)
    rng = np.random.default_rng(0)
    for name in ("pixels", "pixels+picture"):
        sound = CODECS[name].encode(value)
        for _ in range(300):
            data = bytearray(sound)
            data[rng.integers(len(data) if rng.random() < 0.5 else 700)] ^= 1 << rng.integers(8)
            try:
                again = CODECS[name].decode(bytes(data), value.dtype, value.shape)
            except DamagedError:
                continue
            assert again.nbytes == value.nbytes
        for data in (b"", sound[:3], sound[:40], sound[:-1], sound + b"\0"):
            with pytest.raises(DamagedError):
                CODECS[name].decode(data, value.dtype, value.shape)
        for shape in ((1, 3, 48, 63), (1, 4, 48, 48), (1, 5, 48, 64), (48, 64), (2, 3, 24, 64)):
            with pytest.raises(DamagedError):
                CODECS[name].decode(sound, value.dtype, shape)


def test_it_is_tried_on_what_may_be_a_picture_and_planning_knows_what_it_saves():
    value = RECIPES["ImageNet, single"](PICTURE)
    assert not suits("pixels", np.zeros((1, 64, 8, 8), dtype=np.float32))
    assert not suits("pixels", PICTURE)

    samples = sample_codecs("x", value, ["pixels", "pixels+picture", "zstd"], repeats=1)

    ratios = {item.compression.codec: item.compression.ratio for item in samples}
    assert ratios["pixels+picture"] < ratios["pixels"] < 0.4 < ratios["zstd"]
    assert find_codec("pixels") is CODECS["pixels"]
