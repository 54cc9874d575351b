"""A problem without its repetitions: equal classes merged, cuts that cannot help left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.schedule.schedule import evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusepath.arrays import IntArray
    from fusepath.schedule.problem import Problem
    from fusepath.schedule.schedule import Schedule


Pick = tuple[int, int]
"""(class, row of its table): a path of that class, cut as the row says."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What is left to choose from, and the way back to the paths of the problem."""

    problem: Problem
    members: tuple[tuple[int, ...], ...]
    """Paths (0-based) of each merged class, ascending."""
    tables: tuple[IntArray, ...]
    """By class: rows (device, link, edge) in ns, none of which is beaten by another."""
    cuts: tuple[IntArray, ...]
    """By class: the cut (1-based) of each row."""

    @property
    def counts(self) -> tuple[int, ...]:
        """Paths per class."""
        return tuple(len(group) for group in self.members)

    @cached_property
    def ending_ns(self) -> int:
        """What follows the last path: tail and result."""
        return self.problem.tail_ns + self.problem.down_ns

    def schedule(self, sequence: Sequence[Pick]) -> Schedule:
        """The schedule of a sequence of picks; paths of a class are taken in ascending order."""
        waiting = [list(reversed(group)) for group in self.members]
        order: list[int] = []
        cuts = [0] * self.problem.paths
        for kind, row in sequence:
            path = waiting[kind].pop()
            order.append(path)
            cuts[path] = int(self.cuts[kind][row])
        return evaluate(self.problem, order, cuts)

    def local_schedule(self) -> Schedule | None:
        """Everything on the device, if the problem has cuts that send nothing."""
        if self.problem.tail_ns > 0:
            return None
        order: list[int] = []
        cuts = [0] * self.problem.paths
        for kind, group in enumerate(self.members):
            first = self.problem.class_of[group[0]]
            idle = (self.problem.link_ns[first] == 0) & (self.problem.edge_ns[first] == 0)
            if not idle.any():
                return None
            stay = np.flatnonzero(idle)
            row = stay[np.argmin(self.problem.device_ns[first][stay])]
            for path in self.members[kind]:
                order.append(path)
                cuts[path] = int(row) + 1
        return evaluate(self.problem, order, cuts)


def choices_of(problem: Problem) -> Choices:
    """Merge classes with equal times, and drop cuts that another cut beats on every machine."""
    # Only strips return parts or are chained, and they have no order to find.
    assert problem.back_ns is None
    assert not problem.chained
    times = np.stack([problem.device_ns, problem.link_ns, problem.edge_ns], axis=2)
    merged: dict[bytes, list[int]] = {}
    for path, kind in enumerate(problem.class_of):
        merged.setdefault(times[kind].tobytes(), []).append(path)
    tables, cuts = [], []
    for group in merged.values():
        table = times[problem.class_of[group[0]]]
        kept = np.flatnonzero(_unbeaten(table))
        tables.append(table[kept])
        cuts.append(kept + 1)
    return Choices(
        problem=problem,
        members=tuple(tuple(group) for group in merged.values()),
        tables=tuple(tables),
        cuts=tuple(cuts),
    )


def _unbeaten(table: IntArray) -> NDArray[np.bool_]:
    """Rows that no other row undercuts or equals everywhere; of equal rows the first."""
    no_more = (table[:, None, :] <= table[None, :, :]).all(axis=2)
    equal = no_more & no_more.T
    beats = (no_more & ~equal) | np.triu(equal, k=1)
    return np.logical_not(beats.any(axis=0))
