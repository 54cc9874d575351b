"""How far a search is, for whoever waits: one line of a terminal, or a line now and then."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Tell = Callable[[int, int, str], None]
    """Called with how many are done, of how many at most, and which is at hand."""


@contextmanager
def progress(what: str) -> Iterator[Tell]:
    """Tell of a search on the error stream; a terminal's line is gone at the end.

    Args:
        what: is counted, in the plural.
    """
    if not sys.stderr.isatty():
        yield _tenths(what)
        return

    def tell(done: int, most: int, at_hand: str) -> None:
        click.echo(f"\r\x1b[Kplanned {done} of {most} {what}: {at_hand} …", nl=False, err=True)

    try:
        yield tell
    finally:
        click.echo("\r\x1b[K", nl=False, err=True)


def _tenths(what: str) -> Tell:
    """A line where a further tenth is done."""
    told = -1

    def tell(done: int, most: int, at_hand: str) -> None:
        nonlocal told
        if done * 10 // most > told:
            told = done * 10 // most
            click.echo(f"planned {done} of {most} {what}: {at_hand} …", err=True)

    return tell
