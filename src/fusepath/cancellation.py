"""Giving up work that nobody waits for any more, from within that work.

Measuring and planning take seconds, and a thread cannot be stopped from outside: one that an
interpreter leaves behind in ONNX Runtime's code even ends the process with an abort. So long work
asks now and then, for next to nothing, whether to go on.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

_STOP: ContextVar[threading.Event | None] = ContextVar("fusepath-stop", default=None)


class Cancelled(BaseException):
    """Raised in work that is to be given up; no error, so nothing that handles errors keeps it."""


def check_cancelled() -> None:
    """Go on, unless this work is to be given up.

    Raises:
        Cancelled: it is.
    """
    stop = _STOP.get()
    if stop is not None and stop.is_set():
        raise Cancelled


@contextmanager
def cancelled_by(stop: threading.Event) -> Iterator[None]:
    """Have all work within, on this thread, given up once an event is set."""
    token = _STOP.set(stop)
    try:
        yield
    finally:
        _STOP.reset(token)
