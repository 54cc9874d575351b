"""From pixels to the model's input, the same way on both machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.errors import ImageError
from fusepath.units import number_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fusepath.onnx_io import Model
    from fusepath.plan import InputFormat


def to_model_input(pixels: NDArray[Any], form: InputFormat, dtype: str = "float32") -> NDArray[Any]:
    """``(pixel − mean) / std`` per channel in float32.

    Works on any piece of an image, and gives each pixel the value it has in the whole image.

    Args:
        pixels: (N, C, H, W) or of any other shape, uint8; values of the model's own type are passed
            through as they are.
        form: mean and std, one value or one per channel.
        dtype: of the model's input.
    """
    if pixels.dtype != np.uint8 or dtype == "uint8":
        return np.ascontiguousarray(pixels, dtype=dtype)
    by_channel = (1, -1, 1, 1) if pixels.ndim == 4 else (1,)
    mean = np.asarray(form.mean, dtype=np.float32).reshape(by_channel)
    std = np.asarray(form.std, dtype=np.float32).reshape(by_channel)
    values = pixels.astype(np.float32)
    if mean.any():
        values -= mean
    values /= std
    return values.astype(dtype, copy=False)


def check_form(form: InputFormat, model: Model) -> None:
    """Raise unless mean and std have one value, or one per channel.

    Raises:
        ImageError: another number of values.
    """
    source = model.graph.input
    channels = source.channels if len(source.shape) == 4 else 1
    for name, values in (("mean", form.mean), ("std", form.std)):
        if len(values) not in {1, channels}:
            raise ImageError(
                f"{name} has {number_of(len(values), 'value')}, but '{model.graph.name}' takes "
                f"{number_of(channels, 'channel')}; give one value, or one per channel"
            )


def model_value(
    model: Model, form: InputFormat, name: str, pieces: Mapping[str, NDArray[Any]]
) -> NDArray[Any]:
    """A piece as a session takes it: contiguous, and pixels turned into the model's input."""
    value = pieces[name]
    if name == model.graph.input.name:
        value = to_model_input(value, form, model.graph.input.dtype)
    return np.asarray(value, order="C")
