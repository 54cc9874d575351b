"""Versions are compared before anything else is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.framing.messages import Hello

if TYPE_CHECKING:
    from fusepath.protocol.framing.messages import Message


def check_hello(message: Message, ours: Hello, whose: str) -> None:
    """Raise unless the other side speaks as this one does.

    Args:
        message: its first one.
        ours: what it has been told, or would be.
        whose: who it is, for the reason.

    Raises:
        ProtocolError: it does not, or says something else first.
    """
    if not isinstance(message, Hello):
        raise ProtocolError(f"the {whose} must say Hello first, not {type(message).__name__}")
    if message.wire != ours.wire:
        raise ProtocolError(
            f"the {whose} runs fusepath {message.software} (wire {message.wire}), this is "
            f"{ours.software} (wire {ours.wire}); install the same version on both"
        )
