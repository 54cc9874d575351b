"""From an encoded picture to pixels: the one function that does it, on whichever machine.

A header is looked at before anything is decoded. Whatever a file says, no more pixels are decoded
than `Limits` allow, nor more scans of them than a camera writes.
"""

from __future__ import annotations

import io
import re
import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fusepath.arrays import dtype_text
from fusepath.errors import ImageError
from fusepath.pictures.arrays import existing
from fusepath.plan import FORWARDED_FORMATS, MAX_FORWARDED_PIXELS, Fit, why_not_forwarded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from fusepath.plan import Preprocessing

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""What a picture is decoded to, by the channels that a network takes."""
_MOST_SCANS = 20
"""Of the largest pictures; of smaller ones more. A progressive JPEG paints its pixels ten times or
so, a hostile one does so without end."""
_SCAN = b"\xff\xda"
_SIXTEEN_BITS = (0.0, 65535.0)
_SIXTEEN_BIT_MODE = re.compile(";16[BLN]")
"""How Pillow names samples of 16 bits in a file, with their byte order."""
_UNREADABLE = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
)
"""What Pillow raises for files that are damaged or not what they seem."""
_WARNINGS = threading.Lock()


@dataclass(frozen=True, slots=True)
class Limits:
    """What is decoded at all."""

    pixels: int
    formats: tuple[str, ...] | None = None
    """As Pillow names them; all of them without."""


OWN = Limits(pixels=100_000_000)
"""For files of one's own."""
FORWARDED = Limits(pixels=MAX_FORWARDED_PIXELS, formats=FORWARDED_FORMATS)
"""For those that others send."""


@dataclass(frozen=True, slots=True)
class _Header:
    size: tuple[int, int]
    format: str


@dataclass(frozen=True)
class PictureFile:
    """An encoded picture: the bytes of a file, however they came here."""

    data: bytes
    name: str = "picture"
    """For messages."""

    @classmethod
    def read(cls, path: str | Path) -> PictureFile:
        """The bytes of a file, which is not decoded.

        Raises:
            ImageError: it is missing or cannot be read.
        """
        file = existing(path)
        try:
            return cls(file.read_bytes(), name=f"input '{file}'")
        except OSError as error:
            raise ImageError(f"input '{file}' cannot be read: {error.strerror}") from error

    @cached_property
    def _header(self) -> _Header:
        with _opened(self, OWN) as opened:
            # Several pictures of a camera in one file begin with a JPEG, and are read as one.
            form = "JPEG" if opened.format == "MPO" else opened.format or ""
            return _Header(opened.size, form)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as the header says, before anything is turned.

        Raises:
            ImageError: it is no picture, or one of too many pixels.
        """
        return self._header.size

    @property
    def pixels(self) -> int:
        """Number of them.

        Raises:
            ImageError: as of `size`.
        """
        width, height = self.size
        return width * height

    @property
    def format(self) -> str:
        """As Pillow names it.

        Raises:
            ImageError: as of `size`.
        """
        return self._header.format

    @property
    def may_be_forwarded(self) -> bool:
        """Whether an edge server decodes files like this one.

        Raises:
            ImageError: as of `size`.
        """
        reason = why_not_forwarded(file_bytes=len(self.data), pixels=self.pixels, form=self.format)
        return reason is None

    @cached_property
    def frames(self) -> int:
        """How many pictures the file holds.

        Raises:
            ImageError: it is no picture, or one of too many pixels.
        """
        with _opened(self, OWN) as opened:
            return _frames(opened)


@contextmanager
def _opened(file: PictureFile, limits: Limits) -> Iterator[Image.Image]:
    """Only the header has been read; what fails in the block is the picture's fault as well."""
    try:
        with _open(file.data, limits.formats) as opened:
            _check(file, opened, limits.pixels)
            yield opened
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"{file.name} has more than {limits.pixels} pixels") from error
    except UnidentifiedImageError as error:  # whose words name an object in memory
        raise ImageError(
            f"{file.name} is not a picture that can be read: it is of no known format"
        ) from error
    except _UNREADABLE as error:
        raise ImageError(
            f"{file.name} is not a picture that can be read: {_in_a_line(error)}"
        ) from error


def _open(data: bytes, formats: tuple[str, ...] | None) -> Image.Image:
    """As Pillow opens it, but for a warning at a limit of its own, which is not ours."""
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(data), formats=formats)


def _check(file: PictureFile, opened: Image.Image, most: int) -> None:
    pixels = opened.width * opened.height
    if pixels > most:
        raise ImageError(f"{file.name} has {pixels} pixels, more than {most}")
    scans = file.data.count(_SCAN) if opened.format in {"JPEG", "MPO"} else 1
    if pixels * scans > most * _MOST_SCANS:
        raise ImageError(f"{file.name} paints its {pixels} pixels {scans} times")


def _in_a_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _frames(opened: Image.Image) -> int:
    """How many there are; what a camera adds to its picture (MPO) is no other picture."""
    return 1 if opened.format == "MPO" else getattr(opened, "n_frames", 1)


def preprocess(
    file: PictureFile,
    chain: Preprocessing,
    *,
    channels: int,
    size: tuple[int, int],
    limits: Limits = OWN,
) -> NDArray[Any]:
    """The pixels of a picture as a network takes them.

    Args:
        file: an encoded picture.
        chain: the steps.
        channels: 1 for grey, 3 for colour, 4 with transparency.
        size: height and width of the result.
        limits: what is decoded at all.

    Returns:
        uint8, (1, C, H, W).

    Raises:
        ImageError: it is no picture, too large, or the chain does not say what to do with it.
    """
    with _opened(file, limits) as opened:
        frames = _frames(opened)
        if frames > 1 and chain.frame is None:
            raise ImageError(f"{file.name} holds {frames} pictures; say which one, as frame=0")
        if chain.frame is not None:
            if chain.frame >= frames:
                raise ImageError(f"{file.name} has no frame {chain.frame}; it holds {frames}")
            opened.seek(chain.frame)
        _check_depth(opened, file.name)
        opened.load()
        ImageOps.exif_transpose(opened, in_place=True)  # a copy takes a third of decoding
        return _pixels(opened, chain, channels, size, file.name)


def fitted(
    image: NDArray[Any], chain: Preprocessing, *, channels: int, size: tuple[int, int]
) -> NDArray[Any]:
    """The steps after decoding, for pixels that a camera or a video has: uint8, (1, C, H, W).

    Args:
        image: (H, W, 3) or, grey, (H, W); uint8.
        chain: the steps.
        channels: as of `preprocess`.
        size: as of `preprocess`.

    Raises:
        ImageError: another type or shape, or the chain does not say what to do with it.
    """
    if image.dtype != np.uint8 or image.ndim not in {2, 3} or image.shape[2:] not in {(), (3,)}:
        raise ImageError(
            f"a frame is {list(image.shape)} {dtype_text(image.dtype)}; give uint8 pixels, "
            f"(H, W, 3) or (H, W)"
        )
    return _pixels(Image.fromarray(image), chain, channels, size, "a frame")


def _pixels(
    picture: Image.Image,
    chain: Preprocessing,
    channels: int,
    size: tuple[int, int],
    name: str,
) -> NDArray[Any]:
    picture = _of_mode(_eight_bits(picture, chain, name), channels, chain, name)
    picture = _sized(picture, size, chain, name)
    pixels = np.asarray(picture, dtype=np.uint8).reshape(*size, channels)
    if chain.bgr:
        if channels != 3:
            raise ImageError(f"blue first has three channels, but the model takes {channels}")
        pixels = pixels[..., ::-1]
    return np.array(pixels.transpose(2, 0, 1)[None], order="C")  # what Pillow holds is read-only


def _check_depth(opened: Image.Image, name: str) -> None:
    """Raise where Pillow would cut off the lower of 16 bits: it has no colours of more than 8.

    Raises:
        ImageError: it would.
    """
    tiles = str(getattr(opened, "tile", ""))
    if not opened.mode.startswith("I") and _SIXTEEN_BIT_MODE.search(tiles):
        raise ImageError(
            f"{name} has several channels of 16 bits, of which only grey is scaled; convert it to "
            f"8 bits a channel"
        )


def _eight_bits(picture: Image.Image, chain: Preprocessing, name: str) -> Image.Image:
    """Black to 0 and white to 255, where there are more than 8 bits a channel."""
    if picture.mode[0] not in "IF":
        return picture
    levels = chain.levels or (_SIXTEEN_BITS if picture.mode.startswith("I;16") else None)
    if levels is None:
        kind = "floating-point" if picture.mode == "F" else "32-bit"
        raise ImageError(f"{name} has {kind} values; say what is black and white: levels=(0, 1)")
    black, white = levels
    values = np.asarray(picture).astype(np.float64)
    if not np.isfinite(values).all():
        raise ImageError(f"{name} has values that are no numbers")
    return Image.fromarray(
        np.rint(np.clip((values - black) * (255 / (white - black)), 0, 255)).astype(np.uint8)
    )


def _of_mode(picture: Image.Image, channels: int, chain: Preprocessing, name: str) -> Image.Image:
    mode = MODES[channels]
    if mode == "RGBA" or not picture.has_transparency_data:
        return picture if picture.mode == mode else picture.convert(mode)
    picture = picture.convert("RGBA")
    if picture.getchannel("A").getextrema() != (255, 255):
        if chain.background is None:
            raise ImageError(
                f"{name} has transparent pixels; say which colour they are laid on: "
                f"background=(255, 255, 255)"
            )
        ground = Image.new("RGBA", picture.size, (*chain.background, 255))
        picture = Image.alpha_composite(ground, picture)
    return picture.convert("RGB").convert(mode)


def _sized(
    picture: Image.Image, size: tuple[int, int], chain: Preprocessing, name: str
) -> Image.Image:
    height, width = size
    if picture.size == (width, height):
        return picture
    how = Image.Resampling[chain.filter.name]
    match chain.fit:
        case Fit.EXACT:
            raise ImageError(
                f"{name} is {picture.width}x{picture.height} pixels, but the model takes "
                f"{width}x{height}; say how to fit it: fit='stretch', 'crop' or 'letterbox'"
            )
        case Fit.STRETCH:
            return picture.resize((width, height), how)
        case Fit.CROP:
            return picture.resize((width, height), how, box=_middle(picture.size, (width, height)))
        case Fit.LETTERBOX:
            return _letterboxed(picture, (width, height), how, chain.bars)


def _middle(size: tuple[int, int], wanted: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest box in the middle that has the wanted shape: left, upper, right, lower."""
    (width, height), (to_width, to_height) = size, wanted
    if width * to_height > height * to_width:
        margin = (width - height * to_width / to_height) / 2
        return margin, 0, width - margin, height
    margin = (height - width * to_height / to_width) / 2
    return 0, margin, width, height - margin


def _letterboxed(
    picture: Image.Image,
    wanted: tuple[int, int],
    how: Image.Resampling,
    bars: tuple[int, int, int],
) -> Image.Image:
    """All of the picture in the middle; where bars cannot be equal, the second is wider by one."""
    (width, height), (to_width, to_height) = picture.size, wanted
    if width * to_height > height * to_width:
        inner = to_width, max(1, round(height * to_width / width))
    else:
        inner = max(1, round(width * to_height / height)), to_height
    colour = Image.new("RGB", (1, 1), bars).convert(picture.mode).getpixel((0, 0))
    whole = Image.new(picture.mode, wanted, colour)
    whole.paste(
        picture.resize(inner, how), ((to_width - inner[0]) // 2, (to_height - inner[1]) // 2)
    )
    return whole
