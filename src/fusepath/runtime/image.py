"""Reading an input: a picture, or an array that is already the model's input."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from fusepath.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusepath.graph import Tensor

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
MAX_PIXELS = 100_000_000
_UNREADABLE = (
    UnidentifiedImageError,
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""What Pillow raises for files that are damaged or not what they seem."""


def load_input(path: str | Path, target: Tensor, *, resize: bool = False) -> NDArray[Any]:
    """An input of shape (1, C, H, W): uint8 from a picture, uint8 or float32 from ``.npy``.

    Args:
        path: a PNG, JPEG or other picture, or a ``.npy`` array of shape (H, W, C), (C, H, W) or
            (1, C, H, W).
        target: the model's input.
        resize: scale a picture to the model's size instead of refusing it.

    Raises:
        ImageError: the file is missing, damaged, or of another size or type.
    """
    file = Path(path)
    if not file.is_file():
        raise ImageError(f"input '{file}' does not exist")
    array = _load_array(file) if file.suffix == ".npy" else _load_picture(file, target, resize)
    if array.ndim == 3:
        if array.shape[2] == target.channels and array.shape[0] != target.channels:
            array = array.transpose(2, 0, 1)
        array = array[None]
    if array.shape != target.shape:
        _, channels, height, width = target.shape
        got = "x".join(str(size) for size in array.shape)
        raise ImageError(
            f"input '{file}' is {got} (N x C x H x W), but the model takes "
            f"1x{channels}x{height}x{width}; resize it, or give resize=True"
        )
    return np.ascontiguousarray(array)


def _load_array(file: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(file, allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise ImageError(f"input '{file}' is not a .npy array of numbers: {error}") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise ImageError(f"input '{file}' is not a .npy array but an archive; save one array")
    if array.dtype not in (np.uint8, np.float32):
        raise ImageError(f"input '{file}' is {array.dtype}; give uint8 pixels or float32 values")
    return array


def _load_picture(file: Path, target: Tensor, resize: bool) -> NDArray[Any]:
    mode = _MODES.get(target.channels)
    if mode is None:
        raise ImageError(f"the model takes {target.channels} channels; give a .npy array")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            opened = Image.open(file)
        with opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise ImageError(f"input '{file}' has more than {MAX_PIXELS} pixels")
            picture = opened.convert(mode)
            size = (target.size(1), target.size(0))
            if picture.size != size:
                if not resize:
                    raise ImageError(
                        f"input '{file}' is {picture.width}x{picture.height} pixels, but the model "
                        f"takes {size[0]}x{size[1]}; resize it, or give resize=True"
                    )
                picture = picture.resize(size, Image.Resampling.BILINEAR)
            pixels = np.asarray(picture, dtype=np.uint8)
    except _UNREADABLE as error:
        raise ImageError(f"input '{file}' is not a picture that can be read") from error
    return pixels.reshape(size[1], size[0], target.channels).transpose(2, 0, 1)[None]
