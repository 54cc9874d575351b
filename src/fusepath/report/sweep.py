"""The rows of a sweep: a table, CSV, or Parquet, which needs the extra ``parquet``."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import msgspec

from fusepath.errors import InputError
from fusepath.output_file import write_file
from fusepath.report.fitting import empty_table
from fusepath.report.tables import milliseconds
from fusepath.study.sweep import SweepRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.table import Table

SUFFIXES = (".csv", ".parquet")


def sweep_table(rows: Sequence[SweepRow]) -> Table:
    """For people: what was planned, and how long it takes."""
    table = empty_table(
        *("model", "device", "edge", "link", "algorithm", "time", "gap", "plan"),
        flexible=("plan", "device", "edge", "link", "model"),
        optional=("gap",),
    )
    for row in rows:
        time = "" if row.makespan_s is None else milliseconds(row.makespan_s)
        gap = "" if row.gap is None else f"{row.gap:.0%}"
        what = row.family or row.reason or row.status
        table.add_row(row.model, row.device, row.edge, row.link, row.algorithm, time, gap, what)
    return table


def check_sweep_file(path: Path) -> None:
    """Raise where `save_sweep` would, before there is anything to save.

    Raises:
        InputError: it cannot write such a file, or not without pyarrow.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"cannot write {path}: a sweep is written as .csv or .parquet, by its name"
        )
    if path.suffix == ".parquet":
        _pyarrow(path)


def save_sweep(path: Path, rows: Sequence[SweepRow]) -> None:
    """Write a row for each, with a column for each field.

    Raises:
        InputError: as of `check_sweep_file`.
        OutputError: the file cannot be written.
    """
    check_sweep_file(path)
    write_file(path, _parquet(path, rows) if path.suffix == ".parquet" else _csv(rows))


def _csv(rows: Sequence[SweepRow]) -> bytes:
    """With a header; what there is not is left empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, SweepRow.__struct_fields__, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(msgspec.to_builtins, rows))
    return text.getvalue().encode()


def _parquet(path: Path, rows: Sequence[SweepRow]) -> bytes:
    """With types that do not depend on what the rows hold."""
    pa = _pyarrow(path)
    from pyarrow import parquet  # noqa: PLC0415 - in an extra

    kinds = {str: pa.string(), float: pa.float64(), int: pa.int64()}
    hints = get_type_hints(SweepRow)
    schema = pa.schema(
        [(name, kinds[(get_args(hint) or (hint,))[0]]) for name, hint in hints.items()]
    )
    stream = io.BytesIO()
    table = pa.Table.from_pylist([msgspec.to_builtins(row) for row in rows], schema=schema)
    parquet.write_table(table, stream)
    return stream.getvalue()


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow as pa  # noqa: PLC0415 - in an extra
    except ImportError:
        raise InputError(
            f"cannot write {path}: Parquet needs pyarrow (pip install 'fusepath[parquet]'); "
            f"write .csv"
        ) from None
    return pa
