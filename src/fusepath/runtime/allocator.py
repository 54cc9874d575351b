"""Memory that is free, but that the C library holds back for later."""

from __future__ import annotations

import ctypes
import sys


def release_free_memory() -> None:
    """Give the system back what nothing uses any more; does nothing where that cannot be asked for.

    Measuring and planning take far more memory than answering frames does, on threads that have
    ended since. glibc keeps what these have freed.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # which musl lacks
        if trim is not None:
            trim(0)
