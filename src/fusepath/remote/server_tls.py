"""Certificates of an edge server, read again when their files change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from fusepath.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServerTls:
    """Files in PEM.

    Args:
        certificate: of the server, and what leads from it to its authority.
        key: of the certificate.
        client_ca: authorities whose certificates devices must show; None asks for none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def credentials(self) -> Any:
        """For gRPC, which asks for them anew with every connection.

        Raises:
            InputError: a file cannot be read or holds no certificate or key.
        """
        current = self._read()
        configuration = _configuration(current)

        def fetch() -> Any:
            """What is new; None where nothing is, or what is there cannot be used."""
            nonlocal current
            try:
                files = self._read()
                if files == current:
                    return None
                new = _configuration(files)
            except InputError:  # being written, say: what was read before holds
                return None
            current = files
            return new

        return grpc.dynamic_ssl_server_credentials(
            configuration, fetch, require_client_authentication=self.client_ca is not None
        )

    def _read(self) -> tuple[bytes, bytes, bytes | None]:
        certificate = read_pem(self.certificate, "CERTIFICATE")
        key = read_pem(self.key, "PRIVATE KEY")
        client_ca = None if self.client_ca is None else read_pem(self.client_ca, "CERTIFICATE")
        return certificate, key, client_ca


def _configuration(files: tuple[bytes, bytes, bytes | None]) -> Any:
    certificate, key, client_ca = files
    return grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca)


def read_pem(path: Path, kind: str) -> bytes:
    """A file that holds something of a kind in PEM.

    Raises:
        InputError: it cannot be read, or holds nothing of that kind.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror or error}") from error
    if f"{kind}-----".encode() not in data:
        raise InputError(f"'{path}' holds no {kind.lower()} in PEM")
    return data
