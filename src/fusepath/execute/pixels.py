"""From pixels to the model's input, the same way on both machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusepath.plan import InputFormat


def to_model_input(pixels: NDArray[Any], form: InputFormat) -> NDArray[np.float32]:
    """``(pixel − mean) / std`` per channel in float32.

    Works on any piece of an image, and gives each pixel the value it has in the whole image.

    Args:
        pixels: (1, C, H, W), uint8; float32 input is passed through as it is.
        form: mean and std, one value or one per channel.
    """
    if pixels.dtype != np.uint8:
        return np.ascontiguousarray(pixels, dtype=np.float32)
    mean = np.asarray(form.mean, dtype=np.float32).reshape(1, -1, 1, 1)
    std = np.asarray(form.std, dtype=np.float32).reshape(1, -1, 1, 1)
    return (pixels.astype(np.float32) - mean) / std
