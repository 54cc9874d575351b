"""The gain map in a terminal: a number and a letter per cell, on the colours of the figure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from fusepath.study import WORTHWHILE_GAIN, Family
from fusepath.units import format_bytes_per_s, format_flop_per_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.study import Cell, GainMap

# Matplotlib's magma from light to dark without its black end: evenly spaced to the eye, told
# apart with any colour vision, and still a scale in grey.
GAIN_COLOURS = (
    "#fcfdbf",
    "#fed799",
    "#feae77",
    "#fb8560",
    "#ef5d5e",
    "#d5446d",
    "#b2357b",
    "#8e2a81",
    "#6b1d81",
    "#4a1079",
    "#251255",
)
FAMILY_NAMES = {
    Family.DEVICE_ONLY: "device only",
    Family.FULL_OFFLOAD: "full offload",
    Family.SPLIT: "NFL split",
    Family.TILES: "tiles",
    Family.STREAMED_CUT: "streamed cut",
    Family.STREAM: "stream",
    Family.FORWARD: "forwarded file",
}
_LETTERS = {
    Family.DEVICE_ONLY: "d",
    Family.FULL_OFFLOAD: "o",
    Family.SPLIT: "n",
    Family.TILES: "t",
    Family.STREAMED_CUT: "c",
    Family.STREAM: "s",
    Family.FORWARD: "f",
}
_LEAST_TOP = 1.1
"""Where the colours end at the earliest, so that next to nothing does not look like much."""
_LIGHT_SHARE = 0.45
"""Of the colours; black shows on them, white on the others."""
_LABEL_WIDTH, _CELL_WIDTH = 13, 6


def axis_scale(rates: Sequence[float]) -> tuple[float, str]:
    """Factor and decimal prefix that suit all rates of an axis."""
    middle = math.sqrt(rates[0] * rates[-1])
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if middle >= factor:
            return factor, prefix
    return 1.0, ""


def map_table(gain_map: GainMap, *, width: int = 120) -> Table:
    """The gains, fastest device on top; columns are left out where the width does not do.

    Args:
        gain_map: what to show.
        width: characters a line may have.
    """
    rates = gain_map.link_bytes_per_s
    fitting = max((width - _LABEL_WIDTH) // _CELL_WIDTH, 2)
    step = math.ceil(len(rates) / fitting)
    factor, prefix = axis_scale(rates)
    table = Table(box=None, pad_edge=False, padding=0, header_style="bold")
    table.add_column(f"device \\ {prefix}B/s", no_wrap=True, min_width=_LABEL_WIDTH)
    for rate in rates[::step]:
        table.add_column(f"{rate / factor:.3g} ", justify="right", no_wrap=True)
    top = max(_LEAST_TOP, gain_map.largest.gain)
    for row in reversed(gain_map.rows()):
        label = f"{format_flop_per_s(row[0].device_ops_per_s)}"
        table.add_row(label, *(_cell_text(cell, top) for cell in row[::step]))
    return table


def map_notes(gain_map: GainMap) -> str:
    """What the letters mean, where the most is to be gained, and what the bound leaves."""
    shares = gain_map.shares()
    letters = ", ".join(
        f"{_LETTERS[family]} {FAMILY_NAMES[family]} {share:.0%}"
        for family, share in shares.items()
        if share
    )
    best, limit = gain_map.largest, gain_map.largest_limit
    return "\n".join(
        [
            f"choice        {letters}; a gain under {WORTHWHILE_GAIN - 1:.0%} counts as none",
            f"largest gain  {best.gain:.2f} at {_place(best)}: "
            f"NFL {_milliseconds(best.nfl_s)}, auto {_milliseconds(best.auto_s)}",
            f"mean gain     {gain_map.mean_gain:.2f}; the lower bound leaves "
            f"{gain_map.mean_limit:.2f} on average, {limit.limit:.2f} at most, at {_place(limit)}",
        ]
    )


def _cell_text(cell: Cell, top: float) -> Text:
    at = (cell.gain - 1) / (top - 1)
    ink = "#000000" if at < _LIGHT_SHARE else "#ffffff"
    text = f" {cell.gain:.2f}{_LETTERS[cell.choice]}"
    return Text(text, style=f"{ink} on {_colour(at)}")


def _colour(at: float) -> str:
    """A colour between the given ones, 0 the first and 1 the last."""
    place = at * (len(GAIN_COLOURS) - 1)
    low = min(int(place), len(GAIN_COLOURS) - 2)
    ends = [bytes.fromhex(GAIN_COLOURS[index][1:]) for index in (low, low + 1)]
    part = place - low
    mixed = bytes(round(a + (b - a) * part) for a, b in zip(*ends, strict=True))
    return f"#{mixed.hex()}"


def _place(cell: Cell) -> str:
    return (
        f"{format_flop_per_s(cell.device_ops_per_s)}, {format_bytes_per_s(cell.link_bytes_per_s)}"
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"
