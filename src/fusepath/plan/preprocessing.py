"""How a picture becomes the input of a network: declared, so that either machine does the same."""

from __future__ import annotations

import math
from enum import StrEnum

import msgspec

from fusepath.errors import SettingError


class Fit(StrEnum):
    """How a picture of another size or shape is brought to that of the network's input."""

    EXACT = "exact"
    """Not at all: it is refused."""
    STRETCH = "stretch"
    """Both sides are scaled by themselves, which changes the proportions of what is shown."""
    CROP = "crop"
    """The largest part in the middle that has the right shape is scaled."""
    LETTERBOX = "letterbox"
    """All of it is scaled, and bars fill what is left on two sides."""


class Filter(StrEnum):
    """How pixels are computed where a picture is scaled; as Pillow's filters of these names."""

    NEAREST = "nearest"
    BOX = "box"
    BILINEAR = "bilinear"
    HAMMING = "hamming"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"


class Preprocessing(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """From an encoded picture to pixels: the steps between a file and uint8 (1, C, H, W).

    In this order: decode; turn as EXIF says; more than 8 bits to 8; transparency; scale; order of
    channels. Mean and std come after that, for pixels from wherever.

    Raises:
        SettingError: a field of another type, or out of its range.
    """

    fit: Fit = Fit.EXACT
    filter: Filter = Filter.BILINEAR
    bars: tuple[int, int, int] = (0, 0, 0)
    """Colour (red, green, blue) of a letterbox's bars."""
    background: tuple[int, int, int] | None = None
    """Colour that transparent pixels are laid on. None refuses pictures that have any, unless the
    network takes four channels."""
    levels: tuple[float, float] | None = None
    """Values that become 0 and 255, of pictures with more than 8 bits a channel. None takes all of
    16 bits, and refuses 32-bit and floating-point pictures, which do not say what white is."""
    frame: int | None = None
    """Which picture (0-based) of a file that holds several. None refuses such files."""
    bgr: bool = False
    """Blue comes first in the network's input."""

    def __post_init__(self) -> None:
        for name, known in (("fit", Fit), ("filter", Filter)):
            given = getattr(self, name)
            if not isinstance(given, known):
                raise SettingError(f"{name} {given!r} is none of {', '.join(map(str, known))}")
        for name, colour in (("bars", self.bars), ("background", self.background)):
            if not (name == "background" and colour is None) and not _is_colour(colour):
                raise SettingError(f"{name} {colour!r} is no colour: three values from 0 to 255")
        if self.levels is not None and not _are_levels(self.levels):
            raise SettingError(f"levels {self.levels!r} are not two numbers, the lower one first")
        if self.frame is not None and not _is_number_from_0(self.frame):
            raise SettingError(f"frame {self.frame!r} is no number of a picture; they begin at 0")


def _is_number_from_0(given: object) -> bool:
    return isinstance(given, int) and given >= 0


def _is_colour(given: object) -> bool:
    return (
        isinstance(given, tuple)
        and len(given) == 3
        and all(_is_number_from_0(value) and value <= 255 for value in given)
    )


def _are_levels(given: object) -> bool:
    return (
        isinstance(given, tuple)
        and len(given) == 2
        and all(isinstance(value, int | float) and math.isfinite(value) for value in given)
        and given[0] < given[1]
    )


AS_THEY_COME = Preprocessing()
"""Pictures of the right size with nothing to decide."""
