"""Names for kinds of numpy arrays, in one place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""A tensor of any element type."""
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def dtype_text(dtype: np.dtype[Any]) -> str:
    """An element type for people: text is called by its size otherwise."""
    return "text" if dtype.kind in "US" else dtype.name
