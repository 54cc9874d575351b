r"""How the name of a file is spelt where only text may stand: in JSON, in messages, on a terminal.

To the system a name is bytes, and Python keeps those that are no UTF-8 as lone surrogates, which no
strict reader of JSON takes. Here they are escapes, as ``\xe9``; all other names stay as they are.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})")
_LIKE_AN_ESCAPE = re.compile(rb"\\(?=x[0-9a-f]{2})")
_ESCAPED_BACKSLASH = rb"\\x5c"
_SURROGATES = re.compile("[\ud800-\udfff]+")


def spelt(path: str | Path) -> str:
    r"""A path as text of which `path_of` makes the same path.

    A backslash that begins what reads like an escape is one itself, ``\x5c``.
    """
    return _LIKE_AN_ESCAPE.sub(_ESCAPED_BACKSLASH, os.fsencode(path)).decode(
        errors="backslashreplace"
    )


def path_of(spelling: str) -> str:
    """The path that is spelt so."""
    raw = spelling.encode(errors="surrogateescape")
    return os.fsdecode(_ESCAPE.sub(lambda escape: bytes.fromhex(escape[1].decode()), raw))


def as_text(words: str) -> str:
    """Words that may hold paths, with these spelt, but for what `path_of` needs besides."""
    return _SURROGATES.sub(_escapes, words)


def _escapes(surrogates: re.Match[str]) -> str:
    """What they stand for in names; of others, which no system makes, their numbers."""
    try:
        raw = surrogates[0].encode(errors="surrogateescape")
    except UnicodeEncodeError:
        raw = surrogates[0].encode(errors="backslashreplace")
    return raw.decode(errors="backslashreplace")
