"""Rows of a benchmark in a CSV file that grows while it runs, so that it can go on later."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

T = TypeVar("T")


def read_rows(path: Path, kind: type[T]) -> list[T]:
    """The rows of a file, which are dataclasses of texts and numbers; none if there is no file."""
    if not path.exists():
        return []
    kinds = {item.name: str(item.type) for item in fields(kind)}  # type: ignore[arg-type]
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        if reader.fieldnames != list(kinds):
            raise SystemExit(f"{path} has other columns than this benchmark; remove it")
        return [
            kind(**{name: _value(text, kinds[name]) for name, text in line.items()})
            for line in reader
        ]


def append_rows(path: Path, kind: type[T], rows: Iterable[T]) -> None:
    """Write rows behind those of a file, all of them at once: they are there or not."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [item.name for item in fields(kind)])  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        writer.writeheader()
    writer.writerows(asdict(row) for row in rows)  # type: ignore[call-overload]
    with path.open("a", newline="", encoding="utf-8") as stream:
        stream.write(text.getvalue())


def _value(text: str, kind: str) -> Any:
    if kind.endswith("| None") and not text:
        return None
    match kind.removesuffix(" | None"):
        case "int":
            return int(text)
        case "float":
            return float(text)
        case "bool":
            return text == "True"
        case _:
            return text
