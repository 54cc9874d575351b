"""Draws the pictures by which machines find out whether they decode alike.

They are drawn, encoded once and kept: another encoder would make other files of them.

    python tools/draw_decoder_pictures.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent.parent / "src" / "fusepath" / "assets" / "decoder"
ORIENTATION = 0x0112


def drawn(width: int, height: int) -> Image.Image:
    """Slow changes, edges and noise, in colour."""
    rng = np.random.default_rng(width)
    rows, cols = np.mgrid[:height, :width]
    waves = [np.sin(cols / (9 + 5 * c)) * np.cos(rows / (13 - 3 * c)) for c in range(3)]
    values = 128 + 90 * np.stack(waves, axis=-1) + rng.normal(0, 6, (height, width, 3))
    values[(rows // 16 + cols // 16) % 5 == 0] += 60
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    turned = Image.Exif()
    turned[ORIENTATION] = 6
    options = {"quality": 85, "optimize": True}
    drawn(160, 120).save(FOLDER / "full_baseline.jpg", subsampling="4:4:4", **options)
    drawn(149, 113).save(FOLDER / "half_baseline.jpg", subsampling="4:2:0", **options)
    drawn(131, 97).save(
        FOLDER / "half_progressive.jpg", subsampling="4:2:0", progressive=True, **options
    )
    drawn(97, 131).save(FOLDER / "full_turned.jpg", subsampling="4:4:4", exif=turned, **options)
    drawn(61, 47).convert("L").save(FOLDER / "grey.jpg", **options)
    drawn(37, 29).save(FOLDER / "colour.png", optimize=True)
    drawn(101, 67).save(FOLDER / "colour.webp", quality=80)


if __name__ == "__main__":
    main()
