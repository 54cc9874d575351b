"""Frames from wherever pictures are: files, folders, patterns, videos and cameras, one by one."""

from __future__ import annotations

import glob
import os
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fusepath.errors import ImageError, InputError
from fusepath.pictures.arrays import existing, is_array_file
from fusepath.pictures.decoding import PictureFile, fitted
from fusepath.pictures.frame import PictureFrame
from fusepath.pictures.inputs import check_takes_pictures, load_input
from fusepath.plan import AS_THEY_COME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusepath.arrays import Array
    from fusepath.graph import Tensor
    from fusepath.pictures.frame import Frame
    from fusepath.plan import Preprocessing

_VIDEOS = frozenset({".avi", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
_PICTURES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
_WILD = frozenset("*?[")


def frames_of(
    *sources: str | Path | bytes | Array,
    target: Tensor,
    pictures: Preprocessing = AS_THEY_COME,
) -> Iterator[Frame]:
    """The inputs of a network out of sources, in their order; each is opened when its turn comes.

    Args:
        sources: picture files or their bytes, ``.npy`` files, folders (their pictures and arrays
            by name), patterns such as ``photos/*.jpg``, video files and cameras (``/dev/video0``;
            both need the extra ``video``), and arrays of pixels, (H, W, 3).
        target: the network's input.
        pictures: how they become pixels. Of a file with several pictures all come, unless this
            names one. Frames of videos and arrays are brought to size alike.

    Raises:
        ImageError: a source is missing, damaged, or is not said how to become an input.
        InputError: a video, and the extra ``video`` is not installed.
    """
    for source in sources:
        if isinstance(source, bytes):
            yield from _pictures_in(PictureFile(source), target, pictures)
        elif isinstance(source, np.ndarray):
            yield _fitted(source, target, pictures)
        else:
            for _, frame in named_frames(source, target=target, pictures=pictures):
                yield frame


def named_frames(
    *sources: str | Path,
    target: Tensor,
    pictures: Preprocessing = AS_THEY_COME,
    batch: int = 1,
) -> Iterator[tuple[str, Frame]]:
    """The same of what has names: the file that each frame is of.

    Of a file that holds several, its number in the file, from 0, follows. Arrays hold ``batch``
    images one behind the other.

    Raises:
        ImageError: as of `frames_of`.
        InputError: as of `frames_of`.
    """
    for path in chain.from_iterable(_paths(os.fspath(source)) for source in sources):
        frames = enumerate(_frames_in(path, target, pictures, batch))
        before = next(frames, None)
        for number, frame in frames:
            if before is not None:
                yield f"{path} 0", before[1]
                before = None
            yield f"{path} {number}", frame
        if before is not None:
            yield path, before[1]


def check_sources(*sources: str) -> None:
    """Refuse names that stand for nothing, before anything is done with the others.

    Raises:
        ImageError: one is missing, matches nothing, or is a folder without pictures.
    """
    for path in chain.from_iterable(map(_paths, sources)):
        if not Path(path).is_char_device():
            existing(path)


def holds_several(source: str) -> bool:
    """Whether a name stands for more than one frame: a folder, pattern, video or camera."""
    path = Path(source)
    if path.is_dir() or path.is_char_device():
        return True
    return _is_pattern(source) or path.suffix.lower() in _VIDEOS


def files_in(folder: str | Path, *, videos: bool) -> list[str]:
    """The pictures and arrays of a folder by name, perhaps videos; not what else lies there."""
    known = _PICTURES | _VIDEOS if videos else _PICTURES
    return [
        str(path)
        for path in sorted(Path(folder).iterdir())
        if path.is_file() and (path.suffix.lower() in known or is_array_file(path))
    ]


def _paths(source: str) -> list[str]:
    """The files that a name stands for."""
    if Path(source).is_dir():
        paths = files_in(source, videos=True)
        if not paths:
            raise ImageError(f"input '{source}' is a folder without pictures or arrays")
        return paths
    if _is_pattern(source):
        paths = sorted(glob.glob(source))  # noqa: PTH207 - Path.glob takes no absolute pattern
        if not paths:
            raise ImageError(f"input '{source}' is no file, and nothing matches it")
        return paths
    return [source]


def _is_pattern(source: str) -> bool:
    return bool(_WILD & set(source)) and not Path(source).exists()


def _frames_in(path: str, target: Tensor, pictures: Preprocessing, batch: int) -> Iterator[Frame]:
    if is_array_file(path):
        yield load_input(path, target, batch=batch)
    elif Path(path).suffix.lower() in _VIDEOS or Path(path).is_char_device():
        for image in _video(path):
            yield _fitted(image, target, pictures)
    else:
        yield from _pictures_in(PictureFile.read(path), target, pictures)


def _pictures_in(
    file: PictureFile, target: Tensor, pictures: Preprocessing
) -> Iterator[PictureFrame]:
    if pictures.frame is not None or file.frames == 1:
        yield PictureFrame.of(file, pictures, target)
        return
    for number in range(file.frames):
        chain = msgspec.structs.replace(pictures, frame=number)
        yield PictureFrame.of(file, chain, target)


def _fitted(image: Array, target: Tensor, pictures: Preprocessing) -> Array:
    check_takes_pictures(target)
    size = target.size(0), target.size(1)
    return fitted(image, pictures, channels=target.channels, size=size)


def _video(path: str) -> Iterator[Array]:
    """The frames of a video file or a camera, (H, W, 3), uint8."""
    try:
        import av  # noqa: PLC0415 - in an extra
    except ImportError:
        raise InputError(
            f"'{path}' is a video, which PyAV reads: pip install 'fusepath[video]'"
        ) from None
    form = "v4l2" if Path(path).is_char_device() else None
    try:
        with av.open(path, format=form) as container:
            if not container.streams.video:
                raise ImageError(f"input '{path}' has no pictures in it")
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
    except (av.FFmpegError, OSError) as error:
        raise ImageError(f"input '{path}' is not a video that can be read: {error}") from error
