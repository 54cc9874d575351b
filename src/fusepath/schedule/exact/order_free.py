"""A relaxation in which only the first and the last path have a place in the order.

Of the flow shop it keeps that every machine must do its share, that link and edge server idle
until the first path reaches them, and that the last path still has to be sent and computed after
the device is done with it. All paths in between are only sums of times, so what is left is to
choose cuts: a label (device, link, edge) per set of choices, of which the beaten ones can go. No
order does better than the relaxation says, and on tilings of real networks some order nearly
always does as well, because paths that are sent early keep the link busy for those that are
computed meanwhile.

Unit of all labels: 1/``servers`` ns, so that the load of several edge workers stays whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.schedule.exact.pareto import unbeaten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusepath.arrays import IntArray
    from fusepath.schedule.budget import Meter
    from fusepath.schedule.exact.choices import Choices, Pick


FIRST, LAST = 1, 2
"""Flags of a label: its first (last) path has been chosen."""
_STEPS = 64
_BEST_WEIGHTS = 12
_NEVER = 1 << 60
_BLOCK = 1 << 16
MOST_LABELS = 6_000_000
"""More at once would not fit into the memory of a small machine."""
LABELS_PER_EVALUATION = 8
"""Labels are worked on by the thousand."""


@dataclass(frozen=True, kw_only=True)
class Shares:
    """What each choice adds to the load of (device, link, edge), by class.

    ``first`` and ``last`` tables also hold what the machines cannot do before the first and after
    the last path: with ``d``, ``l``, ``e`` the times of a path, the link starts no earlier than
    ``d`` and the edge no earlier than ``d + l + delay``; ``l + delay + e`` follow the device and
    ``delay + e`` the link. A machine that does not limit (own links, unlimited workers) has no
    load. With one path, first and last are the same and the tables say more than is true of two.
    """

    choices: Choices
    servers: int
    """Edge workers that share the load; 1 where they are unlimited."""
    tables: tuple[tuple[IntArray, IntArray, IntArray], ...]
    """By class: rows for a path in between, for the first and for the last."""

    @cached_property
    def weights(self) -> IntArray:
        """Weights of (device, link, edge) that bound best; they sum to `_STEPS`; (w, 3).

        Any weights give a valid bound; these are the best for the whole problem, some for the
        parts of it, and each machine alone.
        """
        some = np.array(
            [(a, b, _STEPS - a - b) for a in range(_STEPS + 1) for b in range(_STEPS + 1 - a)],
            dtype=np.int64,
        )
        least = self.least(some)
        loads = np.stack([load for load, _, _ in least])
        whole = np.array(self.choices.counts) @ loads
        best = np.argsort(-whole, kind="stable")[:: max(1, _STEPS // 16)][: _BEST_WEIGHTS // 2]
        near = np.argsort(-whole, kind="stable")[: _BEST_WEIGHTS // 2]
        alone = np.flatnonzero((some == _STEPS).any(axis=1))
        rim = np.flatnonzero((some == 0).any(axis=1))
        rim = rim[np.argsort(-whole[rim], kind="stable")][:2]
        chosen: IntArray = some[np.unique(np.concatenate([best, near, alone, rim]))]
        return chosen

    @cached_property
    def leasts(self) -> list[tuple[IntArray, IntArray, IntArray]]:
        """`least` for `weights`."""
        return self.least(self.weights)

    def least(self, weights: IntArray) -> list[tuple[IntArray, IntArray, IntArray]]:
        """By class: least weighted share of a path in between, and what first and last add."""
        result = []
        for base, first, last in self.tables:
            low = (base @ weights.T).min(axis=0)
            result.append(
                (
                    low,
                    (first @ weights.T).min(axis=0) - low,
                    (last @ weights.T).min(axis=0) - low,
                )
            )
        return result


def shares_of(choices: Choices) -> Shares:
    """The load tables of a problem."""
    problem = choices.problem
    servers = max(problem.edge_workers, 1)
    tables = []
    for table in choices.tables:
        device, link, edge = (table[:, machine] for machine in range(3))
        none = np.zeros_like(device)
        load = edge if problem.edge_workers > 0 else none
        sent = link if problem.shared_link else none
        until = device + link + problem.delay_ns
        after = link + problem.delay_ns + edge
        base = (servers * device, servers * sent, load)
        first = (servers * device, servers * (device + link), load + servers * until)
        last = (servers * (device + after), servers * (sent + problem.delay_ns + edge), load)
        if problem.edge_workers == 0:
            first = (first[0], first[1], none)
        if not problem.shared_link:
            # The link limits nobody, and the last path computed may be the first to arrive.
            first = base
            last = (last[0], none, last[2])
        tables.append(
            (np.stack(base, axis=1), np.stack(first, axis=1), np.stack(last, axis=1)),
        )
    return Shares(choices=choices, servers=servers, tables=tuple(tables))


@dataclass(frozen=True, kw_only=True)
class Relaxed:
    """What the relaxation says."""

    lower_bound: int
    """ns; no schedule faster than the limit completes its last path earlier."""
    complete: bool
    """False when labels were set aside; the bound accounts for them."""
    solutions: tuple[tuple[Pick, ...], ...]
    """Choices of cuts below the limit, the most promising first; first and last path in place."""


@dataclass
class _Labels:
    flags: IntArray
    sums: IntArray
    history: list[tuple[IntArray, IntArray, IntArray]] = field(default_factory=list)
    """Per step: parent label, row of its table, flag bit."""


def relax(
    shares: Shares, limit_ns: int, *, width: int | None, meter: Meter, most: int = 40
) -> Relaxed:
    """Bound the time of the last path from below, over all choices of cuts.

    Args:
        shares: the loads.
        limit_ns: only what ends before this matters (the incumbent).
        width: keep at most so many labels per step; None keeps all.
        meter: what may be spent.
        most: return at most so many solutions.
    """
    counts = shares.choices.counts
    limit = limit_ns * shares.servers * _STEPS
    kinds = [kind for kind, count in enumerate(counts) for _ in range(count)]
    least = shares.leasts
    to_come = _to_come(kinds, least)
    edge_most = [int(tables[0][:, 2].max()) for tables in shares.tables]
    head_most = max(int(tables[1][:, 2].max()) for tables in shares.tables)
    floor = min(int(to_come[0][0].max()) // _STEPS, limit_ns * shares.servers)
    aside = limit
    reached = 0
    labels = _Labels(flags=np.zeros(1, dtype=np.int64), sums=np.zeros((1, 3), dtype=np.int64))
    for step, kind in enumerate(kinds):
        bounds = _grow(labels, shares.tables[kind], shares.weights, to_come[step + 1], limit, meter)
        if bounds is None:
            return _stopped(shares, min(aside, reached))
        if len(bounds) == 0:
            break
        reached = int(bounds.min())
        # Edge load that cannot become the largest of the three is as good as none.
        idle = floor - sum(edge_most[later] for later in kinds[step + 1 :])
        compared = labels.sums.copy()
        np.maximum(
            compared[:, 2],
            np.where(labels.flags & FIRST, idle, idle - head_most),
            out=compared[:, 2],
        )
        kept = unbeaten(labels.flags, compared)
        if width is not None and len(kept) > width:
            kept = kept[np.argsort(bounds[kept], kind="stable")]
            aside = min(aside, int(bounds[kept[width]]))
            kept = kept[:width]
        labels.flags, labels.sums = labels.flags[kept], labels.sums[kept]
        parent, row, bit = labels.history[-1]
        labels.history[-1] = (parent[kept], row[kept], bit[kept])
    return _result(shares, kinds, labels, limit, aside, most)


def _grow(
    labels: _Labels,
    tables: tuple[IntArray, IntArray, IntArray],
    weights: IntArray,
    to_come: IntArray,
    limit: int,
    meter: Meter,
) -> IntArray | None:
    """Extend every label by every choice of one more path; bounds of those within the limit.

    None when budget or memory does not suffice.
    """
    flags, sums, parents, rows, bits, bounds = [], [], [], [], [], []
    total = 0
    for bit, table in zip((0, FIRST, LAST), tables, strict=True):
        free = np.flatnonzero((labels.flags & bit) == 0)
        for start in range(0, len(free), max(1, _BLOCK // len(table))):
            some = free[start : start + max(1, _BLOCK // len(table))]
            new = (labels.sums[some][:, None, :] + table[None, :, :]).reshape(-1, 3)
            flag = np.repeat(labels.flags[some] | bit, len(table))
            bound = weighted(new, weights, to_come, flag)
            kept = bound < limit
            total += int(kept.sum())
            meter.spend(1 + len(new) // LABELS_PER_EVALUATION)
            if total > MOST_LABELS or meter.is_over:
                return None
            flags.append(flag[kept])
            sums.append(new[kept])
            bounds.append(bound[kept])
            parents.append(np.repeat(some, len(table))[kept])
            rows.append(np.tile(np.arange(len(table)), len(some))[kept])
            bits.append(np.full(int(kept.sum()), bit))
    labels.flags, labels.sums = np.concatenate(flags), np.concatenate(sums)
    labels.history.append((np.concatenate(parents), np.concatenate(rows), np.concatenate(bits)))
    return np.concatenate(bounds)


def weighted(sums: IntArray, weights: IntArray, to_come: IntArray, index: IntArray) -> IntArray:
    """Best weighted bound of each label, what is still to come included; times `_STEPS`."""
    device, link, edge = np.ascontiguousarray(sums.T)
    best = np.full(len(sums), -_NEVER)
    for (on_device, on_link, on_edge), rest in zip(weights.tolist(), to_come.T, strict=True):
        bound = np.ascontiguousarray(rest)[index]
        for weight, load in ((on_device, device), (on_link, link), (on_edge, edge)):
            if weight:
                bound += weight * load
        np.maximum(best, bound, out=best)
    return best


def can_end(
    shares: Shares, waiting: IntArray, loads: IntArray, limit_ns: int, meter: Meter
) -> NDArray[np.bool_]:
    """Which loads the waiting paths can be added to with an end before the limit.

    All of them where the budget ends before that is known.

    Args:
        shares: the loads of choices.
        waiting: paths of each class that are still to come, at least one.
        loads: what the machines have used up already, by label; (n, 3).
        limit_ns: an end at or after this does not count.
        meter: what may be spent.
    """
    limit = limit_ns * shares.servers
    kinds = [kind for kind, count in enumerate(waiting.tolist()) for _ in range(count)]
    weights = shares.weights
    least = shares.leasts
    used = (loads @ weights.T).min(axis=0)
    load, last = used, np.full_like(used, _NEVER)
    steps = [np.stack([np.full_like(used, _NEVER), used])]
    for kind in reversed(kinds):
        load, last = load + least[kind][0], np.minimum(last, least[kind][2])
        steps.append(np.stack([load + last, load]))
    steps.reverse()
    # On each machine, what is sure to stay below the limit is as good as nothing.
    highest = [np.maximum(tables[0].max(axis=0), tables[2].max(axis=0)) for tables in shares.tables]
    room = limit - 1 - loads.max(axis=0) - sum(highest[kind] for kind in kinds)
    flags, sums = np.zeros(1, dtype=np.int64), np.zeros((1, 3), dtype=np.int64)
    for step, kind in enumerate(kinds):
        base, _, ending = shares.tables[kind]
        room = room + highest[kind]
        meter.spend(1 + 2 * len(sums) * len(base) // LABELS_PER_EVALUATION)
        if meter.is_over:
            return np.ones(len(loads), dtype=bool)
        free = np.flatnonzero(flags == 0)
        grown = np.concatenate(
            [
                (sums[:, None, :] + base[None, :, :]).reshape(-1, 3),
                (sums[free][:, None, :] + ending[None, :, :]).reshape(-1, 3),
            ]
        )
        flags = np.concatenate(
            [np.repeat(flags, len(base)), np.ones(len(free) * len(base), dtype=np.int64)]
        )
        able = weighted(grown, weights, steps[step + 1], flags) < limit * _STEPS
        flags, sums = flags[able], grown[able]
        kept = unbeaten(flags, np.maximum(sums, room))
        flags, sums = flags[kept], sums[kept]
    result = np.zeros(len(loads), dtype=bool)
    meter.spend(len(loads))
    for label, load_so_far in enumerate(loads):
        result[label] = bool(((load_so_far + sums).max(axis=1) < limit).any())
    return result


def _to_come(
    kinds: Sequence[int], least: Sequence[tuple[IntArray, IntArray, IntArray]]
) -> list[IntArray]:
    """By step, by flags: the least that the paths from this step on add; (4, weights)."""
    empty = np.zeros_like(least[0][0])
    never = np.full_like(empty, _NEVER)
    load, first, last = empty, never, never
    steps = [np.stack([never, never, never, empty])]
    for kind in reversed(kinds):
        load = load + least[kind][0]
        first, last = np.minimum(first, least[kind][1]), np.minimum(last, least[kind][2])
        steps.append(np.stack([load + first + last, load + last, load + first, load]))
    return steps[::-1]


def _result(
    shares: Shares, kinds: Sequence[int], labels: _Labels, limit: int, aside: int, most: int
) -> Relaxed:
    reached = len(labels.history) == len(kinds) and len(labels.flags) > 0
    lowest = aside
    solutions: list[tuple[Pick, ...]] = []
    if reached:
        ends = labels.sums.max(axis=1)
        lowest = min(lowest, int(ends.min()) * _STEPS)
        solutions = [
            _picks(kinds, labels, int(label)) for label in np.argsort(ends, kind="stable")[:most]
        ]
    unit = shares.servers * _STEPS
    return Relaxed(
        lower_bound=-(-lowest // unit), complete=aside >= limit, solutions=tuple(solutions)
    )


def _picks(kinds: Sequence[int], labels: _Labels, label: int) -> tuple[Pick, ...]:
    first: list[Pick] = []
    middle: list[Pick] = []
    last: list[Pick] = []
    for kind, (parent, row, bit) in zip(reversed(kinds), reversed(labels.history), strict=True):
        pick = (kind, int(row[label]))
        {0: middle, FIRST: first, LAST: last}[int(bit[label])].append(pick)
        label = int(parent[label])
    return (*first, *reversed(middle), *last)


def _stopped(shares: Shares, lowest: int) -> Relaxed:
    unit = shares.servers * _STEPS
    return Relaxed(lower_bound=-(-lowest // unit), complete=False, solutions=())
