"""Photographs to measure on: what scikit-image and scikit-learn ship, or a folder of one's own.

All may be used freely: NASA, CC0, CC-BY and the like; see their README beside the files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

_SKIMAGE = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "retina.jpg",
    "rocket.jpg",
)
_SKLEARN = ("china.jpg", "flower.jpg")
_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def photographs(folder: Path | None = None) -> list[Path]:
    """Twelve photographs, one of them grey, or all pictures of a folder."""
    if folder is not None:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    import skimage.data  # noqa: PLC0415 - heavy, and not needed for a folder of one's own
    import sklearn.datasets  # noqa: PLC0415

    shipped = Path(skimage.data.__file__).parent
    others = Path(sklearn.datasets.__file__).parent / "images"
    return [*(shipped / name for name in _SKIMAGE), *(others / name for name in _SKLEARN)]


def pixels(path: Path, *, rows: int, columns: int) -> np.ndarray:
    """A photograph scaled to a size: (1, 3, rows, columns), uint8."""
    with Image.open(path) as picture:
        scaled = picture.convert("RGB").resize((columns, rows), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(scaled).transpose(2, 0, 1)[None])
