"""What a device shows an edge server, what it trusts, and why a connection does not come about."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from fusepath.errors import InputError, PeerRefusedError, PeerUnreachableError
from fusepath.remote.access import read_token
from fusepath.remote.listening import is_loopback
from fusepath.remote.pem import read_authorities, read_pair

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.errors import PeerError

SCHEME = "grpcs://"
CA, CERTIFICATE, KEY = "FUSEPATH_TLS_CA", "FUSEPATH_TLS_CERT", "FUSEPATH_TLS_KEY"
TOKEN, TOKEN_FILE = "FUSEPATH_TOKEN", "FUSEPATH_TOKEN_FILE"
_WAIT_S = 1.0
_NO_WAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}
"""Of a network that has been asked."""


@dataclass(frozen=True, slots=True)
class Papers:
    """Files in PEM, and a token; as the environment names them."""

    ca: Path | None = None
    """Authorities that are trusted; None for those of the system."""
    certificate: Path | None = None
    key: Path | None = None
    token: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Papers:
        """Those that the environment names.

        Raises:
            InputError: of certificate and key there is one, or a token cannot be read.
        """
        paths = {name: environment.get(name) for name in (CA, CERTIFICATE, KEY, TOKEN_FILE)}
        ca, certificate, key, token_file = (Path(path) if path else None for path in paths.values())
        if (certificate is None) != (key is None):
            raise InputError(f"{CERTIFICATE} and {KEY} belong together; only one of them is set")
        token = environment.get(TOKEN, "").strip()
        if not token and token_file is not None:
            token = read_token(token_file)
        return cls(ca, certificate, key, token)

    def credentials(self) -> Any:
        """For a channel of gRPC.

        Raises:
            InputError: a file cannot be read, or certificate and key are no pair.
        """
        ca = None if self.ca is None else read_authorities(self.ca)
        if self.certificate is None or self.key is None:
            return grpc.ssl_channel_credentials(ca)
        certificate, key = read_pair(self.certificate, self.key)
        return grpc.ssl_channel_credentials(ca, key, certificate)

    def metadata(self, address: str) -> tuple[tuple[str, str], ...] | None:
        """What every call carries: the token, where nobody on the way can read it."""
        sent = address.startswith(SCHEME) or is_loopback(address)
        return (("authorization", f"Bearer {self.token}"),) if self.token and sent else None


def target_of(address: str) -> str:
    """``HOST:PORT`` of an address."""
    return address.removeprefix(SCHEME)


def why_not(address: str, papers: Papers) -> PeerError | None:
    """What keeps a device from an edge server; None where nothing shows.

    Nobody takes connections there, or one of the two does not trust the other. It connects again,
    by other means than gRPC, which tells none of it. Blocks for a second or two.
    """
    try:
        distrust = _distrust(address, papers)
    except OSError as error:
        unreachable = _unreachable(error)
        return None if unreachable is None else PeerUnreachableError(address, unreachable)
    except ValueError:
        return None
    return None if distrust is None else PeerRefusedError(address, distrust)


def _unreachable(error: OSError) -> str | None:
    """What the network has said of an attempt to connect; None where it has said nothing."""
    match error:
        case ConnectionRefusedError():
            return "nobody listens there; start one with `fusepath serve`"
        case socket.gaierror():
            return f"there is no such host ({error.strerror})"
        case OSError() if error.errno in _NO_WAY:
            return f"it cannot be reached ({error.strerror})"
    return None


def _distrust(address: str, papers: Papers) -> str | None:
    """Why one of the two does not trust the other; None where nothing shows.

    Raises:
        OSError: there is no connection.
        ValueError: the host's name is none.
    """
    secure = address.startswith(SCHEME)
    host, _, port = target_of(address).rpartition(":")
    host = host.strip("[]")
    try:
        context = _context(papers) if secure else _trusting()
    except OSError as error:  # an ssl.SSLError: they have changed, or are too weak for Python
        return f"the certificate and key of this device cannot be used ({error.strerror or error})"
    with socket.create_connection((host, int(port)), _WAIT_S) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=host) as wrapped:
                wrapped.settimeout(_WAIT_S)
                if not secure:
                    return f"it is encrypted; use {SCHEME}{address}"
                # Whether it is content shows behind the handshake: it speaks, or hangs up.
                return None if wrapped.recv(1) else _disliked(papers)
        except ssl.SSLError as error:
            return _told(error, papers) if secure else None


def _disliked(papers: Papers) -> str:
    if papers.certificate is None:
        return f"it asks for a certificate of this device; set {CERTIFICATE} and {KEY}"
    return "it does not take this device's certificate"


def _told(error: ssl.SSLError, papers: Papers) -> str:
    """Why a connection that was to be encrypted is none."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message.rstrip('.')}"
    reason = (error.reason or "").replace("_", " ").lower()
    if "wrong version" in reason or "record layer" in reason:
        return f"it is not encrypted; leave {SCHEME} out, or start it with a certificate"
    return f"{_disliked(papers)} ({reason or error})"


def _context(papers: Papers) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=papers.ca)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # from Python 3.13 on; gRPC takes more
    context.set_alpn_protocols(["h2"])
    if papers.certificate is not None and papers.key is not None:
        context.load_cert_chain(papers.certificate, papers.key, password="")  # asks nobody
    return context


def _trusting() -> ssl.SSLContext:
    """To see whether a server is encrypted; nothing is said to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context
