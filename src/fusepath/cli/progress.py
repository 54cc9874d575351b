"""Word of what takes longer than a moment, on a terminal or off it."""

from __future__ import annotations

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
def telling(what: str) -> Iterator[None]:
    """Say on standard error what is being done, once it has taken two seconds and now and then."""
    done = threading.Event()

    def tell() -> None:
        begun_s, wait_s = time.monotonic(), _FIRST_S
        while not done.wait(wait_s):
            click.echo(f"{what}, {time.monotonic() - begun_s:.0f} s …", err=True)
            wait_s = _NEXT_S

    teller = threading.Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()
