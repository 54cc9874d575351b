"""An edge server's no, as the device tells it."""

from __future__ import annotations

from fusepath.errors import (
    PeerBusyError,
    PeerError,
    PeerFailedError,
    PeerForgotError,
    PeerRefusedError,
    PeerTimeoutError,
)
from fusepath.protocol.framing import RefusalKind

MOST_RETRY_AFTER_S = 60.0
"""However long an edge server asks to be left alone."""


def refused(address: str, kind: RefusalKind, reason: str, retry_after_ms: int = 0) -> PeerError:
    """The error for a refusal."""
    if kind is RefusalKind.SILENT:
        return PeerTimeoutError(address, reason)
    if kind is RefusalKind.EXHAUSTED:
        return busy(address, reason, retry_after_ms)
    if kind is RefusalKind.FORGOTTEN:
        return PeerForgotError(address, f"refused: {reason}")
    if kind is RefusalKind.FAILED:
        return PeerFailedError(address, f"refused: {reason}")
    return PeerRefusedError(address, f"refused: {reason}")


def busy(address: str, reason: str, retry_after_ms: int) -> PeerBusyError:
    """The error of a server that has no room now."""
    retry_after_s = min(max(retry_after_ms, 0) / 1000, MOST_RETRY_AFTER_S)
    return PeerBusyError(address, f"refused: {reason}", retry_after_s)
