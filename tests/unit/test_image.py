"""Inputs from pictures and arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from fusepath.errors import ImageError
from fusepath.graph import Tensor
from fusepath.runtime import image as image_module
from fusepath.runtime.image import load_input

if TYPE_CHECKING:
    from pathlib import Path

COLOUR = Tensor(name="image", shape=(1, 3, 4, 6))
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
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
    Image.new(mode, (6, 4)).save(tmp_path / f"picture.{form}")

    assert load_input(tmp_path / f"picture.{form}", COLOUR).shape == COLOUR.shape


def test_a_picture_for_a_model_of_two_channels_is_refused(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "picture.png")

    with pytest.raises(ImageError, match=r"2 channels; give a \.npy array"):
        load_input(tmp_path / "picture.png", Tensor(name="image", shape=(1, 2, 4, 6)))


def test_a_picture_of_another_size_is_scaled_only_when_asked(tmp_path):
    Image.fromarray(PIXELS).resize((12, 8)).save(tmp_path / "large.png")

    with pytest.raises(ImageError, match=r"12x8 pixels.*6x4.*resize=True"):
        load_input(tmp_path / "large.png", COLOUR)
    assert load_input(tmp_path / "large.png", COLOUR, resize=True).shape == COLOUR.shape


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
    "big-endian": (np.zeros((1, 3, 4, 6), ">f4"), ">f4"),
    "text": (np.full((1, 3, 4, 6), "x"), "<U1"),
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


def test_an_archive_is_not_an_array(tmp_path):
    with (tmp_path / "archive.npy").open("wb") as stream:
        np.savez(stream, image=PLANES)

    with pytest.raises(ImageError, match=r"not a \.npy array but an archive"):
        load_input(tmp_path / "archive.npy", COLOUR)


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(image_module, "MAX_PIXELS", 20)
    Image.fromarray(PIXELS).save(tmp_path / "picture.png")

    with pytest.raises(ImageError, match="more than 20 pixels"):
        load_input(tmp_path / "picture.png", COLOUR, resize=True)


def test_a_picture_that_pillow_takes_for_a_bomb_is_refused(tmp_path, monkeypatch):
    """Beyond its limit Pillow warns, beyond twice the limit it refuses."""
    Image.fromarray(PIXELS).save(tmp_path / "picture.png")
    for limit in (PIXELS[..., 0].size - 1, 5):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)

        with pytest.raises(ImageError, match="not a picture that can be read"):
            load_input(tmp_path / "picture.png", COLOUR)


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
    with pytest.raises(ImageError, match="does not exist"):
        load_input(tmp_path, COLOUR)
