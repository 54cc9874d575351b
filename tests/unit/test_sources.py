"""Frames out of files, folders, patterns, animations and videos."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from fusepath.errors import ImageError, InputError
from fusepath.graph import Tensor
from fusepath.pictures.decoding import fitted
from fusepath.pictures.frame import pixels_of
from fusepath.pictures.sources import check_sources, frames_of, holds_several, named_frames
from fusepath.plan import Fit, Preprocessing

TARGET = Tensor(name="image", shape=(1, 3, 16, 16))
CROP = Preprocessing(fit=Fit.CROP)


def grey(value: int, size=(16, 16)) -> Image.Image:
    return Image.new("RGB", size, (value, value, value))


def means(*sources, **more) -> list[int]:
    frames = list(frames_of(*sources, target=TARGET, **more))
    assert all(pixels_of(frame).shape == TARGET.shape for frame in frames)
    return [round(float(pixels_of(frame).mean())) for frame in frames]


@pytest.fixture
def folder(tmp_path):
    for value in (30, 10, 20):
        grey(value).save(tmp_path / f"{value}.png")
    np.save(tmp_path / "40.npy", np.full((16, 16, 3), 40, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_files_folders_patterns_bytes_and_arrays_come_in_their_order(folder):
    stream = io.BytesIO()
    grey(50).save(stream, "PNG")

    assert means(folder / "30.png", str(folder / "10.png")) == [30, 10]
    assert means(folder) == [10, 20, 30, 40]
    assert means(str(folder / "[12]0.png")) == [10, 20]
    assert means(stream.getvalue(), np.full((16, 16, 3), 60, np.uint8)) == [50, 60]


def test_an_animation_is_all_of_its_frames_unless_one_is_named(tmp_path):
    first, *others = (grey(value) for value in (5, 100, 200))
    first.save(tmp_path / "three.webp", save_all=True, append_images=others, lossless=True)

    assert means(tmp_path / "three.webp") == [5, 100, 200]
    assert means(tmp_path / "three.webp", pictures=Preprocessing(frame=1)) == [100]


def test_every_frame_is_named_by_its_file_and_number(folder):
    first, *others = (grey(value) for value in (5, 100, 200))
    first.save(folder / "three.webp", save_all=True, append_images=others, lossless=True)
    sources = (folder / "[12]0.png", folder / "three.webp", folder / "40.npy")

    frames = list(named_frames(*map(str, sources), target=TARGET))
    assert [name for name, _ in frames] == [
        *(str(folder / name) for name in ("10.png", "20.png")),
        *(f"{folder / 'three.webp'} {number}" for number in range(3)),
        str(folder / "40.npy"),
    ]
    values = [round(float(pixels_of(frame).mean())) for _, frame in frames]
    assert values == [10, 20, 5, 100, 200, 40]


def test_what_holds_several_frames_is_known_by_its_name(folder):
    (folder / "odd[1].png").write_bytes((folder / "10.png").read_bytes())
    several = (folder, folder / "*.png", folder / "none?.png", folder / "film.MP4", "/dev/null")
    assert all(holds_several(str(source)) for source in several)
    single = (folder / "10.png", folder / "40.npy", folder / "missing.png", folder / "odd[1].png")
    assert not any(holds_several(str(source)) for source in single)


def test_what_is_not_there_is_said(folder):
    for source, words in (
        (folder / "empty", "folder without pictures"),
        (str(folder / "*.jpg"), "nothing matches"),
        (folder / "none.png", "does not exist"),
        (folder / "notes.txt", "not a picture"),
    ):
        with pytest.raises(ImageError, match=words):
            means(source)


def test_names_that_stand_for_nothing_are_refused_before_any_is_opened(folder):
    check_sources(str(folder), str(folder / "*.png"), str(folder / "30.png"), "/dev/null")
    for name in ("none.png", "*.jpg", "empty"):
        with pytest.raises(ImageError, match=name.strip("*")):
            check_sources(str(folder / "10.png"), str(folder / name))


def test_a_source_is_opened_when_its_turn_comes(folder):
    frames = frames_of(folder / "10.png", folder / "none.png", target=TARGET)

    assert pixels_of(next(frames)).mean() == 10
    with pytest.raises(ImageError, match="does not exist"):
        next(frames)


def test_pixels_are_brought_to_size_as_pictures_are():
    image = np.random.default_rng(0).integers(0, 256, (20, 40, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")

    (from_file,) = frames_of(stream.getvalue(), target=TARGET, pictures=CROP)
    (from_pixels,) = frames_of(image, target=TARGET, pictures=CROP)

    np.testing.assert_array_equal(from_pixels, pixels_of(from_file))
    with pytest.raises(ImageError, match="uint8"):
        fitted(image.astype(np.float32), CROP, channels=3, size=(16, 16))


def video(path, values, size=(32, 16)) -> None:
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for value in values:
            frame = av.VideoFrame.from_ndarray(np.asarray(grey(value, size)), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_a_video_is_its_frames(tmp_path):
    video(tmp_path / "film.mp4", (20, 120, 220))

    found = means(tmp_path / "film.mp4", pictures=CROP)

    np.testing.assert_allclose(found, (20, 120, 220), atol=4)
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    with pytest.raises(ImageError, match="not a video"):
        means(tmp_path / "broken.mp4", pictures=CROP)


def test_a_video_needs_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    (tmp_path / "film.mp4").write_bytes(b"")

    with pytest.raises(InputError, match=r"install 'fusepath\[video\]'"):
        means(tmp_path / "film.mp4")
