"""Versioned JSON files: one way to write them, one way to refuse a bad one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from fusepath.errors import FileFormatError, one_line
from fusepath.output_file import write_file

T = TypeVar("T", bound=msgspec.Struct)

Schema = dict[str, Any]

_MAX_BYTES = 64 * 2**20
_LONGEST_REASON = 200


def encode(document: msgspec.Struct | dict[str, Any]) -> bytes:
    """The document as indented JSON, keys in declaration order, newline at the end."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def schema(kind: type[msgspec.Struct], *, derived: type[msgspec.Struct] | None = None) -> Schema:
    """The JSON schema (2020-12) of a kind of document.

    Args:
        kind: of document.
        derived: what its files say besides, at the top, which readers may leave out.
    """
    (own,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    if derived is not None:
        (extra,), others = msgspec.json.schema_components([derived])
        added = others[extra["$ref"].rpartition("/")[2]]["properties"]
        parts[own["$ref"].rpartition("/")[2]]["properties"] |= added
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"fusepath {getattr(kind, 'KIND', kind.__name__)}",
        **own,
        "$defs": parts,
    }


def decode(data: bytes, kind: type[T], *, where: str) -> T:
    """Read a document of one kind.

    Raises:
        FileFormatError: not JSON, an unknown or missing key, a value of the wrong type, or of
            another version.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise _refusal(_head(data), kind, where, error) from error


def decode_object(data: bytes, kind: type[msgspec.Struct], *, where: str) -> dict[str, Any]:
    """The keys of a document that `convert` is to make one of a kind.

    Raises:
        FileFormatError: not a JSON object.
    """
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise _refusal({}, kind, where, error) from error


def convert(document: dict[str, Any], kind: type[T], *, where: str) -> T:
    """A document of one kind from its keys.

    Raises:
        FileFormatError: as of `decode`.
    """
    try:
        return msgspec.convert(document, kind)
    except (msgspec.ValidationError, ValueError) as error:
        raise _refusal(document, kind, where, error) from error


def _refusal(
    head: dict[str, Any], kind: type[msgspec.Struct], where: str, error: Exception
) -> FileFormatError:
    """Why a document is refused; of another version the keys need not be known."""
    name = getattr(kind, "KIND", kind.__name__.lower())
    usual = {field.name: field.default for field in msgspec.structs.fields(kind)}
    stated, known = head.get("version"), usual.get("version")
    of_this_kind = head.get("format") == usual.get("format")
    if of_this_kind and isinstance(known, int) and isinstance(stated, int) and stated != known:
        remedy = "use the fusepath that wrote it" if stated > known else "make it anew"
        return FileFormatError(
            f"{where}: {name} version {one_line(stated, 20)}, but this fusepath reads {known}; "
            f"{remedy}"
        )
    reason = one_line(error, most=_LONGEST_REASON)
    return FileFormatError(f"{where}: not a fusepath {name} file: {reason}")


def _head(data: bytes) -> dict[str, Any]:
    """The keys of a document that tells another kind or version; none if it has no keys."""
    try:
        head: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        return {}
    return head


def load(path: str | Path, kind: type[T]) -> T:
    """Read a document from a file.

    Raises:
        FileFormatError: the file is missing, unreadable, too large or not such a document.
    """
    return decode(_read(path), kind, where=str(path))


def load_object(path: str | Path, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The keys of a document in a file.

    Raises:
        FileFormatError: the file is missing, unreadable, too large or no JSON object.
    """
    return decode_object(_read(path), kind, where=str(path))


def _read(path: str | Path) -> bytes:
    file = Path(path)
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise FileFormatError(f"{file}: larger than {_MAX_BYTES} bytes, not a fusepath file")
        return file.read_bytes()
    except OSError as error:
        raise FileFormatError(f"cannot read {file}: {error.strerror or error}") from error


def save(path: str | Path, document: msgspec.Struct | dict[str, Any]) -> None:
    """Write a document in one step: the file is either the old one or the whole new one.

    Raises:
        OutputError: the file cannot be written.
    """
    write_file(path, encode(document))
