"""Files that may change while an edge server serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.remote.journal import tell

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fusepath.errors import InputError

Stamps = tuple[tuple[int, int, int] | None, ...]
"""Time, size and number of each file; None for one that is not there."""


def stamps_of(paths: Iterable[Path | None]) -> Stamps:
    """By which a change of the files shows."""
    return tuple(_stamp(path) for path in paths)


class Unusable:
    """Tells of files that were changed and cannot be used, once for each change."""

    def __init__(self) -> None:
        self._told: Stamps = ()

    def tell(self, stamps: Stamps, error: InputError) -> None:
        """Tell, unless it was told of these."""
        if stamps != self._told:
            self._told = stamps
            tell("not taken over", reason=str(error), instead="what was read before")


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        stat = None if path is None else path.stat()
    except OSError:
        return None
    return None if stat is None else (stat.st_mtime_ns, stat.st_size, stat.st_ino)
