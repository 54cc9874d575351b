"""The codec for pixels: what it takes out of pictures, and that every bit comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fusepath
from fusepath.offload.frames import made_up_frame
from fusepath.onnx_io import load_model
from fusepath.pictures.inputs import load_input
from fusepath.plan import Fit, Preprocessing
from fusepath.profiling.codecs import sample_codecs
from fusepath.runtime.codecs import CODECS, find_codec, suits
from fusepath.runtime.coders import DamagedError
from tests.extras import codecs_as

DEMO = Path(fusepath.__file__).parent / "assets" / "demo.png"
PICTURE = find_codec("picture")
EDGES = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65]
"""Heights and widths around the steps of the decoder's sums."""


def back(value: np.ndarray) -> np.ndarray:
    return PICTURE.decode(PICTURE.encode(value), value.dtype, value.shape)


def random_tile(rng: np.random.Generator) -> np.ndarray:
    """Noise, ramps or flat; any number of channels; sometimes a view into something larger."""
    channels = rng.choice([1, 3, int(rng.integers(1, 9))])
    rows, columns = rng.integers(1, 40, 2)
    top = int(rng.choice([0, 1, 16, 255]))
    tile = rng.integers(0, top + 1, (1, channels, rows + 2, columns + 2), dtype=np.uint8)
    if rng.random() < 0.5:
        tile += np.arange(columns + 2, dtype=np.uint8)
    place = rng.integers(0, 3, 2)
    return tile[:, :, place[0] : place[0] + rows, place[1] : place[1] + columns]


def check_random_tiles(count: int) -> None:
    rng = np.random.default_rng(14)
    for _ in range(count):
        tile = random_tile(rng)
        assert back(tile).tobytes() == tile.tobytes()


def test_random_tiles_come_back():
    check_random_tiles(1_000)


@pytest.mark.slow
def test_a_hundred_thousand_random_tiles_come_back():
    check_random_tiles(100_000)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_height_and_width_comes_back(channels):
    rng = np.random.default_rng(0)
    for rows in EDGES:
        for columns in EDGES:
            tile = rng.integers(0, 256, (1, channels, rows, columns), dtype=np.uint8)
            assert back(tile).tobytes() == tile.tobytes()


@pytest.mark.parametrize("shape", [(1, 3, 51, 53), (1, 3, 53, 54), (2, 5, 3, 2000), (70_001,)])
def test_sizes_on_both_sides_of_the_two_ways_of_summing_come_back(shape):
    tile = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)

    assert back(tile).tobytes() == tile.tobytes()


@pytest.mark.parametrize("low", [0, 255])
def test_the_steepest_edges_do_not_overflow(low):
    tile = np.full((1, 3, 9, 11), low, dtype=np.uint8)
    tile[:, ::2, 1::2, ::2] = 255 - low

    assert back(tile).tobytes() == tile.tobytes()


@codecs_as("other", [name for name in CODECS if name != "picture"])
def test_it_leaves_less_of_a_picture_than_any_other_codec(other):
    model = load_model("zoo:squeezenet")
    picture = load_input(DEMO, model.graph.input, pictures=Preprocessing(fit=Fit.STRETCH))

    assert len(PICTURE.encode(picture)) < len(find_codec(other).encode(picture))


def test_colours_that_go_together_take_hardly_more_than_one_of_them():
    grey = made_up_frame((1, 1, 64, 64), "uint8")
    coloured = grey + np.array([3, 0, 250], dtype=np.uint8).reshape(1, 3, 1, 1)

    assert len(PICTURE.encode(coloured)) < 1.1 * len(PICTURE.encode(grey))


@pytest.mark.parametrize("axis", [2, 3])
def test_a_ramp_along_rows_or_columns_takes_next_to_nothing(axis):
    ramp = np.arange(128, dtype=np.uint8).reshape((1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1))
    tile = np.broadcast_to(ramp, (1, 3, 128, 128))

    assert len(PICTURE.encode(tile)) < 0.02 * tile.size


def test_what_does_not_decode_is_refused_and_what_is_refused_is_not_made_room_for():
    tile = made_up_frame((1, 3, 24, 24), "uint8")
    data = PICTURE.encode(tile)

    for shape in ((1, 3, 24, 23), (1, 1, 24, 24), (2**40,), (0,)):
        with pytest.raises(DamagedError):
            PICTURE.decode(data, tile.dtype, shape)


@pytest.mark.parametrize(("dtype", "tried"), [("uint8", True), ("int8", True), ("float32", False)])
def test_it_is_tried_on_bytes_alone(dtype, tried):
    value = np.ones((1, 3, 16, 16), dtype)
    assert suits("picture", value) is tried

    samples = sample_codecs("x", value, ["picture", "zstd"], repeats=1)

    assert ("picture" in {item.compression.codec for item in samples}) is tried
