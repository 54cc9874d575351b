"""Certificates for tests, made by openssl."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(*arguments: object) -> None:
    """Run it."""
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """One that signs certificates, in a folder of its own.

    Args:
        folder: is made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.pem = folder / "ca.pem"
        self._key = folder / "ca.key"
        subject = ["-subj", f"/CN={folder.name}"]
        openssl("req", "-x509", *_KEY, "-keyout", self._key, "-out", self.pem, *subject)

    def signed(self, name: str, *, host: str = "IP:127.0.0.1", days: int = 2) -> tuple[Path, Path]:
        """Certificate and key of a name; one that has expired where the days are below zero."""
        stem = self._folder / name
        pem, key, request, extensions = (
            stem.with_suffix(suffix) for suffix in (".pem", ".key", ".csr", ".ext")
        )
        openssl("req", *_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        extensions.write_text(f"subjectAltName={host}")
        signing = ["-CA", self.pem, "-CAkey", self._key, "-CAcreateserial"]
        openssl(
            "x509", "-req", "-in", request, *signing, "-out", pem, "-days", days,
            "-extfile", extensions,
        )  # fmt: skip
        return pem, key
