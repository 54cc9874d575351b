"""Results that survive an interruption: one JSON line per point, only ever appended."""

from __future__ import annotations

import hashlib
import os
import platform
from functools import cache
from importlib import metadata, resources
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from fusepath.cost import Convention
from fusepath.errors import FileFormatError
from fusepath.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


SOURCES = ("cost", "graph", "onnx_io", "plan", "schedule", "study", "tiling", "timeline")
"""Packages that the numbers come from: those that a study imports."""


class Result(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one algorithm found."""

    algorithm: str
    makespan_ns: int
    lower_bound_ns: int
    """No plan of the tilings that the algorithm may choose is faster."""
    tau: int
    grid: tuple[int, int]
    cuts: dict[int, int]
    """How many paths have which cut."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One network at one rate under one convention, with all that it depends on."""

    figure: str
    network: str
    source: str
    model_sha256: str
    convention: Convention
    granted: bool
    """Whether the machines were scaled to the published NFL curve."""
    ops_scale: float
    """Operations counted for one operation of the convention; 1 unless granted."""
    device_ops_per_s: float
    edge_ops_per_s: float
    rate_mb_per_s: float
    ops: int
    """Of the unsplit network, as the convention counts them."""
    input_bytes: int
    """Of the whole image on the link."""
    shared_link_bound_ns: int
    """No plan on one shared link is faster, whatever else the convention says."""
    results: tuple[Result, ...]
    spec_sha256: str
    versions: dict[str, str]
    machine: str
    seconds: float
    """What planning took."""

    @property
    def key(self) -> tuple[object, ...]:
        """Two records with the same key hold the same numbers."""
        return (
            self.source,
            self.convention,
            self.granted,
            self.device_ops_per_s,
            self.edge_ops_per_s,
            self.rate_mb_per_s,
            self.versions["fusepath"],
            self.versions["code"],
        )


@cache
def versions() -> dict[str, str]:
    """Of whatever the numbers may depend on; ``code`` tells working trees of one version apart."""
    return {
        "fusepath": VERSION,
        "code": _code_sha256()[:12],
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "onnx": metadata.version("onnx"),
    }


def _code_sha256() -> str:
    """Digest of the sources that the numbers come from."""
    package = resources.files("fusepath")
    digest = hashlib.sha256()
    for name in SOURCES:
        with resources.as_file(package / name) as folder:
            for file in sorted([*folder.rglob("*.py"), *folder.rglob("*.toml")]):
                digest.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


T = TypeVar("T", bound=msgspec.Struct)


class Lines(Generic[T]):
    """Records of one kind in a file; a line that an interruption cut short is ignored."""

    def __init__(self, path: Path, kind: type[T]) -> None:
        self.path = path
        self.kind = kind

    def load(self) -> list[T]:
        """Every whole record.

        Raises:
            FileFormatError: the file cannot be read, or holds something else.
        """
        if not self.path.exists():
            return []
        try:
            lines = self.path.read_bytes().split(b"\n")
        except OSError as error:
            raise FileFormatError(f"cannot read {self.path}: {error.strerror or error}") from error
        records = []
        for number, line in enumerate(lines, start=1):
            if not line:
                continue
            try:
                records.append(msgspec.json.decode(line, type=self.kind))
            except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
                if number == len(lines):  # no newline after it: it was never finished
                    break
                raise FileFormatError(
                    f"{self.path}:{number}: not a result: {error}; remove the file to start over"
                ) from error
        return records

    def append(self, records: Iterable[T]) -> None:
        """Add records, and do not return before they are on the disk.

        Raises:
            FileFormatError: the file cannot be written.
        """
        try:
            with self.path.open("r+b" if self.path.exists() else "w+b") as stream:
                _drop_unfinished(stream.fileno())
                stream.seek(0, os.SEEK_END)
                stream.write(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise FileFormatError(f"cannot write {self.path}: {error.strerror or error}") from error


class Store(Lines[Record]):
    """The records of Fig. 4."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Record)


def _drop_unfinished(handle: int) -> None:
    """Cut off a last line without its newline."""
    size = os.fstat(handle).st_size
    if size == 0:
        return
    start = max(size - 2**20, 0)
    block = os.pread(handle, size - start, start)
    if not block.endswith(b"\n"):
        os.ftruncate(handle, start + block.rfind(b"\n") + 1)
