"""Giving memory back to the operating system."""

from __future__ import annotations

import ctypes
import gc


def release_free_memory() -> None:
    """Give back what was freed but is still held, where the C library can do so.

    Building and timing the sessions of many plans takes and frees memory many times over, and
    glibc keeps most of what is freed, an arena for each thread. Only glibc has the call, and
    elsewhere nothing is done.
    """
    gc.collect()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)
