"""Inputs that are arrays already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusepath.graph import Tensor

_SUFFIXES = frozenset({".npy", ".npz"})
_AXES = {2: " (H x W, without channels)", 4: " (N x C x H x W)"}
"""What the numbers of a size are, by how many there are."""


def is_array_file(path: str | Path) -> bool:
    """Whether a file holds arrays, going by its name."""
    return Path(path).suffix.lower() in _SUFFIXES


def existing(path: str | Path) -> Path:
    """The path of a file that there is.

    Raises:
        ImageError: there is none, or it is a folder, a pipe or a device.
    """
    if not str(path):
        raise ImageError("the name of the input is empty; give a file")
    file = Path(path)
    if file.is_dir():
        raise ImageError(f"input '{file}' is a folder; give one file")
    if not file.exists():
        raise ImageError(f"input '{file}' does not exist")
    if not file.is_file():
        raise ImageError(f"input '{file}' is no regular file; give the file itself")
    return file


def load_array(path: str | Path) -> NDArray[Any]:
    """The array of a ``.npy`` file, or of a ``.npz`` archive that holds no other.

    Of whatever byte order; it comes in that of this machine.

    Raises:
        ImageError: the file is missing, or is not one array of numbers.
    """
    file = existing(path)
    try:
        loaded = np.load(file, allow_pickle=False)
        if not isinstance(loaded, np.ndarray):
            with loaded:
                if len(loaded.files) != 1:
                    names = ", ".join(loaded.files[:8]) or "nothing"
                    raise ImageError(f"input '{file}' holds {names}; save one array by itself")
                loaded = loaded[loaded.files[0]]
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise ImageError(f"input '{file}' is not a .npy array of numbers: {error}") from error
    return native(loaded)


def native(array: NDArray[Any]) -> NDArray[Any]:
    """The same values in the byte order of this machine."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def fitting(array: NDArray[Any], target: Tensor, file: str | Path) -> NDArray[Any]:
    """An array as the model's input, channels before rows.

    Raises:
        ImageError: it is of another shape.
    """
    value = array
    if target.is_map:
        value = as_map(value, target)
        if value.ndim == 4 and len(value) == 1:
            value = value[0]
        if value.ndim == 2 and target.channels == 1:
            value = value[None]
        if value.ndim == 3:
            if value.shape[2] == target.channels and value.shape[0] != target.channels:
                value = value.transpose(2, 0, 1)
            value = value[None]
    if value.shape != target.shape:
        axes = _AXES.get(value.ndim, "") if target.is_map else ""
        remedy = "; resize it" if target.is_map else ""
        raise ImageError(
            f"input '{file}' is {size_text(value)}{axes}, but the model takes "
            f"{'x'.join(map(str, target.shape))}{remedy}"
        )
    return np.ascontiguousarray(value)


def as_map(array: NDArray[Any], target: Tensor) -> NDArray[Any]:
    """A signal, (1, C, L), (C, L) or, of one channel, (L), as the map of one column inside."""
    shapes = {target.shape[:3], target.shape[1:3]}
    if target.channels == 1:
        shapes.add(target.shape[2:3])
    return array.reshape(target.shape) if target.shape[3] == 1 and array.shape in shapes else array


def size_text(array: NDArray[Any]) -> str:
    """A shape for people."""
    return "x".join(map(str, array.shape))


def taken_dtypes(target: Tensor) -> tuple[np.dtype[Any], ...]:
    """Element types of which an input may be: the model's own, and pixels where it takes floats."""
    own = np.dtype(target.dtype)
    return (own, np.dtype(np.uint8)) if target.is_float else (own,)
