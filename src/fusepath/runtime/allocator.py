"""Memory that this process has of the system, and gives back."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path


def release_free_memory() -> None:
    """Give the system back what nothing uses any more; does nothing where that cannot be asked for.

    Measuring and planning take far more memory than answering frames does, on threads that have
    ended since. glibc keeps what these have freed.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # which musl lacks
        if trim is not None:
            trim(0)


def resident_bytes(process: int | None = None) -> int:
    """Memory that a process takes now, this one without; 0 where the system does not say."""
    try:
        pages = int(
            Path("/proc", str(process or "self"), "statm").read_text(encoding="ascii").split()[1]
        )
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
