"""One cell: everything made ready, run in turn, checked against the unsplit model."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.system.results import Row
from benchmarks.system.timelines import Record
from fusepath.runtime.compare import compare

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.system.cells import Cell
    from benchmarks.system.contenders import Contender, Outcome
    from fusepath.arrays import Array


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A contender and its runs."""

    contender: Contender
    outcomes: list[Outcome]

    def row(self, cell: Cell, reference: Mapping[str, Array], *, lower_bound_s: float) -> Row:
        """Medians and quartiles; of the errors, the worst."""
        latencies = [outcome.latency_s for outcome in self.outcomes]
        q1_s, median_s, q3_s = _quartiles(latencies)
        comparisons = [compare(outcome.outputs, reference) for outcome in self.outcomes]
        last = self.outcomes[-1]
        return Row(
            network=cell.network,
            slowdown=cell.slowdown,
            rate_mb_per_s=cell.rate_mb_per_s,
            plan=self.contender.name,
            same_as="",
            choice=self.contender.choice,
            planned_s=self.contender.planned_s,
            predicted_s=self.contender.predicted_s,
            measured_s=median_s,
            q1_s=q1_s,
            q3_s=q3_s,
            n=len(latencies),
            up_bytes=last.up_bytes,
            device_macs=last.device_macs,
            verified=all(item.passed for item in comparisons),
            max_abs_error=max(item.max_abs_error for item in comparisons),
            max_rel_error=max(item.max_rel_error for item in comparisons),
            lower_bound_s=lower_bound_s,
            prepare_s=self.contender.prepare_s,
        )

    def record(self, cell: Cell) -> Record | None:
        """The run of median latency (the lower of two), step by step; None for peers."""
        middle = sorted(self.outcomes, key=lambda outcome: outcome.latency_s)
        outcome = middle[(len(middle) - 1) // 2]
        if outcome.timeline is None or self.contender.predicted is None:
            return None
        return Record(
            network=cell.network,
            slowdown=cell.slowdown,
            rate_mb_per_s=cell.rate_mb_per_s,
            plan=self.contender.name,
            predicted=self.contender.predicted,
            measured=outcome.timeline,
        )


async def measure(
    contenders: Sequence[Contender], *, repeats: int, progress: Callable[[int], None]
) -> list[Measured]:
    """Run all in turn, as often as asked, after a round that does not count."""
    runs: list[list[Outcome]] = [[] for _ in contenders]
    for turn in range(repeats + 1):
        progress(turn)
        for outcomes, contender in zip(runs, contenders, strict=True):
            outcome = await contender.run()
            if turn > 0:
                outcomes.append(outcome)
    return [
        Measured(contender=contender, outcomes=outcomes)
        for contender, outcomes in zip(contenders, runs, strict=True)
    ]


def _quartiles(values: list[float]) -> tuple[float, float, float]:
    if len(values) == 1:
        return values[0], values[0], values[0]
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return q1, median, q3
