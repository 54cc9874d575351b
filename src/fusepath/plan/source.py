"""Inputs that come as encoded pictures: decoded on the device, or sent as they are."""

from __future__ import annotations

import math

import msgspec

from fusepath.errors import SettingError
from fusepath.plan.preprocessing import AS_THEY_COME, Preprocessing

MAX_FILE_BYTES = 32 << 20
MAX_FORWARDED_PIXELS = 40_000_000
"""Of a file that is forwarded, and of the picture in it."""
FORWARDED_FORMATS = ("JPEG", "PNG", "WEBP")
"""Of files that an edge server decodes, as Pillow names them."""


def why_not_forwarded(*, file_bytes: int, pixels: int, form: str) -> str | None:
    """Why an edge server does not decode such files; None where it does.

    Args:
        file_bytes: size of the file.
        pixels: of the picture in it.
        form: as Pillow names it.
    """
    if file_bytes > MAX_FILE_BYTES or pixels > MAX_FORWARDED_PIXELS:
        return (
            f"files of more than {MAX_FILE_BYTES} bytes or {MAX_FORWARDED_PIXELS} pixels are not "
            f"forwarded"
        )
    if form not in FORWARDED_FORMATS:
        return f"only JPEG, PNG and WebP are forwarded, not {form}"
    return None


class PictureSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Encoded pictures as one of them is, and what it takes either machine to decode it."""

    chain: Preprocessing = AS_THEY_COME
    width: int
    height: int
    """Of the picture as it is encoded."""
    file_bytes: int
    format: str = "JPEG"
    """As Pillow names it."""
    decoder_sha256: str
    """What the device's decoder and resizer make of known pictures."""
    device_decode_s: float
    """From the file to pixels as the network takes them."""
    edge_decode_s: float

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.file_bytes) < 1:
            raise SettingError("a picture has at least one pixel and one byte")
        for seconds in (self.device_decode_s, self.edge_decode_s):
            if not (math.isfinite(seconds) and seconds >= 0):
                raise SettingError(f"a picture cannot take {seconds} s to decode")

    @property
    def pixels(self) -> int:
        """Number of them."""
        return self.width * self.height

    @property
    def forwarding(self) -> Forwarding:
        """How such files are forwarded."""
        return Forwarding(
            chain=self.chain,
            width=self.width,
            height=self.height,
            decoder_sha256=self.decoder_sha256,
        )


class Forwarding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the edge server makes the input out of the file that it is sent.

    It does so only where its decoder and resizer do the same as the device's with known pictures.
    """

    chain: Preprocessing
    width: int
    height: int
    """Of the pictures to come, on the whole: it measures with one of this size how long they
    take."""
    decoder_sha256: str

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 1 or self.width * self.height > MAX_FORWARDED_PIXELS:
            raise SettingError(f"forwarded pictures have 1 to {MAX_FORWARDED_PIXELS} pixels")
