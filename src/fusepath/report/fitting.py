"""Tables and texts that are no wider than the window, with nothing cut off."""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

_LEAST = 5
"""Characters that a flexible column keeps."""
_WIDEST = 1000
"""Of a table that does not fit, in characters; none comes near it."""


def window_width() -> int:
    """Characters a line may have: the terminal's, or ``$COLUMNS``; 80 where neither is known."""
    return shutil.get_terminal_size().columns


class FittingTable(Table):
    """Knows which of its columns may be wrapped, and which may be left out."""

    def __init__(
        self, *, flexible: tuple[str, ...], optional: tuple[str, ...], **options: Any
    ) -> None:
        super().__init__(**options)
        self.flexible = flexible
        self.optional = optional

    def fit(self, console: Console, width: int) -> list[str]:
        """Wrap flexible columns, and leave optional ones out while that does not do.

        Returns:
            The headers of what is left out.
        """
        left_out: list[str] = []
        waiting = list(self.optional)
        while (excess := console.measure(self).maximum - width) > 0:
            if self._wrap(excess) or not waiting:
                break
            left_out.append(waiting.pop(0))
            kept = [item for item in self.columns if item.header != left_out[-1]]
            self.columns = [replace(item, _index=place) for place, item in enumerate(kept)]
        return left_out

    def _wrap(self, excess: int) -> bool:
        """Make flexible columns narrower by so many characters in all, or none of them.

        The first one that can spare them is wrapped alone; where none can, all are, so that the
        widest give most.
        """
        by_header = {str(item.header): item for item in self.columns}
        columns = [by_header[header] for header in self.flexible if header in by_header]
        widths = [max(map(len, map(str, item.cells)), default=0) for item in columns]
        spare = [
            max(0, width - max(_LEAST, len(str(item.header))))
            for width, item in zip(widths, columns, strict=True)
        ]
        if sum(spare) < excess:
            return False
        alone = [place for place, most in enumerate(spare) if most >= excess][:1]
        taken = [0] * len(columns)
        for _ in range(excess):
            able = alone or [place for place, most in enumerate(spare) if taken[place] < most]
            taken[max(able, key=lambda place: widths[place] - taken[place])] += 1
        for item, width, less in zip(columns, widths, taken, strict=True):
            if less:
                item.width, item.no_wrap, item.overflow = width - less, False, "fold"
        return True


def empty_table(
    *columns: str, flexible: tuple[str, ...] = (), optional: tuple[str, ...] = ()
) -> Table:
    """A table without rows: its first column is text, the others are numbers.

    Args:
        columns: headers.
        flexible: columns that are wrapped where the window is too narrow, the first to be first.
        optional: columns that are left out where that does not do, the least wanted first.
    """
    table = FittingTable(
        flexible=flexible, optional=optional, box=None, pad_edge=False, header_style="bold"
    )
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
    return table


def render(table: Table, *, width: int | None = None) -> str:
    """A table as plain text.

    Args:
        table: as `empty_table` made it, or one that is shown as it is.
        width: characters a line may have; those of the window without.
    """
    console = Console(width=_WIDEST, color_system=None, force_terminal=False, highlight=False)
    left_out = []
    if isinstance(table, FittingTable):
        left_out = table.fit(console, window_width() if width is None else width)
    with console.capture() as capture:
        console.print(table)
    lines = [line.rstrip() for line in capture.get().rstrip().splitlines()]
    if left_out:
        lines.append(f"(a wider window also shows: {', '.join(left_out)})")
    return "\n".join(lines)


def wrapped(lines: Iterable[str], *, indent: int = 0, width: int | None = None) -> str:
    """A text whose lines are broken where the window ends, between words.

    Args:
        lines: without their ends.
        indent: spaces before what a line of it goes on with.
        width: characters a line may have; those of the window without.
    """
    wide = window_width() if width is None else width
    return "\n".join(
        textwrap.fill(
            line,
            max(wide, indent + _LEAST),
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines
    )
