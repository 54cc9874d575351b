"""Certificates and keys in PEM, checked before gRPC has them, which tells not what is wrong."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NoReturn

from fusepath.errors import InputError, one_line

if TYPE_CHECKING:
    from pathlib import Path


def read_authorities(path: Path) -> bytes:
    """Certificates of authorities.

    Raises:
        InputError: the file cannot be read, or holds none.
    """
    data = _read(path, "CERTIFICATE")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:  # ssl.SSLError is one, too
        raise InputError(f"'{path}' holds no certificates that can be used{_why(error)}") from error
    return data


def read_pair(certificate: Path, key: Path) -> tuple[bytes, bytes]:
    """A certificate, with what leads to its authority, and its key.

    Raises:
        InputError: a file cannot be read, or they are no pair, or the key is encrypted.
    """
    pair = _read(certificate, "CERTIFICATE"), _read(key, "PRIVATE KEY")

    def passphrase() -> NoReturn:  # or OpenSSL would ask for one at the terminal
        raise InputError(f"the key in '{key}' is encrypted; give one without a passphrase")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # which are too weak is for gRPC to say
    try:
        context.load_cert_chain(certificate, key, passphrase)
    except OSError as error:
        what = f"the certificate in '{certificate}' and the key in '{key}'"
        if "MISMATCH" in (getattr(error, "reason", None) or ""):
            raise InputError(f"{what} do not belong together") from error
        raise InputError(f"{what} cannot be used{_why(error)}") from error
    return pair


def _read(path: Path, kind: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror or error}") from error
    if f"{kind}-----".encode() not in data:
        raise InputError(f"'{path}' holds no {kind.lower()} in PEM")
    return data


def _why(error: OSError) -> str:
    """What OpenSSL says, where it says something."""
    reason = getattr(error, "reason", None)
    return f" ({one_line(reason).replace('_', ' ').lower()})" if reason else ""
