"""The gain map: what planning is worth over all devices and links, and what it could be worth."""

from __future__ import annotations

import csv
import io
import math
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from fusepath import jsonfile
from fusepath.cost import Convention, Machine
from fusepath.errors import InputError, SettingError
from fusepath.output_file import write_file
from fusepath.plan import ModelReference
from fusepath.units import parse_bytes_per_s, parse_flop_per_s

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GAIN_MAP_VERSION = 1
MOST_POINTS = 64
WORTHWHILE_GAIN = 1.01
"""Below this, a map names what NFL does: nobody splits a network to gain less than 1 %."""
LEAST_TIME_S = 1e-9
"""Plans and bounds are whole nanoseconds; a bound that was rounded to none counts as one."""


class Family(StrEnum):
    """What kind of plan is the fastest."""

    DEVICE_ONLY = "device-only"
    FULL_OFFLOAD = "full-offload"
    SPLIT = "split"
    """NFL with a cut inside the network."""
    TILES = "tiles"
    STREAMED_CUT = "streamed-cut"
    """Strips of one segment, which have one cut."""
    STREAM = "stream"
    FORWARD = "forward"
    """The picture's file goes over as it is."""


class Cell(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device on one link: how long every kind of plan takes."""

    device_ops_per_s: float
    link_bytes_per_s: float
    """Both ways."""
    device_only_s: float
    full_offload_s: float
    nfl_s: float
    auto_s: float
    lower_bound_s: float
    """No plan of any family is faster: the fluid bound."""
    winner: Family

    @property
    def gain(self) -> float:
        """How many times faster than NFL the best plan is; 1 where nothing beats NFL."""
        return self.nfl_s / self.auto_s

    @property
    def limit(self) -> float:
        """The largest gain that the lower bound leaves possible."""
        return self.nfl_s / max(self.lower_bound_s, LEAST_TIME_S)

    @property
    def baseline(self) -> Family:
        """What NFL does here."""
        if self.nfl_s == self.device_only_s:
            return Family.DEVICE_ONLY
        return Family.FULL_OFFLOAD if self.nfl_s == self.full_offload_s else Family.SPLIT

    @property
    def choice(self) -> Family:
        """The winner, or what NFL does where the winner gains less than is worth the trouble."""
        return self.winner if self.gain >= WORTHWHILE_GAIN else self.baseline

    def document(self) -> dict[str, Any]:
        """The cell with what follows from it."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields | {
            "gain": self.gain,
            "limit": self.limit,
            "baseline": str(self.baseline),
            "choice": str(self.choice),
        }


class GainMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network and an edge server over a range of devices and links.

    ``cells`` has every device with every link, device by device, in the order of the two ranges.
    """

    KIND: ClassVar[str] = "gain map"

    format: str = "fusepath-gain-map"
    version: int = GAIN_MAP_VERSION
    fusepath_version: str
    model: ModelReference
    convention: Convention
    edge: Machine
    device_ops_per_s: tuple[float, ...]
    link_bytes_per_s: tuple[float, ...]
    cells: tuple[Cell, ...]

    def __post_init__(self) -> None:
        if self.format != "fusepath-gain-map" or self.version != GAIN_MAP_VERSION:
            raise SettingError(
                f"{self.format} version {self.version}; this fusepath reads {GAIN_MAP_VERSION}"
            )
        for name, rates in (
            ("device_ops_per_s", self.device_ops_per_s),
            ("link_bytes_per_s", self.link_bytes_per_s),
        ):
            if not 2 <= len(rates) <= MOST_POINTS or rates[0] <= 0:
                raise SettingError(f"'{name}' must hold 2 to {MOST_POINTS} rates above zero")
            if list(rates) != sorted(set(rates)):
                raise SettingError(f"'{name}' must rise")
        places = [
            (device, link) for device in self.device_ops_per_s for link in self.link_bytes_per_s
        ]
        if [(cell.device_ops_per_s, cell.link_bytes_per_s) for cell in self.cells] != places:
            raise SettingError("'cells' must have every device with every link, device by device")
        for cell in self.cells:
            if not 0 <= cell.lower_bound_s <= cell.auto_s <= cell.nfl_s or cell.auto_s == 0:
                raise SettingError("every cell needs 0 <= lower_bound_s <= auto_s <= nfl_s > 0")

    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The cells by device, slowest first, and in each row by link, slowest first."""
        width = len(self.link_bytes_per_s)
        return tuple(self.cells[at : at + width] for at in range(0, len(self.cells), width))

    @property
    def largest(self) -> Cell:
        """The largest gain."""
        return max(self.cells, key=lambda cell: cell.gain)

    @property
    def largest_limit(self) -> Cell:
        """The largest gain that the lower bound leaves possible."""
        return max(self.cells, key=lambda cell: cell.limit)

    @property
    def mean_gain(self) -> float:
        """Geometric mean over the map."""
        return _geometric_mean(self.cells, lambda cell: cell.gain)

    @property
    def mean_limit(self) -> float:
        """Geometric mean over the map."""
        return _geometric_mean(self.cells, lambda cell: cell.limit)

    def share(self, least_gain: float) -> float:
        """Share of the map, 0 … 1, with at least this gain."""
        return sum(cell.gain >= least_gain for cell in self.cells) / len(self.cells)

    def shares(self) -> dict[Family, float]:
        """Share of the map, 0 … 1, in which each family is the choice."""
        count = len(self.cells)
        return {
            family: sum(cell.choice is family for cell in self.cells) / count for family in Family
        }

    def document(self) -> dict[str, Any]:
        """The map as the command line prints it: the file's keys and what follows from them."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields | {
            "cells": [cell.document() for cell in self.cells],
            "largest": self.largest.document(),
            "largest_limit": self.largest_limit.document(),
            "mean_gain": self.mean_gain,
            "mean_limit": self.mean_limit,
            "shares": {str(family): share for family, share in self.shares().items()},
        }

    def csv(self) -> str:
        """One line per cell, with a header."""
        text = io.StringIO()
        lines = [cell.document() for cell in self.cells]
        writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        return text.getvalue()


def load_gain_map(path: str | Path) -> GainMap:
    """Read a map that was computed before.

    Raises:
        FileFormatError: it is missing, damaged or no gain map.
    """
    return jsonfile.load(path, GainMap)


def save_gain_map(path: Path, gain_map: GainMap) -> None:
    """Write a map as JSON, or as CSV where the name ends in ``.csv``.

    Raises:
        OutputError: the file cannot be written.
    """
    if path.suffix == ".csv":
        write_file(path, gain_map.csv().encode())
    else:
        jsonfile.save(path, gain_map)


def parse_devices(text: str, points: int) -> tuple[float, ...]:
    """Operations per second from ``1GFLOPS:100GFLOPS``, evenly spaced on a logarithmic scale.

    Raises:
        InputError: the text is no such range, or the number of points is out of reach.
    """
    return _parse_range(text, points, parse_flop_per_s, "device range", "1GFLOPS:100GFLOPS")


def parse_links(text: str, points: int) -> tuple[float, ...]:
    """Bytes per second from ``0.5MB/s:20MB/s``, evenly spaced on a logarithmic scale.

    Raises:
        InputError: the text is no such range, or the number of points is out of reach.
    """
    return _parse_range(text, points, parse_bytes_per_s, "link range", "0.5MB/s:20MB/s")


def _parse_range(
    text: str, points: int, parse: Callable[[str], float], what: str, example: str
) -> tuple[float, ...]:
    if not 2 <= points <= MOST_POINTS:
        raise InputError(f"a map of {points} points a side: give 2 to {MOST_POINTS}")
    ends = text.split(":")
    if len(ends) != 2:
        raise InputError(f"{what} '{text}' is not LOW:HIGH; write it like {example}")
    low, high = (parse(end) for end in ends)
    if not low < high:
        raise InputError(f"{what} '{text}' must rise from LOW to HIGH, like {example}")
    # Six digits, so that files stay readable; the ends are as they were given.
    inner = [low * (high / low) ** (at / (points - 1)) for at in range(1, points - 1)]
    rates = (low, *(float(f"{rate:.6g}") for rate in inner), high)
    if list(rates) != sorted(set(rates)):
        raise InputError(f"{what} '{text}' is too narrow for {points} points; give fewer")
    return rates


def _geometric_mean(cells: tuple[Cell, ...], value: Callable[[Cell], float]) -> float:
    return math.exp(sum(math.log(value(cell)) for cell in cells) / len(cells))
