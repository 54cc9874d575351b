"""Standard output and standard error of every command: whatever is said, it can be written."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TextIO

from fusepath.spelling import as_text


class _Told(io.TextIOWrapper):
    """Text with names of files as they are spelt, and numbers for what the encoding has not.

    Where the encoding is ASCII, which mostly is nobody's wish, it is UTF-8.
    """

    def __init__(self, stream: TextIO, descriptor: int, *, keep_open: bool = False) -> None:
        is_ascii = codecs.lookup(stream.encoding).name == "ascii"
        super().__init__(
            os.fdopen(descriptor, "wb", closefd=not keep_open),
            encoding="utf-8" if is_ascii else stream.encoding,
            errors="backslashreplace",
            line_buffering=stream.isatty() or stream is sys.stderr,
        )

    def write(self, words: str, /) -> int:
        """Write them."""
        return super().write(as_text(words))


def keep_standard_streams() -> None:
    """Let nobody but this package write to standard output, and what it writes be text.

    Libraries below print warnings of their own there, past Python; they go to standard error.
    """
    stdout, stderr = sys.stdout, sys.stderr
    try:
        stdout.flush()
        own = os.dup(stdout.fileno())
        os.dup2(stderr.fileno(), stdout.fileno())
        sys.stdout = _Told(stdout, own)
        sys.stderr = _Told(stderr, stderr.fileno(), keep_open=True)
    except (AttributeError, OSError, ValueError):
        return  # one of them is closed, or no file


def close_standard_output() -> None:
    """Leave nothing that the interpreter would try to write in the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
