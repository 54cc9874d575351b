"""Do two machines make the same pixels of the same file? Found out with pictures that both have.

JPEG leaves decoders room, and every library scales in its own way. So both machines run the same
known files through the chain in all its ways, and compare digests of what came out.
"""

from __future__ import annotations

import functools
import hashlib
import io
from importlib import resources

import numpy as np
from PIL import Image

from fusepath.errors import ImageError
from fusepath.pictures.decoding import PictureFile, preprocess
from fusepath.plan import Filter, Fit, Preprocessing

_SIZES = ((64, 48), (150, 170))
"""Height and width: smaller than the files, and larger."""
_QUALITY = 85


@functools.cache
def decoder_sha256() -> str:
    """Of what this machine's decoder and resizer make of the known pictures."""
    digest = hashlib.sha256()
    for file in known_files():
        for size in _SIZES:
            for name in Filter:
                chain = Preprocessing(fit=Fit.STRETCH, filter=name)
                digest.update(_made(file, chain, 3, size))
            for fit in (Fit.CROP, Fit.LETTERBOX):
                digest.update(_made(file, Preprocessing(fit=fit), 3, size))
            digest.update(_made(file, Preprocessing(fit=Fit.STRETCH), 1, size))
    return digest.hexdigest()


def _made(file: PictureFile, chain: Preprocessing, channels: int, size: tuple[int, int]) -> bytes:
    try:
        return preprocess(file, chain, channels=channels, size=size).tobytes()
    except ImageError:  # a decoder that this Pillow lacks: then the other has to lack it as well
        return b"none"


def known_files() -> list[PictureFile]:
    """Baseline and progressive, with whole and half colour, of odd sizes, turned; in some order."""
    folder = resources.files("fusepath") / "assets" / "decoder"
    return [
        PictureFile(item.read_bytes(), name=item.name)
        for item in sorted(folder.iterdir(), key=lambda item: item.name)
    ]


def made_up_file(width: int, height: int) -> PictureFile:
    """A JPEG of this size whose content is about as hard to decode as a photograph."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (max(height // 16, 1), max(width // 16, 1), 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    noise = rng.integers(-6, 7, (height, width, 1), dtype=np.int16)
    pixels = np.clip(np.asarray(smooth, dtype=np.int16) + noise, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY)
    return PictureFile(stream.getvalue(), name="a made-up picture")
