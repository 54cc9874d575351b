"""Scheduling a tiling within constraints, with any algorithm that schedules one without."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fusepath.plan.limits.constraints import MACS, MEMORY, Shortfall

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.arrays import BoolArray, FloatArray, IntArray
    from fusepath.plan.limits.constraints import Constraints
    from fusepath.plan.limits.usage import TileUsage
    from fusepath.schedule.budget import Meter
    from fusepath.schedule.problem import Problem
    from fusepath.schedule.schedule import Schedule


def without(problem: Problem, forbidden: BoolArray) -> Problem:
    """The problem with forbidden cuts made so slow that no algorithm here takes one of them.

    They take more than twice as long as all paths together at their slowest: a bound, a greedy
    rule and a proof of optimality all pass them over while each path has another cut. Paths of one
    class that may not do the same come into classes of their own.

    Args:
        problem: the times.
        forbidden: [path, cut − 1]; at least one cut of each path is allowed.
    """
    cuts = problem.cuts
    rows = np.concatenate(
        [np.array(problem.class_of)[:, None], forbidden[:, :cuts].astype(np.int64)], axis=1
    )
    kinds, class_of = np.unique(rows, axis=0, return_inverse=True)
    kind, slow = kinds[:, 0], kinds[:, 1:].astype(bool)
    times = problem.device_ns + problem.link_ns + problem.edge_ns
    counts = np.bincount(class_of.reshape(-1), minlength=len(kinds))
    never = 2 * int(np.where(slow, 0, times[kind]).max(axis=1) @ counts) + 1

    def slowed(table: IntArray) -> IntArray:
        return np.where(slow, never, table[kind])

    return replace(
        problem,
        class_of=tuple(class_of.reshape(-1).tolist()),
        device_ns=slowed(problem.device_ns),
        link_ns=slowed(problem.link_ns),
        edge_ns=slowed(problem.edge_ns),
        back_ns=None if problem.back_ns is None else problem.back_ns[kind],
    )


_WEIGHTS = (1.0, 0.0, 0.5, 0.25, 0.75)
"""Of the device's MACs against the bytes sent; any set is valid, more of them prove more."""
_STEPS = 33


@dataclass(frozen=True, slots=True)
class Within:
    """What came of scheduling a tiling within constraints."""

    schedule: Schedule | None
    lower_bound_ns: int
    """No schedule of the tiling that keeps to the constraints beats it."""
    shortfalls: tuple[Shortfall, ...] = ()
    """Why there is none: by how much the closest choice, or the last one tried, exceeds limits."""
    impossible: bool = False
    """Whether it is proven that nothing keeps to the constraints."""


def schedule_within(
    problem: Problem,
    demand: TileUsage,
    constraints: Constraints,
    solve: Callable[[Problem], tuple[Schedule | None, int]],
    meter: Meter,
) -> Within:
    """A schedule that keeps to the constraints, if one is found.

    What holds for each path alone (privacy, memory for one path) forbids cuts, and an exact
    algorithm stays exact. Totals are a heuristic: while a schedule exceeds one, the paths that can
    save most are forbidden what they do now, and the algorithm is asked again; where that leads
    nowhere, cuts are chosen for the totals alone, and only the order is left. So it can miss a
    schedule that exists, and the best one.

    Args:
        problem: the times; it may leave out the last cut.
        demand: of the same tiling.
        constraints: limits.
        solve: the algorithm: a schedule, or None if it gives up, and a bound.
        meter: what may be spent.
    """
    if not constraints.limits_choices:
        return Within(*solve(problem))
    private = demand.private(constraints)[:, : problem.cuts]
    if private.all(axis=1).any():
        return Within(None, 0, impossible=True)
    if short := _least_shortfalls(demand, constraints, private):
        return Within(None, 0, short, impossible=True)
    never = private | demand.too_large(constraints)[:, : problem.cuts]
    return _keep_to_totals(problem, demand, constraints, solve, never, meter)


def _keep_to_totals(
    problem: Problem,
    demand: TileUsage,
    constraints: Constraints,
    solve: Callable[[Problem], tuple[Schedule | None, int]],
    never: BoolArray,
    meter: Meter,
) -> Within:
    forbidden = never
    short: tuple[Shortfall, ...] = ()
    bound_ns = 0
    while not forbidden.all(axis=1).any():
        meter.spend(problem.paths)
        if meter.is_over:
            return Within(None, bound_ns, short)
        schedule, solved_ns = solve(without(problem, forbidden))
        if not short:
            bound_ns = solved_ns
        if schedule is None:
            return Within(None, bound_ns, short)
        short = constraints.shortfalls(demand.choose(schedule.cuts))
        if not short:
            return Within(schedule, bound_ns)
        worst = max(short, key=lambda item: item.excess)
        forbidden = forbidden | _given_up(demand, schedule, forbidden, worst)
    compromise = _compromise(demand, constraints, never, meter)
    if compromise is None:
        return Within(None, bound_ns, short)
    schedule, _ = solve(without(problem, np.arange(problem.cuts) != compromise[:, None]))
    return Within(schedule, bound_ns, () if schedule is not None else short)


def _compromise(
    demand: TileUsage, constraints: Constraints, forbidden: BoolArray, meter: Meter
) -> IntArray | None:
    """Cuts − 1 by path that keep to all limits, whatever time they take; None if none are found.

    From the cuts of least MACs to those of fewest bytes by way of weighted means, path by path.
    """
    parts = _parts(demand, constraints, forbidden.shape[1])
    chosen: IntArray | None = None
    for weight in np.linspace(1, 0, _STEPS):
        mean = np.where(forbidden, np.inf, weight * parts[0] + (1 - weight) * parts[1])
        wanted = mean.argmin(axis=1)
        chosen = wanted.copy() if chosen is None else chosen
        for path in (0, *np.flatnonzero(chosen != wanted)):
            chosen[path] = wanted[path]
            meter.spend(1 + len(chosen) // 64)
            if meter.is_over:
                return None
            if not constraints.shortfalls(demand.choose((chosen + 1).tolist())):
                return chosen
    return None


def _parts(demand: TileUsage, constraints: Constraints, cuts: int) -> FloatArray:
    """MACs and bytes of every path and cut, in parts of their limits; (2, paths, cuts)."""
    parts = np.zeros((2, demand.arrangement.paths, cuts))
    if constraints.device_macs is not None:
        parts[0] = demand.device_macs[:, :cuts] / max(constraints.device_macs, 1)
    if constraints.upload_bytes is not None:
        parts[1] = demand.up_bytes[:, :cuts] / max(constraints.upload_bytes, 1)
    return parts


def _least_shortfalls(
    demand: TileUsage, constraints: Constraints, forbidden: BoolArray
) -> tuple[Shortfall, ...]:
    """Shortfalls of a choice that proves that no choice has none; empty where that is open.

    MACs and bytes may not exceed their limits, so no weighted mean of the two, in parts of the
    limits, may exceed 1; with the weights fixed, each path can choose for itself (a Lagrangian
    bound).
    """
    cuts = forbidden.shape[1]
    limit = constraints.device_memory_bytes
    if limit is not None:
        alone = np.where(forbidden, np.iinfo(np.int64).max, demand.alone_bytes[:, :cuts])
        if (most := int(alone.min(axis=1).max())) > limit:
            return (Shortfall(MEMORY, most, limit),)
    parts = _parts(demand, constraints, cuts)
    for weight in _WEIGHTS:
        mean = np.where(forbidden, np.inf, weight * parts[0] + (1 - weight) * parts[1])
        # A hair's breadth off: sums of parts are not exact.
        if mean.min(axis=1).sum() > 1 + 1e-9:
            chosen = demand.choose((mean.argmin(axis=1) + 1).tolist())
            return tuple(item for item in constraints.shortfalls(chosen) if item.limit != MEMORY)
    return ()


def _given_up(
    demand: TileUsage, schedule: Schedule, forbidden: BoolArray, short: Shortfall
) -> BoolArray:
    """What is forbidden next, [path, cut − 1]: at least one cut that the schedule uses."""
    chosen = np.array(schedule.cuts) - 1
    if short.limit == MEMORY:
        return _sub_model_given_up(demand, chosen, forbidden)
    table = (demand.device_macs if short.limit == MACS else demand.up_bytes)[
        :, : forbidden.shape[1]
    ]
    now = table[np.arange(len(chosen)), chosen]
    less = ~forbidden & (table < now[:, None])
    least = np.where(less, table, np.inf).min(axis=1)
    next_less = np.where(less, table, -np.inf).max(axis=1)
    # Of paths that can save as much, those sent last: the first ones set the link to work.
    able = [path for path in reversed(schedule.order) if less[path].any()]
    able.sort(key=lambda path: now[path] - least[path], reverse=True)
    saved = np.cumsum([now[path] - next_less[path] for path in able])
    several = able[: int(np.searchsorted(saved, short.needs - short.allows)) + 1]
    given_up = np.zeros_like(forbidden)
    given_up[several] = table[several] >= now[several, None]
    if not able:
        given_up[:] = True  # nobody can do with less
    return given_up


def _sub_model_given_up(demand: TileUsage, chosen: IntArray, forbidden: BoolArray) -> BoolArray:
    """The sub-model that fewest paths use; of several, the one with the most weights.

    Where there is but one, its paths would have been forbidden it.
    """
    cuts, users = np.unique(chosen[chosen > 0], return_counts=True)
    weights = demand.weight_bytes[cuts]
    _, _, cut = min(zip(users.tolist(), (-weights).tolist(), cuts.tolist(), strict=True))
    given_up = np.zeros_like(forbidden)
    given_up[:, cut] = True
    return given_up
