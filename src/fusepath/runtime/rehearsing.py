"""Where the parts of a rehearsal run: one by one, so that others have their turns between them."""

from __future__ import annotations

from collections.abc import Callable

On = Callable[[Callable[[], None]], None]
"""Has something run, and waits for it."""


def here(run: Callable[[], None]) -> None:
    """At once, on this thread."""
    run()
