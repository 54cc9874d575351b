"""Word of what takes longer than a moment, on a terminal or off it."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FIRST_S, _NEXT_S = 2.0, 10.0


def now_and_then() -> Callable[[str], None]:
    """Says on standard error what it is told, once two seconds have passed and now and then."""
    next_s = time.monotonic() + _FIRST_S

    def tell(what: str) -> None:
        nonlocal next_s
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + _NEXT_S
            click.echo(f"{what} …", err=True)

    return tell


@contextmanager
def telling(what: str) -> Iterator[Callable[[str], None]]:
    """Say on standard error what is being done, once it has taken two seconds and now and then.

    What is yielded is to be called with what is done from then on.
    """
    done = threading.Event()

    def turn_to(other: str) -> None:
        nonlocal what
        what = other

    def tell() -> None:
        begun_s, wait_s = time.monotonic(), _FIRST_S
        while not done.wait(wait_s):
            click.echo(f"{what}, {time.monotonic() - begun_s:.0f} s …", err=True)
            wait_s = _NEXT_S

    teller = threading.Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        yield turn_to
    finally:
        done.set()
        teller.join()


@contextmanager
def saying() -> Iterator[Callable[[str], None]]:
    """What is yielded says what is being done, at once, and again now and then while it lasts."""
    with telling("working") as turn_to:

        def say(what: str) -> None:
            click.echo(f"{what} …", err=True)
            turn_to(what)

        yield say


@contextmanager
def counting(what: str, length: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, words now and then elsewhere; what is yielded takes how much is done."""
    if sys.stderr.isatty():
        with click.progressbar(length=length, label=f"{what} …", file=sys.stderr) as bar:
            yield lambda done: bar.update(done - bar.pos)
    else:
        with telling(what) as turn_to:
            yield lambda done: turn_to(f"{what}: {done} of {length}")
