"""Addresses that a server listens on."""

from __future__ import annotations

from fusepath.errors import InputError

_LOOPBACK = ("127.", "localhost:", "[::1]:")


def is_loopback(address: str) -> bool:
    """Whether ``HOST:PORT`` reaches this machine alone."""
    return address.startswith(_LOOPBACK)


def parse_listen(listen: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``; port 0 picks a free one.

    Raises:
        InputError: it is malformed.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise InputError(f"listen address '{listen}' is not HOST:PORT, like 0.0.0.0:7070")
    return host, int(port)
