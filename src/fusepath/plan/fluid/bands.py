"""The least that machines have to do of all ways to share fused rows out in bands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.arrays import BoolArray, FloatArray

    Pairs = tuple[FloatArray, FloatArray]
    """Loads of the device and of the others, the first rising and the second falling."""

LEVELS = 3
"""Parts of a time that is known to be enough, to which the link's waiting is rounded down."""


class Part(IntEnum):
    """What a band is to the end of all sending."""

    ANY = 0
    LAST = 1
    """The last that sends anything, with what comes behind that."""
    FOLLOWS = 2
    """Right below that band, or others that follow it, without sending anything itself."""
    BEFORE = 3
    """Right below these, but taken up before them, so that it goes on from none."""


class Ended(IntEnum):
    """Whether one of the bands above is the last that sends anything."""

    NO = 0
    JUST = 1
    YES = 2


_STEPS = (
    (Ended.NO, Part.ANY, Ended.NO),
    (Ended.NO, Part.LAST, Ended.JUST),
    (Ended.JUST, Part.FOLLOWS, Ended.JUST),
    (Ended.JUST, Part.BEFORE, Ended.YES),
    (Ended.YES, Part.ANY, Ended.YES),
)


class Known(NamedTuple):
    """What matters of the bands above, besides their loads and the cut of the last one."""

    waits: int
    """How long the link waits at least for its first row, in `LEVELS`."""
    ended: Ended


@dataclass(frozen=True, kw_only=True)
class Bands:
    """What bands of rows take of the device and of the others.

    Cuts are taken together by the first of those that are alike to go on from.
    """

    loads: Mapping[Part, Mapping[tuple[int, int], FloatArray]]
    """By cut, and by that of the band above; endless where a band is no such part.

    Shape (ways to take it, 2, first rows, rows behind the last).
    """
    sends: Mapping[tuple[int, int], BoolArray]
    """Whether any of the cuts then sends anything; shape (first rows, rows behind the last)."""
    idle: Mapping[int, int]
    """By cut, for how long the link waits for the first row to be sent, in `LEVELS`."""
    means: FloatArray
    """Weights of the device, of which those of the others are the rest; shape (means,)."""
    row_means: FloatArray
    """What these means are at least of every row; shape (means, height)."""
    grain: float
    """To multiples of this, loads of the device are rounded down, once for every band."""
    enough: float
    """What takes as long is left out."""

    @property
    def firsts(self) -> list[int]:
        """The first of alike cuts."""
        return sorted(self.idle)

    @property
    def height(self) -> int:
        """Fused rows."""
        return int(self.row_means.shape[1])

    @cached_property
    def _below(self) -> FloatArray:
        """What means are at least of the rows from one on; shape (means, height + 1)."""
        below = np.cumsum(self.row_means[:, ::-1], axis=1)[:, ::-1]
        return np.pad(below, ((0, 0), (0, 1)))

    @cached_property
    def useful(self) -> Mapping[Part, Mapping[tuple[int, int], BoolArray]]:
        """Ways that do not take too long, however the other rows are shared out.

        Shape (ways, first rows, rows behind the last).
        """
        above = self._below[:, :1] - self._below[:, :-1]
        room = self.enough - above[:, :, None] - self._below[:, None, :]
        return {
            part: {key: self._fits(loads, room) for key, loads in by_key.items()}
            for part, by_key in self.loads.items()
        }

    def _fits(self, loads: FloatArray, room: FloatArray) -> BoolArray:
        """Whether means of loads are below some room; shape of the loads without their pairs."""
        fits = np.ones(loads[:, 0].shape, dtype=bool)
        for mean, least in zip(self.means, room, strict=True):
            fits &= (mean * loads[:, 0] + (1 - mean) * loads[:, 1]) < least
        return fits

    def hopeful(self, others: FloatArray, stop: int) -> FloatArray:
        """Those to which rows below may still be added without taking too long.

        Args:
            others: loads of the others, by load of the device in grains.
            stop: row behind the last of the bands so far.
        """
        device = np.arange(len(others)) * self.grain
        keep = others < self.enough
        for mean, least in zip(self.means, self._below[:, stop], strict=True):
            keep &= mean * device + (1 - mean) * others + least < self.enough
        return np.where(keep, others, np.inf)


def least_loads(bands: Bands) -> dict[int, Pairs]:
    """Loads of which no way to share the rows out has less of both, of ways that send something.

    By how long the link waits at least, in `LEVELS`.
    """
    grains = math.ceil(bands.enough / bands.grain)
    start = np.full(grains, np.inf)
    start[0] = 0.0
    top = {Known(LEVELS, Ended.NO): start}
    upto: list[dict[int, dict[Known, FloatArray]]] = [{}]
    anyhow = {
        part: {key: np.any(useful, axis=0).T for key, useful in by_key.items()}
        for part, by_key in bands.useful.items()
    }
    for stop in range(1, bands.height + 1):
        upto.append({})
        for first in bands.firsts:
            found: dict[Known, FloatArray] = {}
            for begin in range(stop):
                for above, before in upto[begin].items() if begin else [(first, top)]:
                    for part in Part:
                        if anyhow[part][first, above][stop, begin]:
                            _add(bands, part, (first, above), (begin, stop), before, found)
            kept = {known: bands.hopeful(others, stop) for known, others in found.items()}
            kept = {known: others for known, others in kept.items() if others.min() < np.inf}
            if kept:
                upto[stop][first] = kept
    ways: dict[int, FloatArray] = {}
    for by_known in upto[-1].values():
        for known, others in by_known.items():
            if known.ended:
                ways[known.waits] = np.minimum(ways.get(known.waits, np.inf), others)
    return {waits: _least(others, bands.grain) for waits, others in ways.items()}


def _add(
    bands: Bands,
    part: Part,
    key: tuple[int, int],
    rows: tuple[int, int],
    above: Mapping[Known, FloatArray],
    found: dict[Known, FloatArray],
) -> None:
    """Loads with one band more, to those that were found."""
    waits = bands.idle[key[0]] if bands.sends[key][rows] else LEVELS
    keep = bands.useful[part][key][:, *rows]
    ways = [
        (int(device / bands.grain), other)
        for device, other in bands.loads[part][key][keep, :, *rows].tolist()
    ]
    for before, step, after in _STEPS:
        if step is not part:
            continue
        for known, others in above.items():
            if known.ended is not before:
                continue
            together = Known(min(known.waits, waits), after)
            if together not in found:
                found[together] = np.full(len(others), np.inf)
            for grains, other in ways:
                reached = found[together][grains:]
                np.minimum(reached, others[: len(reached)] + other, out=reached)


def _least(others: FloatArray, grain: float) -> Pairs:
    """Loads of the device and of the others of which none is less than another in both."""
    above = np.minimum.accumulate(np.append(np.inf, others[:-1]))
    known = np.flatnonzero(others < above)
    return np.array(grain * known), others[known]
