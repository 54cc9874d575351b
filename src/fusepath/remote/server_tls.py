"""Certificates of an edge server, read again when their files change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from fusepath.errors import InputError
from fusepath.remote.pem import read_authorities, read_pair
from fusepath.remote.stamps import Unusable, stamps_of

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
            InputError: a file cannot be read, or certificate and key are no pair.
        """
        current, unusable = self._read(), Unusable()
        configuration = _configuration(current)

        def fetch() -> Any:
            """What is new; None where nothing is, or what is there cannot be used."""
            nonlocal current
            now = stamps_of((self.certificate, self.key, self.client_ca))
            try:
                files = self._read()
            except InputError as error:  # being written, say: what was read before holds
                unusable.tell(now, error)
                return None
            if files == current:
                return None
            current = files
            return _configuration(files)

        return grpc.dynamic_ssl_server_credentials(
            configuration, fetch, require_client_authentication=self.client_ca is not None
        )

    def _read(self) -> tuple[bytes, bytes, bytes | None]:
        client_ca = None if self.client_ca is None else read_authorities(self.client_ca)
        return *read_pair(self.certificate, self.key), client_ca


def _configuration(files: tuple[bytes, bytes, bytes | None]) -> Any:
    certificate, key, client_ca = files
    return grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca)
