"""One row per cell and plan, in a file that only grows while a run lasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.rows import append_rows, read_rows
from benchmarks.system.cells import Cell

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Row:
    """A plan in a cell; where plans do the same, one was run and the others refer to it."""

    network: str
    slowdown: float
    rate_mb_per_s: float
    plan: str
    same_as: str
    choice: str
    planned_s: float | None
    """By the planner, from times of layers."""
    predicted_s: float | None
    """When the plan was prepared, from times of its own sub-models."""
    measured_s: float
    q1_s: float
    q3_s: float
    n: int
    up_bytes: int
    device_macs: int | None
    verified: bool
    max_abs_error: float
    max_rel_error: float
    lower_bound_s: float
    prepare_s: float

    @property
    def cell(self) -> Cell:
        """Where it was run."""
        return Cell(self.network, self.slowdown, self.rate_mb_per_s)

    @property
    def error(self) -> float | None:
        """Of the prediction, relative to what was measured."""
        return None if self.predicted_s is None else self.predicted_s / self.measured_s - 1


class Results:
    """The rows of a file; adding a cell's rows writes them at once."""

    def __init__(self, path: Path, *, fresh: bool) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if fresh:
            path.unlink(missing_ok=True)
        self._rows = read_rows(path, Row)

    def rows(self, cell: Cell, repeats: int) -> list[Row]:
        """Of one cell, run so many times."""
        return [row for row in self._rows if row.cell == cell and row.n == repeats]

    def add(self, rows: list[Row]) -> None:
        """Append a cell."""
        append_rows(self.path, Row, rows)
        self._rows += rows
