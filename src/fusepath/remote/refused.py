"""An edge server's no, as the device tells it."""

from __future__ import annotations

from fusepath.errors import PeerBusyError, PeerError, PeerRefusedError, PeerTimeoutError
from fusepath.protocol.framing import RefusalKind


def refused(address: str, kind: RefusalKind, reason: str) -> PeerError:
    """The error for a refusal."""
    if kind is RefusalKind.SILENT:
        return PeerTimeoutError(address, reason)
    if kind is RefusalKind.EXHAUSTED:
        return PeerBusyError(address, f"refused: {reason}")
    return PeerRefusedError(address, f"refused: {reason}")
