"""How fast the link is, in both directions."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from fusepath import jsonfile
from fusepath.errors import FileFormatError
from fusepath.units import format_bytes_per_s, parse_bytes_per_s


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Goodput up (device to edge) and down; a message of n bytes takes ``n / rate`` seconds.

    ``delay_s`` is the one-way delay. It is paid once, by the message that ends a phase, not by
    every message of a stream.
    """

    KIND: ClassVar[str] = "link"

    version: int = 1
    up_bytes_per_s: float
    down_bytes_per_s: float
    delay_s: float = 0.0
    up_spread: float = 0.0
    """By what part of itself the time of large messages differed when it was measured."""
    down_spread: float = 0.0

    def __post_init__(self) -> None:
        rates = self.up_bytes_per_s, self.down_bytes_per_s
        if not (min(rates) > 0 and min(self.delay_s, self.up_spread, self.down_spread) >= 0):
            raise ValueError("link rates must be above zero, delay and spreads not below it")

    def describe(self) -> str:
        """For people."""
        return format_bytes_per_s(self.up_bytes_per_s)


def parse_link(text: str) -> Link:
    """Read a rate (``1.8MB/s``, ``14.4Mbit/s``, ``shannon:…``) or the name of a link file.

    Raises:
        InputError: it is neither.
    """
    if text.endswith(".json"):
        link = jsonfile.load(text, Link)
        if link.version != 1:
            raise FileFormatError(f"{text}: link version {link.version}; this reads 1")
        return link
    rate = parse_bytes_per_s(text)
    return Link(up_bytes_per_s=rate, down_bytes_per_s=rate)
