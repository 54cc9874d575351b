"""What a machine was told, and what it said: the answer to "why did this happen"."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def told(story: Iterable[tuple[object, Sequence[object]]]) -> list[str]:
    """A line for each event, with the commands that it led to; paths are 0-based."""
    return [
        f"{event!r} -> {', '.join(map(repr, commands)) or 'nothing'}" for event, commands in story
    ]
