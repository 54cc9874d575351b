"""Versioned JSON files: one way to write them, one way to refuse a bad one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TypeVar

import msgspec

from fusepath.errors import FileFormatError

T = TypeVar("T", bound=msgspec.Struct)

_MAX_BYTES = 64 * 2**20


def encode(document: msgspec.Struct) -> bytes:
    """The document as indented JSON, keys in declaration order, newline at the end."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def decode(data: bytes, kind: type[T], *, where: str) -> T:
    """Read a document of one kind.

    Raises:
        FileFormatError: not JSON, an unknown or missing key, a value of the wrong type, or of a
            version to come.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        name = getattr(kind, "KIND", kind.__name__.lower())
        if newer := _newer_version(data, kind):
            raise FileFormatError(
                f"{where}: {name} version {newer[0]}, but this fusepath reads {newer[1]}; "
                f"use the fusepath that wrote it"
            ) from error
        raise FileFormatError(f"{where}: not a fusepath {name} file: {error}") from error


class _Head(msgspec.Struct):
    """What all versions of a document have in common."""

    version: int = 0


def _newer_version(data: bytes, kind: type[msgspec.Struct]) -> tuple[int, int] | None:
    """The version of a document and the last one known here, if it is newer.

    Of such a document the keys need not be known, so it is not those that are wrong with it.
    """
    known = next((f.default for f in msgspec.structs.fields(kind) if f.name == "version"), None)
    try:
        stated = msgspec.json.decode(data, type=_Head).version
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        return None
    return (stated, known) if isinstance(known, int) and stated > known else None


def load(path: str | Path, kind: type[T]) -> T:
    """Read a document from a file.

    Raises:
        FileFormatError: the file is missing, unreadable, too large or not such a document.
    """
    file = Path(path)
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise FileFormatError(f"{file}: larger than {_MAX_BYTES} bytes, not a fusepath file")
        data = file.read_bytes()
    except OSError as error:
        raise FileFormatError(f"cannot read {file}: {error.strerror or error}") from error
    return decode(data, kind, where=str(file))


def save(path: str | Path, document: msgspec.Struct) -> None:
    """Write a document in one step: the file is either the old one or the whole new one.

    Raises:
        FileFormatError: the file cannot be written.
    """
    file = Path(path)
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            stream.write(encode(document))
        temporary.chmod(0o644)
        temporary.replace(file)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise FileFormatError(f"cannot write {file}: {error.strerror or error}") from error
