"""What the rows say together."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.system.cells import AUTO, DEVICE_ONLY, NFL, PEER_LABELS, RAW, SERIAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from benchmarks.system.cells import Cell
    from benchmarks.system.results import Row

CLOSE = 0.10
ROOM = 1.3
"""NFL over the lower bound from which a cell leaves a plan something to gain."""
GOOD_GAIN = 1.5
OVERHEAD, OVERHEAD_S = 0.03, 0.002
"""What our runtime may take beyond plain gRPC: a part of it, and some time."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """By what a plan is faster than something else, over cells."""

    least: float
    mean: float
    """Geometric."""
    good: int
    """Cells with at least `GOOD_GAIN`."""
    cells: int


def by_cell(rows: Iterable[Row]) -> dict[Cell, dict[str, Row]]:
    """Rows by cell and plan."""
    cells: dict[Cell, dict[str, Row]] = {}
    for row in rows:
        cells.setdefault(row.cell, {})[row.plan] = row
    return cells


def prediction_errors(rows: Iterable[Row]) -> list[float]:
    """Relative errors of fusepath's predictions, once for every plan that was run."""
    return [row.error for row in _own(rows) if row.error is not None]


def planning_errors(rows: Iterable[Row]) -> list[float]:
    """The same of what the planner promised, which knew no more than times of layers."""
    return [row.planned_s / row.measured_s - 1 for row in _own(rows) if row.planned_s is not None]


def _own(rows: Iterable[Row]) -> Iterator[Row]:
    return (row for row in rows if not row.same_as and row.plan not in PEER_LABELS.values())


def gain(pairs: Iterable[tuple[float, float]]) -> Gain | None:
    """Over pairs (the other's time, the plan's time); None without any."""
    gains = [other / plan for other, plan in pairs]
    if not gains:
        return None
    return Gain(
        least=min(gains),
        mean=math.exp(statistics.fmean(math.log(value) for value in gains)),
        good=sum(value >= GOOD_GAIN for value in gains),
        cells=len(gains),
    )


def over_baselines(
    cells: Mapping[Cell, Mapping[str, Row]],
    plan: str = AUTO,
    baselines: Sequence[str] = (DEVICE_ONLY, RAW, NFL),
) -> list[tuple[float, float]]:
    """The best of some baselines beside a plan."""
    return [
        (min(plans[name].measured_s for name in baselines), plans[plan].measured_s)
        for plans in cells.values()
        if {plan, *baselines} <= set(plans)
    ]


def over_peers(cells: Mapping[Cell, Mapping[str, Row]]) -> dict[str, list[tuple[float, float]]]:
    """Each peer beside auto."""
    return {
        label: [
            (plans[label].measured_s, plans[AUTO].measured_s)
            for plans in cells.values()
            if label in plans
        ]
        for label in PEER_LABELS.values()
    }


def over_serial(cells: Mapping[Cell, Mapping[str, Row]]) -> list[tuple[float, float]]:
    """The best tiled plan without overlap beside the same plan with it."""
    return [
        (plans[SERIAL].measured_s, plans[plans[SERIAL].choice].measured_s)
        for plans in cells.values()
        if SERIAL in plans
    ]


def with_room(cells: Mapping[Cell, Mapping[str, Row]]) -> dict[Cell, Mapping[str, Row]]:
    """Cells in which NFL is far enough from what no plan can beat."""
    return {
        cell: plans
        for cell, plans in cells.items()
        if plans[NFL].measured_s / plans[NFL].lower_bound_s >= ROOM
    }


def runtime_overhead_s(cells: Mapping[Cell, Mapping[str, Row]]) -> dict[str, list[float]]:
    """By network: full offload by fusepath minus the same by plain gRPC, per cell."""
    overhead: dict[str, list[float]] = {}
    for cell, plans in cells.items():
        plain = plans.get(PEER_LABELS["plain_offload"])
        if plain is not None:
            overhead.setdefault(cell.network, []).append(plans[RAW].measured_s - plain.measured_s)
    return overhead


def within_overhead(cells: Mapping[Cell, Mapping[str, Row]]) -> list[bool]:
    """In which cells full offload by fusepath takes little longer than the same by plain gRPC."""
    plain = PEER_LABELS["plain_offload"]
    pairs = [
        (plans[RAW].measured_s, plans[plain].measured_s)
        for plans in cells.values()
        if plain in plans
    ]
    return [own_s <= other_s * (1 + OVERHEAD) + OVERHEAD_S for own_s, other_s in pairs]


def preparation_s(rows: Sequence[Row], plan: str) -> dict[str, float]:
    """By network: median seconds before a plan can take its first request."""
    times: dict[str, list[float]] = {}
    for row in rows:
        if row.plan == plan:
            times.setdefault(row.network, []).append(row.prepare_s)
    return {network: statistics.median(values) for network, values in times.items()}
