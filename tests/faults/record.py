"""What became of faults, kept in a file, so that a long matrix may be done bit by bit."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import msgspec

from tests.faults.matrix import Counts, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Some faults done to one session, and what is left of them."""

    model: str
    plan: str
    seed: int | None
    """Of chance; None for the stages and faults of the table."""
    outcomes: list[Outcome]
    counts: Counts
    failure: str | None = None
    """What ended it early: a frame without a result, or a server that is not used again."""


class Records:
    """The records of a file, which only grows."""

    def __init__(self, path: Path, *, fresh: bool) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if fresh:
            path.unlink(missing_ok=True)
        lines = path.read_bytes().splitlines() if path.exists() else []
        self._records = [msgspec.json.decode(line, type=Record) for line in lines]

    def add(self, record: Record) -> None:
        """Keep one more, at once."""
        with self.path.open("ab") as stream:
            stream.write(msgspec.json.encode(record) + b"\n")
        self._records.append(record)

    def of(self, model: str, plan: str, seed: int | None) -> Sequence[Record]:
        """Those of one session's kind, in their order."""
        asked = (model, plan, seed)
        return [item for item in self._records if (item.model, item.plan, item.seed) == asked]


def outcomes_of(records: Iterable[Record]) -> list[Outcome]:
    """All outcomes."""
    return [outcome for record in records for outcome in record.outcomes]


def counted(records: Iterable[Record]) -> Counts:
    """All counts together."""
    total: Counter[str] = Counter()
    for record in records:
        total.update(asdict(record.counts))
    return Counts(**total)
