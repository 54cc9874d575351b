"""Inputs from pictures and arrays."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from fusepath.errors import ImageError
from fusepath.graph import Tensor
from fusepath.pictures import decoding
from fusepath.pictures.inputs import load_input
from fusepath.plan import Fit, Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

COLOUR = Tensor(name="image", shape=(1, 3, 4, 6))
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
STRETCH = Preprocessing(fit=Fit.STRETCH)
PLANES = PIXELS.transpose(2, 0, 1)[None]


def saved(folder: Path, array: np.ndarray, name: str = "input.npy") -> Path:
    np.save(folder / name, array)
    return folder / name


@pytest.mark.parametrize("form", ["png", "bmp", "tiff"])
def test_a_picture_becomes_planes_of_its_pixels(tmp_path, form):
    Image.fromarray(PIXELS).save(tmp_path / f"picture.{form}")

    value = load_input(tmp_path / f"picture.{form}", COLOUR)

    np.testing.assert_array_equal(value, PLANES, strict=True)
    assert value.flags.c_contiguous


def test_a_picture_takes_the_channels_that_the_model_has(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "picture.png")
    for channels in (1, 4):
        target = Tensor(name="image", shape=(1, channels, 4, 6))

        value = load_input(tmp_path / "picture.png", target)

        assert value.shape == target.shape
        assert value.dtype == np.uint8


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK", "I;16"])
def test_pictures_of_every_mode_are_understood(tmp_path, mode):
    form = "tiff" if mode == "CMYK" else "png"
    Image.new(mode, (6, 4), (1, 2, 3, 255) if mode == "RGBA" else 0).save(
        tmp_path / f"picture.{form}"
    )

    assert load_input(tmp_path / f"picture.{form}", COLOUR).shape == COLOUR.shape


def test_a_picture_for_a_model_of_two_channels_is_refused(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "picture.png")

    with pytest.raises(ImageError, match=r"2 channels; give a \.npy array"):
        load_input(tmp_path / "picture.png", Tensor(name="image", shape=(1, 2, 4, 6)))


def test_a_picture_of_another_size_is_scaled_only_when_asked(tmp_path):
    Image.fromarray(PIXELS).resize((12, 8)).save(tmp_path / "large.png")

    with pytest.raises(ImageError, match=r"12x8 pixels.*6x4.*fit='stretch'"):
        load_input(tmp_path / "large.png", COLOUR)
    assert load_input(tmp_path / "large.png", COLOUR, pictures=STRETCH).shape == COLOUR.shape


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("layout", ["NCHW", "CHW", "HWC"])
def test_arrays_come_in_three_layouts_and_two_types(tmp_path, layout, dtype):
    array = {"NCHW": PLANES, "CHW": PLANES[0], "HWC": PIXELS}[layout].astype(dtype)

    value = load_input(saved(tmp_path, array), COLOUR)

    np.testing.assert_array_equal(value, PLANES.astype(dtype), strict=True)
    assert value.flags.c_contiguous


def test_channels_come_first_where_both_readings_are_possible(tmp_path):
    target = Tensor(name="image", shape=(1, 3, 5, 3))
    array = np.arange(45, dtype=np.uint8).reshape(3, 5, 3)

    np.testing.assert_array_equal(load_input(saved(tmp_path, array), target), array[None])


BAD_ARRAYS = {
    "batch of two": (np.zeros((2, 3, 4, 6), np.uint8), "2x3x4x6.*the model takes 1x3x4x6"),
    "turned": (np.zeros((1, 3, 6, 4), np.uint8), "1x3x6x4"),
    "flat": (np.zeros((4, 6), np.uint8), "4x6"),
    "number": (np.uint8(1), "the model takes"),
    "doubles": (np.zeros((1, 3, 4, 6)), "float64; give uint8 pixels or float32 values"),
    "integers": (np.zeros((1, 3, 4, 6), np.int64), "int64"),
    "text": (np.full((1, 3, 4, 6), "x"), "is text; give"),
}


@pytest.mark.parametrize(("array", "words"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_an_array_that_does_not_fit_is_refused(tmp_path, array, words):
    with pytest.raises(ImageError, match=words) as caught:
        load_input(saved(tmp_path, np.asarray(array)), COLOUR)

    assert "\n" not in str(caught.value)


def test_a_pickle_is_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was opened",))

    array = np.empty(1, dtype=object)
    array[0] = Trap()
    np.save(tmp_path / "trap.npy", array, allow_pickle=True)

    with pytest.raises(ImageError, match=r"not a \.npy array"):
        load_input(tmp_path / "trap.npy", COLOUR)


def test_an_archive_is_an_array_where_it_holds_one(tmp_path):
    for name in ("archive.npy", "archive.npz", "archive.NPZ"):
        with (tmp_path / name).open("wb") as stream:
            np.savez(stream, image=PLANES)

        np.testing.assert_array_equal(load_input(tmp_path / name, COLOUR), PLANES, strict=True)
    np.savez(tmp_path / "two.npz", image=PLANES, other=PLANES)

    with pytest.raises(ImageError, match="holds image, other; save one array by itself"):
        load_input(tmp_path / "two.npz", COLOUR)


@pytest.mark.parametrize("kind", [">f4", "<f4", ">u1"])
@pytest.mark.parametrize("name", ["input.npy", "input.NPY"])
def test_an_array_of_any_byte_order_is_taken(tmp_path, kind, name):
    with (tmp_path / name).open("wb") as stream:
        np.save(stream, PLANES.astype(kind))

    value = load_input(tmp_path / name, COLOUR)

    np.testing.assert_array_equal(
        value, PLANES.astype(np.dtype(kind).newbyteorder("=")), strict=True
    )


def test_rows_and_columns_are_enough_for_one_channel(tmp_path):
    target = Tensor(name="image", shape=(1, 1, 4, 6))

    np.testing.assert_array_equal(
        load_input(saved(tmp_path, PIXELS[..., 0]), target)[0, 0], PIXELS[..., 0]
    )


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "picture.png")

    file = decoding.PictureFile.read(tmp_path / "picture.png")
    for pixels, fine in ((24, True), (23, False)):
        limits = decoding.Limits(pixels=pixels)
        if fine:
            decoding.preprocess(file, STRETCH, channels=3, size=(4, 6), limits=limits)
        else:
            with pytest.raises(ImageError, match="24 pixels, more than 23"):
                decoding.preprocess(file, STRETCH, channels=3, size=(4, 6), limits=limits)


def test_the_limit_on_pixels_is_ours_and_not_where_pillow_warns(tmp_path, monkeypatch):
    """Beyond its limit Pillow warns, beyond twice the limit it refuses."""
    Image.fromarray(PIXELS).save(tmp_path / "picture.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", PIXELS[..., 0].size - 1)
    np.testing.assert_array_equal(load_input(tmp_path / "picture.png", COLOUR), PLANES)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)

    with pytest.raises(ImageError, match=f"more than {decoding.OWN.pixels} pixels"):
        load_input(tmp_path / "picture.png", COLOUR)


def test_a_progressive_picture_that_paints_without_end_is_not_decoded(tmp_path, monkeypatch):
    Image.fromarray(PIXELS).save(tmp_path / "many.jpg", progressive=True)
    monkeypatch.setattr(decoding, "_MOST_SCANS", 1e-6)

    with pytest.raises(ImageError, match=r"paints its 24 pixels \d+ times"):
        load_input(tmp_path / "many.jpg", COLOUR)


def test_what_no_decoder_knows_is_refused_by_its_name_alone(tmp_path):
    (tmp_path / "noise.png").write_bytes(bytes(range(256)))

    with pytest.raises(ImageError, match=r"noise.png' is not .* no known format$"):
        load_input(tmp_path / "noise.png", COLOUR)


def test_what_is_no_regular_file_is_not_said_to_be_missing(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path / "pipe", os.devnull):
        with pytest.raises(ImageError, match="is no regular file"):
            load_input(path, COLOUR)
    with pytest.raises(ImageError, match="name of the input is empty"):
        load_input("", COLOUR)


def test_damaged_and_missing_files_are_refused(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(data[: len(data) // 2])
    (tmp_path / "noise.png").write_bytes(bytes(range(256)))

    for name in ("half.png", "noise.png"):
        with pytest.raises(ImageError, match="is not a picture that can be read"):
            load_input(tmp_path / name, COLOUR)
    for name in ("missing.png", "missing.npy"):
        with pytest.raises(ImageError, match="does not exist"):
            load_input(tmp_path / name, COLOUR)
    with pytest.raises(ImageError, match="is a folder"):
        load_input(tmp_path, COLOUR)


def test_the_size_of_an_array_without_channels_is_told_as_it_is(tmp_path):
    with pytest.raises(ImageError, match=r"is 4x6 \(H x W, without channels\), but the model"):
        load_input(saved(tmp_path, PIXELS[:, :, 0]), COLOUR)
