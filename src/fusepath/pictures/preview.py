"""Pixels as a small picture for people."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from fusepath.arrays import Array

_MOST_SIDE = 480
_QUALITY = 80


def preview(pixels: Array) -> bytes | None:
    """A JPEG of at most 480 pixels a side; None of what is no picture.

    Args:
        pixels: uint8, (N, C, H, W) with one or three channels; the first of them is shown.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1] not in {1, 3}:
        return None
    rows_first = pixels[0].transpose(1, 2, 0)
    image = Image.fromarray(rows_first[:, :, 0] if pixels.shape[1] == 1 else rows_first)
    image.thumbnail((_MOST_SIDE, _MOST_SIDE))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()
