"""Label-setting over prefixes of the order: exact, or a beam.

A *state* says how many paths of every class have been placed; a *label* of a state says when
device, link and edge server are free after them. What follows depends on nothing else, so of two
labels of a state the one that is later everywhere can go, whatever order and cuts led to it.
Labels whose completion cannot beat the limit go too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.schedule.exact.order_free import (
    LABELS_PER_EVALUATION,
    MOST_LABELS,
    Shares,
    can_end,
    weighted,
)
from fusepath.schedule.exact.pareto import unbeaten

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusepath.arrays import IntArray
    from fusepath.schedule.budget import Meter
    from fusepath.schedule.exact.choices import Choices, Pick


_NEVER = 1 << 60
_BLOCK = 1 << 16
_LOOK_AHEAD_STATES = 64


@dataclass(frozen=True)
class States:
    """Every combination of paths placed, as one number in mixed radix."""

    choices: Choices

    @cached_property
    def radix(self) -> tuple[int, ...]:
        """What one path of each class adds to a state."""
        radix, product = [], 1
        for count in self.choices.counts:
            radix.append(product)
            product *= count + 1
        return tuple(radix)

    @property
    def full(self) -> int:
        """The state in which every path is placed."""
        return sum(r * n for r, n in zip(self.radix, self.choices.counts, strict=True))

    def placed(self, states: IntArray) -> IntArray:
        """Paths placed by class; (states, classes)."""
        sizes = np.array(self.choices.counts) + 1
        placed: IntArray = states[:, None] // np.array(self.radix) % sizes[None, :]
        return placed


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """What label-setting found."""

    lower_bound_ns: int
    """For the end of the last path; the limit when nothing below it exists."""
    complete: bool
    end_ns: int | None
    """End of the last path of the best sequence below the limit."""
    sequence: tuple[Pick, ...]


@dataclass
class LabelSetting:
    """One search; `run` it with growing widths, and at last without.

    Edge workers are kept as their sorted free times, for unlimited ones the latest end so far is
    enough. With links of their own paths do not queue at the link. One edge worker behind such
    links takes paths as they arrive, which is not the order in which they are computed: that case
    is not covered (see `covers`).
    """

    shares: Shares
    weights: IntArray = field(init=False)
    states: States = field(init=False)
    kinds: IntArray = field(init=False)
    """Class of every option; an option is a class with a row of its table."""
    rows: IntArray = field(init=False)
    times: IntArray = field(init=False)
    """(device, link, edge) of every option."""

    def __post_init__(self) -> None:
        choices = self.shares.choices
        self.weights = self.shares.weights
        self.states = States(choices)
        self.kinds = np.concatenate(
            [np.full(len(table), kind) for kind, table in enumerate(choices.tables)]
        )
        self.rows = np.concatenate([np.arange(len(table)) for table in choices.tables])
        self.times = np.concatenate(choices.tables)

    @property
    def covers(self) -> bool:
        """Whether labels describe this problem."""
        problem = self.shares.choices.problem
        return (problem.shared_link or problem.edge_workers == 0) and self.states.full < _NEVER

    def run(
        self, limit_ns: int, *, width: int | None, meter: Meter, look_ahead: bool = False
    ) -> Labelled:
        """Search sequences whose last path ends before the limit.

        Args:
            limit_ns: the incumbent's end of the last path.
            width: keep at most so many labels per step; None keeps all.
            meter: what may be spent.
            look_ahead: leave out labels that the order-free relaxation of their rest cannot end
                before the limit. Worth its time when the relaxation nearly proves the incumbent.
        """
        problem = self.shares.choices.problem
        columns = 2 + (problem.edge_workers or 1)
        unit = self.shares.servers * int(self.weights[0].sum())
        limit = aside = limit_ns * unit
        reached = 0
        states = np.zeros(1, dtype=np.int64)
        labels = np.zeros((1, columns), dtype=np.int64)
        history: list[tuple[IntArray, IntArray]] = []
        for step in range(problem.paths):
            grown = self._grow(states, labels, limit, meter)
            if grown is None:
                return Labelled(
                    lower_bound_ns=-(-min(aside, reached) // unit),
                    complete=False,
                    end_ns=None,
                    sequence=(),
                )
            states, labels, parents, options, bounds = grown
            more = step < problem.paths - 1
            useful = self._as_early_as_useful(labels) if more else labels
            kept = unbeaten(states, useful)
            if look_ahead and more:
                kept = kept[self._can_end(states[kept], self._loads(useful[kept]), limit_ns, meter)]
            if width is not None and len(kept) > width:
                kept = kept[np.argsort(bounds[kept], kind="stable")]
                aside = min(aside, int(bounds[kept[width]]))
                kept = kept[:width]
            if len(kept) == 0:
                return Labelled(
                    lower_bound_ns=-(-aside // unit),
                    complete=aside >= limit,
                    end_ns=None,
                    sequence=(),
                )
            reached = int(bounds[kept].min())
            states, labels = states[kept], labels[kept]
            history.append((parents[kept], options[kept]))
        ends = labels[:, 2:].max(axis=1)
        best = int(np.argmin(ends))
        end_ns = int(ends[best])
        return Labelled(
            lower_bound_ns=min(end_ns, -(-aside // unit)),
            complete=aside >= limit,
            end_ns=end_ns,
            sequence=self._sequence(history, best),
        )

    def _grow(
        self, states: IntArray, labels: IntArray, limit: int, meter: Meter
    ) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray] | None:
        """Place one more path after every label; what cannot beat the limit is left out.

        None when budget or memory does not suffice.
        """
        placed = self.states.placed(states)
        parts = []
        total = 0
        for kind, table in enumerate(self.shares.choices.tables):
            free = np.flatnonzero(placed[:, kind] < self.shares.choices.counts[kind])
            first_option = int(np.flatnonzero(self.kinds == kind)[0])
            for start in range(0, len(free), max(1, _BLOCK // len(table))):
                some = free[start : start + max(1, _BLOCK // len(table))]
                parents = np.repeat(some, len(table))
                rows = np.tile(np.arange(len(table)), len(some))
                after = self._place(labels[parents], table[rows])
                state = states[parents] + self.states.radix[kind]
                to_come, index = self._to_come(state)
                bounds = weighted(self._loads(after), self.weights, to_come, index)
                kept = bounds < limit
                total += int(kept.sum())
                meter.spend(1 + len(parents) // LABELS_PER_EVALUATION)
                if total > MOST_LABELS or meter.is_over:
                    return None
                parts.append(
                    (
                        state[kept],
                        after[kept],
                        parents[kept],
                        rows[kept] + first_option,
                        bounds[kept],
                    )
                )
        states, labels, parents, options, bounds = (
            np.concatenate(part) for part in zip(*parts, strict=True)
        )
        return states, labels, parents, options, bounds

    def _place(self, labels: IntArray, times: IntArray) -> IntArray:
        """When the machines are free after one more path."""
        problem = self.shares.choices.problem
        after = labels.copy()
        after[:, 0] += times[:, 0]
        if problem.shared_link:
            after[:, 1] = np.maximum(after[:, 1], after[:, 0]) + times[:, 1]
            arrived = after[:, 1] + problem.delay_ns
        else:
            arrived = after[:, 0] + times[:, 1] + problem.delay_ns
        if problem.edge_workers == 0:
            after[:, 2] = np.maximum(after[:, 2], arrived + times[:, 2])
        else:
            after[:, 2] = np.maximum(after[:, 2], arrived) + times[:, 2]  # the earliest worker
            after[:, 2:].sort(axis=1)
        return after

    def _as_early_as_useful(self, labels: IntArray) -> IntArray:
        """Labels for comparison: free times before anything can arrive are equally good."""
        problem = self.shares.choices.problem
        useful = labels.copy()
        least = self.times.min(axis=0)
        if problem.shared_link:
            useful[:, 1] = np.maximum(labels[:, 1], labels[:, 0] + least[0])
            arrival = useful[:, 1] + least[1] + problem.delay_ns
        else:
            arrival = (
                labels[:, 0] + int((self.times[:, 0] + self.times[:, 1]).min()) + problem.delay_ns
            )
        if problem.edge_workers == 0:
            arrival = arrival + least[2]
        useful[:, 2:] = np.maximum(labels[:, 2:], arrival[:, None])
        return useful

    def _loads(self, labels: IntArray) -> IntArray:
        """Labels as what the machines have used up, in the unit of the shares."""
        servers = self.shares.servers
        return np.stack(
            [servers * labels[:, 0], servers * labels[:, 1], labels[:, 2:].sum(axis=1)], axis=1
        )

    def _to_come(self, states: IntArray) -> tuple[IntArray, IntArray]:
        """The least that the paths not yet placed add, by state, and each label's index into it."""
        present, index = np.unique(states, return_inverse=True)
        counts = np.array(self.shares.choices.counts)
        waiting = counts - self.states.placed(present)
        least = self.shares.leasts
        to_come = waiting @ np.stack([load for load, _, _ in least])
        last = np.full_like(to_come, _NEVER)
        for kind, (_, _, extra) in enumerate(least):
            some = waiting[:, kind] > 0
            last[some] = np.minimum(last[some], extra)
        last[~(waiting > 0).any(axis=1)] = 0
        return to_come + last, index

    def _can_end(
        self, states: IntArray, loads: IntArray, limit_ns: int, meter: Meter
    ) -> NDArray[np.bool_]:
        """Labels that the order-free relaxation of their rest can end before the limit.

        All of them where there are too many states to look at each.
        """
        result = np.ones(len(states), dtype=bool)
        present = np.unique(states)
        if len(present) > _LOOK_AHEAD_STATES:
            return result
        counts = np.array(self.shares.choices.counts)
        for state in present:
            if meter.is_over:
                break
            some = np.flatnonzero(states == state)
            waiting = counts - self.states.placed(np.array([state]))[0]
            result[some] = can_end(self.shares, waiting, loads[some], limit_ns, meter)
        return result

    def _sequence(self, history: list[tuple[IntArray, IntArray]], label: int) -> tuple[Pick, ...]:
        sequence: list[Pick] = []
        for parents, options in reversed(history):
            option = int(options[label])
            sequence.append((int(self.kinds[option]), int(self.rows[option])))
            label = int(parents[label])
        return tuple(reversed(sequence))
