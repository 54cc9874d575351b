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


def load_input(
    path: str | Path, target: Tensor, *, resize: bool = False, batch: int = 1
) -> NDArray[Any]:
    """An input of a network: uint8 from a picture, uint8 or the model's own type from ``.npy``.

    Args:
        path: a PNG, JPEG or other picture, or a ``.npy`` array of shape (H, W, C), (C, H, W) or
            with a 1 before it; of the very shape of the input, where that is no map.
        target: the network's input.
        resize: scale a picture to the model's size instead of refusing it.
        batch: images that the model takes at once. An array holds one behind the other; a picture
            is taken for all of them.

    Returns:
        (N, C, H, W), or what the model takes where that is no map.

    Raises:
        ImageError: the file is missing, damaged, or of another size or type.
    """
    file = _existing(path)
    if file.suffix != ".npy":
        return np.repeat(_load_picture(file, target, resize), batch, axis=0)
    array = load_array(file)
    if array.dtype not in taken_dtypes(target):
        pixels = "uint8 pixels or " if target.is_float else ""
        raise ImageError(f"input '{file}' is {array.dtype}; give {pixels}{target.dtype} values")
    if batch == 1:
        return _fitting(array, target, file)
    if array.ndim < 3 or len(array) != batch:
        raise ImageError(
            f"input '{file}' is {_size(array)}, but the model takes {batch} images at once; give "
            "them along the first axis"
        )
    return np.concatenate([_fitting(image, target, file) for image in array])


def _fitting(array: NDArray[Any], target: Tensor, file: Path) -> NDArray[Any]:
    """An array as the model's input, channels before rows."""
    value = array
    if target.is_map:
        value = as_map(value, target)
        if value.ndim == 4 and len(value) == 1:
            value = value[0]
        if value.ndim == 3:
            if value.shape[2] == target.channels and value.shape[0] != target.channels:
                value = value.transpose(2, 0, 1)
            value = value[None]
    if value.shape != target.shape:
        axes = " (N x C x H x W)" if target.is_map else ""
        remedy = "; resize it, or give resize=True" if target.is_map else ""
        wanted = "x".join(map(str, target.shape))
        raise ImageError(
            f"input '{file}' is {_size(value)}{axes}, but the model takes {wanted}{remedy}"
        )
    return np.ascontiguousarray(value)


def as_map(array: NDArray[Any], target: Tensor) -> NDArray[Any]:
    """A signal, (C, L) or (1, C, L), as the map of one column that it is inside."""
    signal = target.shape[3] == 1 and array.shape in {target.shape[:3], target.shape[1:3]}
    return array[..., None] if signal else array


def _size(array: NDArray[Any]) -> str:
    return "x".join(map(str, array.shape))


def _existing(path: str | Path) -> Path:
    file = Path(path)
    if not file.is_file():
        raise ImageError(f"input '{file}' does not exist")
    return file


def load_array(path: str | Path) -> NDArray[Any]:
    """The array of a ``.npy`` file.

    Raises:
        ImageError: the file is missing, or is not one array of numbers.
    """
    file = _existing(path)
    try:
        array: NDArray[Any] = np.load(file, allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise ImageError(f"input '{file}' is not a .npy array of numbers: {error}") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise ImageError(f"input '{file}' is not a .npy array but an archive; save one array")
    return array


def taken_dtypes(target: Tensor) -> tuple[np.dtype[Any], ...]:
    """Element types of which an input may be: the model's own, and pixels where it takes floats."""
    own = np.dtype(target.dtype)
    return (own, np.dtype(np.uint8)) if target.is_float else (own,)


def _load_picture(file: Path, target: Tensor, resize: bool) -> NDArray[Any]:
    if not target.is_map or not (target.is_float or target.dtype == "uint8"):
        wanted = "x".join(map(str, target.shape))
        raise ImageError(f"the model takes {wanted} {target.dtype} values; give a .npy array")
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
