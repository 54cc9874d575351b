"""Text of a peer, which people may come to read."""

from __future__ import annotations

from fusepath.protocol.conversation import ProtocolError

MAX_TEXT_BYTES = 500
"""Of a reason, and of the name of a version."""


def encode_text(text: str) -> bytes:
    """UTF-8 of as much as a message has room for."""
    whole = text.encode(errors="replace")
    return whole[:MAX_TEXT_BYTES].decode(errors="ignore").encode()


def decode_text(body: memoryview) -> str:
    """One line of text.

    Raises:
        ProtocolError: it is too long, or not UTF-8.
    """
    if len(body) > MAX_TEXT_BYTES:
        raise ProtocolError(f"a text of {len(body)} bytes is longer than {MAX_TEXT_BYTES}")
    try:
        return one_line(bytes(body).decode())
    except UnicodeDecodeError as error:
        raise ProtocolError(f"a text is not UTF-8 at byte {error.start}") from None


def one_line(text: str) -> str:
    """A text with nothing in it that a terminal would obey."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
