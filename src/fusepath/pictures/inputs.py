"""The input of a network from one file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.arrays import dtype_text
from fusepath.errors import ImageError
from fusepath.pictures.arrays import fitting, is_array_file, load_array, size_text, taken_dtypes
from fusepath.pictures.decoding import MODES, PictureFile, preprocess
from fusepath.plan import AS_THEY_COME
from fusepath.units import number_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from fusepath.graph import Tensor
    from fusepath.plan import Preprocessing


def load_input(
    path: str | Path,
    target: Tensor,
    *,
    pictures: Preprocessing = AS_THEY_COME,
    batch: int = 1,
) -> NDArray[Any]:
    """An input of a network: uint8 from a picture, uint8 or the model's own type from an array.

    Args:
        path: a PNG, JPEG or other picture; or a ``.npy`` array, or a ``.npz`` archive of one, of
            shape (H, W, C), (C, H, W) or with a 1 before it, (H, W) for one channel; of the very
            shape of the input, where that is no map.
        target: the network's input.
        pictures: how a picture becomes pixels.
        batch: images that the model takes at once. An array holds one behind the other; a picture
            is taken for all of them.

    Returns:
        (N, C, H, W), or what the model takes where that is no map.

    Raises:
        ImageError: the file is missing, damaged, or of another size or type.
    """
    if not is_array_file(path):
        pixels = picture_input(PictureFile.read(path), target, pictures)
        return np.repeat(pixels, batch, axis=0)
    array = load_array(path)
    if array.dtype not in taken_dtypes(target):
        also = "uint8 pixels or " if target.is_float else ""
        raise ImageError(
            f"input '{path}' is {dtype_text(array.dtype)}; give {also}{target.dtype} values"
        )
    if batch == 1:
        return fitting(array, target, path)
    if array.ndim < 3 or len(array) != batch:
        raise ImageError(
            f"input '{path}' is {size_text(array)}, but the model takes {batch} images at once; "
            f"give them along the first axis"
        )
    return np.concatenate([fitting(image, target, path) for image in array])


def picture_input(file: PictureFile, target: Tensor, pictures: Preprocessing) -> NDArray[Any]:
    """The input of a network from an encoded picture: uint8, (1, C, H, W).

    Raises:
        ImageError: the network takes no pictures, or `preprocess` refuses this one.
    """
    check_takes_pictures(target)
    size = target.size(0), target.size(1)
    return preprocess(file, pictures, channels=target.channels, size=size)


def takes_pictures(target: Tensor) -> bool:
    """Whether an input can be a picture."""
    try:
        check_takes_pictures(target)
    except ImageError:
        return False
    return True


def check_takes_pictures(target: Tensor) -> None:
    """Raise unless an input can be a picture.

    Raises:
        ImageError: it takes other values, or another number of channels.
    """
    if not target.is_map or not (target.is_float or target.dtype == "uint8"):
        wanted = "x".join(map(str, target.shape))
        raise ImageError(f"the model takes {wanted} {target.dtype} values; give a .npy array")
    if target.channels not in MODES:
        raise ImageError(
            f"the model takes {number_of(target.channels, 'channel')}; give a .npy array"
        )
