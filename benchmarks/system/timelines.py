"""What was predicted and what happened, step by step, in a file beside the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from benchmarks.system.cells import Cell
from fusepath.report import gantt, parting_text, paths_table
from fusepath.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from rich.console import Console


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The run of median latency of one plan in one cell."""

    network: str
    slowdown: float
    rate_mb_per_s: float
    plan: str
    predicted: Timeline
    """When the plan was prepared."""
    measured: Timeline

    @property
    def cell(self) -> Cell:
        """Where it was run."""
        return Cell(self.network, self.slowdown, self.rate_mb_per_s)


class Timelines:
    """Records in a file, one JSON object a line; of a cell measured again, the last counts."""

    def __init__(self, path: Path, *, fresh: bool) -> None:
        self.path = path
        if fresh:
            path.unlink(missing_ok=True)

    def add(self, records: Iterable[Record]) -> None:
        """Append a cell's."""
        encoder = msgspec.json.Encoder()
        lines = b"".join(encoder.encode(record) + b"\n" for record in records)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as stream:
            stream.write(lines)

    def of(self, cells: Sequence[Cell], plan: str) -> list[Record]:
        """Of one plan, in the order of the cells."""
        found: dict[Cell, Record] = {}
        if self.path.exists():
            with self.path.open("rb") as stream:
                for line in stream:
                    record = msgspec.json.decode(line, type=Record)
                    if record.plan == plan:
                        found[record.cell] = record
        return [found[cell] for cell in cells if cell in found]


def show(record: Record, console: Console) -> None:
    """A prediction above what happened, and where the two part."""
    predicted, measured = record.predicted, record.measured
    console.print(
        f"\n[bold]{record.plan} in {record.cell}[/bold]: {predicted.end_s * 1e3:.1f} ms predicted, "
        f"{measured.end_s * 1e3:.1f} ms measured"
    )
    until_s = max(predicted.end_s, measured.end_s)
    for name, timeline in (("predicted", predicted), ("measured", measured)):
        chart = gantt(timeline, until_s=until_s)
        console.print(f"{name}\n{chart}", highlight=False, soft_wrap=True)
    console.print(paths_table(predicted, measured))
    console.print(parting_text(predicted, measured))
