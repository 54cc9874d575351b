"""Brute Force without the waste: the same optimum, by symmetry, dominance and bounds.

Paths are added one after the other, as they leave the device. What the paths so far mean for the
rest is a label: when the device, the link and the edge server are free. Three arguments cut down
the ``P! · cuts^P`` schedules, and none of them can lose the optimum:

* equal paths are the same path: only how many of each class have been added matters;
* of two labels with the same paths, the one that is later everywhere can only end later (every
  recurrence of Eq. 4-6 is monotone), and so can a cut that takes longer on all three machines;
* a label whose lower bound reaches the best schedule known cannot improve on it.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusepath.errors import UndecidedError
from fusepath.schedule.budget import Budget
from fusepath.schedule.minimizing_waiting import minimizing_waiting
from fusepath.schedule.schedule import evaluate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusepath.arrays import FloatArray, IntArray
    from fusepath.schedule.budget import Meter
    from fusepath.schedule.problem import Problem
    from fusepath.schedule.schedule import Schedule

    Added = tuple[int, ...]

MAX_LABELS = 3_000_000
_LABELS_PER_EVALUATION = 8
_ENDED = "the budget ended before the best schedule of these paths was found"
DEVICE, LINK, EDGE = 0, 1, 2
"""Columns of a label; the edge server's workers follow one another from `EDGE` on."""

_EIGHTHS = 8
_WEIGHTS = (
    np.array(
        [(a, b, _EIGHTHS - a - b) for a in range(_EIGHTHS + 1) for b in range(_EIGHTHS + 1 - a)],
        dtype=np.float64,
    )
    / _EIGHTHS
)


def pruned_brute_force(problem: Problem, meter: Meter | None = None) -> Schedule:
    """A best schedule of a problem: as long as `brute_force`'s, found far sooner.

    Raises:
        UndecidedError: the budget ends, or the labels outgrow memory; many paths of many classes
            do that.
    """
    start = minimizing_waiting(problem)
    return faster_schedule(problem, start.makespan_ns, meter) or start


def faster_schedule(problem: Problem, limit_ns: int, meter: Meter | None = None) -> Schedule | None:
    """A best schedule if it takes less than ``limit_ns``, else None (proved, not given up).

    Raises:
        UndecidedError: the budget ends, or the labels outgrow memory.
    """
    meter = meter or Budget().begin()
    best: Schedule | None = None
    kept = _all_local(problem)
    if kept is not None and kept.makespan_ns < limit_ns:
        best, limit_ns = kept, kept.makespan_ns
    if problem.shared_link or _workers(problem) == 0:
        found = _Labels(problem, limit_ns, meter).search()
    else:
        found = _Enumeration(problem, limit_ns, meter).search()
    return found or best


def _workers(problem: Problem) -> int:
    """Edge workers that can run short; 0 when there is one for every path."""
    return problem.edge_workers if problem.edge_workers < problem.paths else 0


def _all_local(problem: Problem) -> Schedule | None:
    """Nothing leaves the device, which spares the delay and the way back."""
    if problem.tail_ns > 0:
        return None
    stays = (problem.link_ns == 0) & (problem.edge_ns == 0)
    if not stays.any(axis=1).all():
        return None
    never = np.iinfo(np.int64).max
    cut = np.where(stays, problem.device_ns, never).argmin(axis=1) + 1
    return evaluate(problem, range(problem.paths), [int(cut[kind]) for kind in problem.class_of])


def _merged(problem: Problem) -> list[list[int]]:
    """Classes with the same times, together."""
    groups: dict[bytes, list[int]] = {}
    for kind, members in enumerate(problem.members):
        if members:
            times = (problem.device_ns[kind], problem.link_ns[kind], problem.edge_ns[kind])
            groups.setdefault(np.concatenate(times).tobytes(), []).append(kind)
    return list(groups.values())


@dataclass(frozen=True, slots=True)
class _Kind:
    """A class of equal paths with the cuts that no other cut beats everywhere."""

    paths: tuple[int, ...]
    cuts: IntArray
    """1-based."""
    times: FloatArray
    """(cuts, 3): device, link, edge; whole numbers."""

    @classmethod
    def of(cls, problem: Problem, members: Sequence[int]) -> _Kind:
        kind = members[0]
        times = np.stack(
            [problem.device_ns[kind], problem.link_ns[kind], problem.edge_ns[kind]], axis=1
        ).astype(np.float64)
        order = np.lexsort((times[:, 2], times[:, 1], times[:, 0]))
        kept: list[int] = []
        for at in order.tolist():
            if not any((times[other] <= times[at]).all() for other in kept):
                kept.append(at)
        paths = tuple(sorted(path for member in members for path in problem.members[member]))
        return cls(paths, np.array(kept) + 1, times[kept])


@dataclass(frozen=True, slots=True)
class _Level:
    """Labels of the schedules that have added the same paths, and where each came from."""

    labels: FloatArray
    parent: IntArray
    """Row in the level that lacks the last added path."""
    kind: IntArray
    choice: IntArray
    """Index among the kind's cuts."""


class _Labels:
    """Levels of labels over the lattice of how many paths of each kind have been added."""

    def __init__(self, problem: Problem, limit_ns: int, meter: Meter) -> None:
        self.meter = meter
        assert problem.back_ns is None  # only strips return parts, and they have no order to find
        self.problem = problem
        self.kinds = [_Kind.of(problem, group) for group in _merged(problem)]
        self.full = tuple(len(kind.paths) for kind in self.kinds)
        self.workers = _workers(problem)
        self.ending = problem.tail_ns + problem.down_ns
        self.limit = limit_ns - self.ending
        weights = _WEIGHTS
        if not problem.shared_link:
            weights = weights[weights[:, LINK] == 0]
        if self.workers == 0:
            weights = weights[weights[:, EDGE] == 0]
        self.weights = weights
        per_worker = np.array([1.0, 1.0, 1.0 / max(self.workers, 1)])
        self.least = np.array(
            [(kind.times * per_worker @ weights.T).min(axis=0) for kind in self.kinds]
        )
        self.chain = np.array([kind.times.sum(axis=1).min() for kind in self.kinds])
        self.after_device = np.array([kind.times[:, 1:].sum(axis=1).min() for kind in self.kinds])

    def search(self) -> Schedule | None:
        columns = EDGE + max(self.workers, 1)
        nothing = np.zeros(0, dtype=np.int64)
        levels = {(0,) * len(self.kinds): _Level(np.zeros((1, columns)), nothing, nothing, nothing)}
        total = 0
        for added in self._lattice():
            if self.meter.is_over:
                raise UndecidedError(_ENDED)
            level = self._level(added, levels)
            total += len(level.labels)
            if total > MAX_LABELS:
                raise UndecidedError(
                    f"an exact search over {self.problem.paths} paths needs more than "
                    f"{MAX_LABELS} labels; use a smaller grid"
                )
            levels[added] = level
        return self._best(levels)

    def _lattice(self) -> Iterator[Added]:
        every = itertools.product(*(range(count + 1) for count in self.full))
        return iter(sorted(every, key=sum)[1:])

    def _level(self, added: Added, levels: dict[Added, _Level]) -> _Level:
        blocks = []
        for at, kind in enumerate(self.kinds):
            if added[at] == 0:
                continue
            before = levels[(*added[:at], added[at] - 1, *added[at + 1 :])]
            if len(before.labels) == 0:
                continue
            rows, choices = (
                part.reshape(-1)
                for part in np.meshgrid(
                    np.arange(len(before.labels)), np.arange(len(kind.cuts)), indexing="ij"
                )
            )
            self.meter.spend(1 + len(rows) // _LABELS_PER_EVALUATION)
            labels = self._extended(before.labels[rows], kind.times[choices])
            alive = self._bound(labels, added) < self.limit
            blocks.append((labels[alive], rows[alive], np.full(alive.sum(), at), choices[alive]))
        if not blocks:
            empty = np.zeros(0, dtype=np.int64)
            return _Level(np.zeros((0, EDGE + max(self.workers, 1))), empty, empty, empty)
        labels, rows, kinds, choices = (np.concatenate(part) for part in zip(*blocks, strict=True))
        self.meter.spend(len(labels) // _LABELS_PER_EVALUATION)
        kept = _undominated(labels)
        return _Level(labels[kept], rows[kept], kinds[kept], choices[kept])

    def _extended(self, labels: FloatArray, times: FloatArray) -> FloatArray:
        device = labels[:, DEVICE] + times[:, DEVICE]
        ready = np.maximum(device, labels[:, LINK]) if self.problem.shared_link else device
        arrived = ready + times[:, LINK]
        link = arrived if self.problem.shared_link else np.zeros_like(arrived)
        start = arrived + self.problem.delay_ns
        workers = labels[:, EDGE:].copy()
        if self.workers == 0:
            workers[:, 0] = np.maximum(workers[:, 0], start + times[:, EDGE])
        else:
            workers[:, 0] = np.maximum(workers[:, 0], start) + times[:, EDGE]
            workers.sort(axis=1)
        return np.column_stack([device, link, workers])

    def _bound(self, labels: FloatArray, added: Added) -> FloatArray:
        """When the last path can be done at the earliest, tail not counted."""
        left = np.array(self.full) - added
        done = labels[:, EDGE:].max(axis=1)
        busy = np.column_stack([labels[:, DEVICE], labels[:, LINK], labels[:, EDGE:].mean(axis=1)])
        # Rounded up with a hair's breadth to spare: times are whole, the weights are not.
        mean = np.ceil(busy @ self.weights.T + left @ self.least - 1e-3).max(axis=1)
        bound: FloatArray = np.maximum(done, mean)
        waiting = left > 0
        if waiting.any():
            alone = labels[:, DEVICE] + self.chain[waiting].max()
            bound = np.maximum(bound, alone)
            if self.problem.shared_link:
                bound = np.maximum(bound, labels[:, LINK] + self.after_device[waiting].max())
        return bound

    def _best(self, levels: dict[Added, _Level]) -> Schedule | None:
        last = levels[self.full]
        if len(last.labels) == 0:
            return None
        row = int(last.labels[:, EDGE:].max(axis=1).argmin())
        waiting = [list(reversed(kind.paths)) for kind in self.kinds]
        steps: list[tuple[int, int]] = []
        added = self.full
        while sum(added) > 0:
            level = levels[added]
            at = int(level.kind[row])
            steps.append((at, int(self.kinds[at].cuts[level.choice[row]])))
            row = int(level.parent[row])
            added = (*added[:at], added[at] - 1, *added[at + 1 :])
        cuts = [0] * self.problem.paths
        order = []
        for at, cut in reversed(steps):
            path = waiting[at].pop()
            cuts[path] = cut
            order.append(path)
        return evaluate(self.problem, order, cuts)


class _Enumeration:
    """Own links before few edge workers: arrivals overtake each other, so nothing dominates.

    Depth-first over the kinds and their cuts, with the bound of what is already fixed.
    """

    def __init__(self, problem: Problem, limit_ns: int, meter: Meter) -> None:
        self.meter = meter
        self.problem = problem
        self.limit = limit_ns
        self.best: Schedule | None = None
        groups = _merged(problem)
        # A cut that is slower everywhere may still win here: it can let another path pass.
        self.kinds = [
            (group[0], sorted(path for member in group for path in problem.members[member]))
            for group in groups
        ]
        self.used = [0] * len(groups)
        self.order: list[int] = []
        self.cuts = [0] * problem.paths
        self.visited = 0

    def search(self) -> Schedule | None:
        self._extend(0)
        return self.best

    def _extend(self, device_free: int) -> None:
        self.visited += 1
        self.meter.spend(1)
        if self.meter.is_over:
            raise UndecidedError(_ENDED)
        if self.visited > MAX_LABELS:
            raise UndecidedError(
                f"an exact search over {self.problem.paths} paths with own links and few edge "
                f"workers takes too long; use a smaller grid"
            )
        if len(self.order) == self.problem.paths:
            schedule = evaluate(self.problem, self.order, self.cuts)
            if schedule.makespan_ns < self.limit:
                self.best, self.limit = schedule, schedule.makespan_ns
            return
        for at, (kind, paths) in enumerate(self.kinds):
            if self.used[at] == len(paths):
                continue
            path = paths[self.used[at]]
            self.used[at] += 1
            self.order.append(path)
            for cut in range(1, self.problem.cuts + 1):
                device = device_free + int(self.problem.device_ns[kind, cut - 1])
                after = int(
                    self.problem.link_ns[kind, cut - 1] + self.problem.edge_ns[kind, cut - 1]
                )
                if device + after + self.problem.tail_ns < self.limit:
                    self.cuts[path] = cut
                    self._extend(device)
            self.order.pop()
            self.used[at] -= 1


def _undominated(labels: FloatArray) -> IntArray:
    """Rows that no other row matches or beats in every column; one of equal rows."""
    order = np.lexsort(labels.T[::-1])
    if labels.shape[1] != EDGE + 1:
        return _undominated_wide(labels, order)
    kept = []
    # Rows come by ascending device time; a staircase holds the best (link, edge) pairs so far.
    links: list[float] = []
    edges: list[float] = []
    columns = labels[order][:, LINK:].tolist()
    for at, (link, edge) in zip(order.tolist(), columns, strict=True):
        step = bisect_right(links, link)
        if step > 0 and edges[step - 1] <= edge:
            continue
        kept.append(at)
        end = step
        while end < len(edges) and edges[end] >= edge:
            end += 1
        links[step:end] = [link]
        edges[step:end] = [edge]
    return np.array(kept, dtype=np.int64)


def _undominated_wide(labels: FloatArray, order: IntArray) -> IntArray:
    kept = np.zeros((0, labels.shape[1]))
    rows = []
    for at in order.tolist():
        if not (kept <= labels[at]).all(axis=1).any():
            rows.append(at)
            kept = np.vstack([kept, labels[at]])
    return np.array(rows, dtype=np.int64)
