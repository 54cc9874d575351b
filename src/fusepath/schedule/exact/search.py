"""The best order and cuts of a problem, with proof.

Four steps, each of which may settle it:

1. an incumbent: what the caller knows, MW, all paths at one cut, the order-free beam;
2. the order-free relaxation (`order_free`), whose bound some order nearly always attains;
3. orders for its choices of cuts: Johnson's rule on both pairs of machines, then moves of single
   paths;
4. label-setting over prefixes of the order (`labels`), bounded by the relaxation of the rest.

Everything is in whole nanoseconds: "optimal" means that no schedule is one nanosecond faster.
With a budget of evaluations a solve is deterministic.
"""

from __future__ import annotations

from itertools import product
from math import factorial
from typing import TYPE_CHECKING

from fusepath.schedule.bounds import lower_bound_ns
from fusepath.schedule.budget import Budget
from fusepath.schedule.exact.choices import choices_of
from fusepath.schedule.exact.labels import LabelSetting
from fusepath.schedule.exact.order_free import relax, shares_of
from fusepath.schedule.exact.sequence import good_order
from fusepath.schedule.minimizing_waiting import minimizing_waiting
from fusepath.schedule.result import SolveResult, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusepath.schedule.budget import Meter
    from fusepath.schedule.exact.choices import Choices, Pick
    from fusepath.schedule.exact.order_free import Relaxed
    from fusepath.schedule.problem import Problem
    from fusepath.schedule.schedule import Schedule

EXACT_BUDGET = Budget(evaluations=6_000_000)
"""About a minute."""
_BEAM = 150
_SEARCH_BEAM = 400
_MOST_SEQUENCES = 200_000


def exact(
    problem: Problem, *, meter: Meter | None = None, incumbent: Schedule | None = None
) -> SolveResult:
    """The optimum over all orders and cuts, or the best found and a bound when the budget ends.

    Proves the optimum for a shared link with any number of edge workers, and for links of their
    own with unlimited edge workers. For links of their own before a limited number of workers,
    paths can overtake each other; there only few paths are searched to the end.

    Args:
        problem: the times.
        meter: what may be spent; then the best so far is returned. `EXACT_BUDGET` without.
        incumbent: a schedule of the problem to start from.
    """
    meter = meter or EXACT_BUDGET.begin()
    solve = _Solve(problem, meter)
    for schedule in _simple_schedules(problem, solve.choices):
        solve.offer(schedule)
    if incumbent is not None:
        solve.offer(incumbent)
    solve.run()
    assert solve.best is not None  # there is always a schedule
    bound_ns = min(solve.bound_ns, solve.best.makespan_ns)
    return SolveResult(
        status=Status.OPTIMAL if bound_ns == solve.best.makespan_ns else Status.FEASIBLE,
        schedule=solve.best,
        lower_bound_ns=bound_ns,
        seconds=meter.seconds,
        solver="exact",
    )


class _Solve:
    def __init__(self, problem: Problem, meter: Meter) -> None:
        self.problem = problem
        self.meter = meter
        self.choices = choices_of(problem)
        self.best: Schedule | None = None
        self.bound_ns = lower_bound_ns(problem)
        """No schedule has a smaller makespan."""

    def offer(self, schedule: Schedule) -> None:
        """Keep the schedule if it is the fastest yet."""
        if self.best is None or schedule.makespan_ns < self.best.makespan_ns:
            self.best = schedule

    @property
    def limit_ns(self) -> int:
        """What sends something must end its last path before this to be of use."""
        assert self.best is not None
        return max(0, self.best.makespan_ns - self.choices.ending_ns)

    @property
    def settled(self) -> bool:
        return self.best is not None and self.bound_ns >= self.best.makespan_ns

    def learn(self, end_ns: int) -> None:
        """Take note that whatever sends something ends its last path no earlier than this."""
        self.bound_ns = max(self.bound_ns, end_ns + self.choices.ending_ns)

    def run(self) -> None:
        if self.problem.paths == 1:
            # All of its schedules are among the simple ones.
            assert self.best is not None
            self.bound_ns = self.best.makespan_ns
            return
        shares = shares_of(self.choices)
        for width in (_BEAM, None):
            relaxed = relax(shares, self.limit_ns, width=width, meter=self.meter)
            self.learn(relaxed.lower_bound)
            self._order(relaxed)
            if self.settled:
                return
        search = LabelSetting(shares)
        if not search.covers:
            self._enumerate()
            return
        for width in (_SEARCH_BEAM, None):
            found = search.run(
                self.limit_ns,
                width=width,
                meter=self.meter,
                look_ahead=width is None,
            )
            if found.end_ns is not None:
                self.offer(self.choices.schedule(found.sequence))
            self.learn(found.lower_bound_ns)
            if self.settled:
                return

    def _order(self, relaxed: Relaxed) -> None:
        for solution in relaxed.solutions:
            if self.meter.is_over or self.settled:
                return
            self.meter.spend(self.problem.paths**2)  # moves of single paths
            self.offer(self.choices.schedule(good_order(self.choices, solution)))

    def _enumerate(self) -> None:
        """Every order of classes with every choice of cuts, where there are few enough."""
        if _sequence_count(self.choices) > _MOST_SEQUENCES:
            return
        for sequence in _sequences(self.choices):
            if self.meter.is_over:
                return
            self.meter.spend(self.problem.paths)
            self.offer(self.choices.schedule(sequence))
        assert self.best is not None
        self.bound_ns = self.best.makespan_ns


def _simple_schedules(problem: Problem, choices: Choices) -> Iterator[Schedule]:
    local = choices.local_schedule()
    if local is not None:
        yield local
    yield minimizing_waiting(problem)
    for row in range(max(len(table) for table in choices.tables)):
        picks = tuple(
            (kind, min(row, len(choices.tables[kind]) - 1))
            for kind, count in enumerate(choices.counts)
            for _ in range(count)
        )
        yield choices.schedule(good_order(choices, picks, moves=False))


def _sequence_count(choices: Choices) -> int:
    orders = factorial(choices.problem.paths)
    picks = 1
    for table, count in zip(choices.tables, choices.counts, strict=True):
        orders //= factorial(count)
        picks *= len(table) ** count
    return orders * picks


def _sequences(choices: Choices) -> Iterator[tuple[Pick, ...]]:
    def orders(left: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if not any(left):
            yield ()
        for kind, count in enumerate(left):
            if count:
                rest = (*left[:kind], count - 1, *left[kind + 1 :])
                for tail in orders(rest):
                    yield (kind, *tail)

    for order in orders(choices.counts):
        for rows in product(*(range(len(choices.tables[kind])) for kind in order)):
            yield tuple(zip(order, rows, strict=True))
