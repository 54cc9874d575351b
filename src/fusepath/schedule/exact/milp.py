"""The same optimum from a general solver: a position-based mixed-integer programme for HiGHS.

A cross-check for `exact`, which is faster by orders of magnitude and exact to the nanosecond;
needs the extra ``exact`` (highspy).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.errors import InputError
from fusepath.schedule.budget import Budget
from fusepath.schedule.exact.choices import choices_of
from fusepath.schedule.minimizing_waiting import minimizing_waiting
from fusepath.schedule.result import SolveResult, Status

if TYPE_CHECKING:
    from fusepath.schedule.budget import Meter
    from fusepath.schedule.exact.choices import Choices, Pick
    from fusepath.schedule.problem import Problem
    from fusepath.schedule.schedule import Schedule

_TOLERANCE = 1e-6
"""Relative; what HiGHS calls feasible and optimal."""
_MOST_NODES = 2**31 - 1
_LARGEST = 1000.0
"""Times are scaled to about this, so that HiGHS's absolute tolerances suit them."""


def milp(problem: Problem, *, meter: Meter | None = None) -> SolveResult:
    """The optimum over all orders and cuts by branch and cut, or the best found and its bound.

    A binary variable says which class stands at a position of the order, at which cut; the
    completion times of device, link and edge server at each position are continuous. HiGHS
    computes in floating point: its bound is lowered by its tolerance and the result is called
    optimal only when the bound, rounded up to whole nanoseconds, still equals the makespan.

    Args:
        problem: the times.
        meter: its seconds are given to HiGHS, its evaluations as nodes; a minute without.

    Raises:
        InputError: highspy is not installed; or paths can overtake each other (several edge
            workers, or links of their own before a limited number of workers), which positions
            in one order do not describe.
    """
    meter = meter or Budget(seconds=60.0).begin()
    if problem.edge_workers > 1 or (problem.edge_workers == 1 and not problem.shared_link):
        raise InputError(
            f"milp: paths can overtake each other with edge_workers={problem.edge_workers} and "
            f"shared_link={problem.shared_link}; use exact"
        )
    choices = choices_of(problem)
    best: Schedule = minimizing_waiting(problem)
    local = choices.local_schedule()
    if local is not None and local.makespan_ns < best.makespan_ns:
        best = local
    scale = _LARGEST / max(1, best.makespan_ns)
    picks, end_bound = _solve(choices, scale, meter)
    if picks is not None:
        found = choices.schedule(picks)
        best = min(best, found, key=lambda schedule: schedule.makespan_ns)
    bound_ns = choices.ending_ns
    if end_bound > 0:
        bound_ns += math.ceil((end_bound - _LARGEST * _TOLERANCE) / scale)
    bound_ns = min(bound_ns, best.makespan_ns)
    return SolveResult(
        status=Status.OPTIMAL if bound_ns == best.makespan_ns else Status.FEASIBLE,
        schedule=best,
        lower_bound_ns=max(0, bound_ns),
        seconds=meter.seconds,
        solver="milp",
    )


def _solve(choices: Choices, scale: float, meter: Meter) -> tuple[tuple[Pick, ...] | None, float]:
    """A sequence (None when none was found) and a bound for the scaled end of the last path."""
    try:
        import highspy  # noqa: PLC0415 - an extra, and half a second to import
    except ImportError as error:
        raise InputError(
            "milp needs highspy, which is not installed: pip install 'fusepath[exact]'"
        ) from error
    model = _Model(choices, scale)
    solver = _quiet(highspy)
    if meter.seconds_left is not None:
        solver.setOptionValue("time_limit", meter.seconds_left)
    if meter.evaluations_left is not None:
        solver.setOptionValue("mip_max_nodes", min(meter.evaluations_left, _MOST_NODES))
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("random_seed", 0)
    solver.setOptionValue("mip_rel_gap", 0.0)
    solver.setOptionValue("mip_abs_gap", _TOLERANCE)
    solver.passModel(model.build(highspy))
    solver.run()
    info = solver.getInfo()
    meter.spend(max(int(info.mip_node_count), 0))
    bound = info.mip_dual_bound if math.isfinite(info.mip_dual_bound) else 0.0
    values = np.array(solver.getSolution().col_value)
    if len(values) == 0 or not math.isfinite(info.objective_function_value):
        return None, bound
    return model.sequence(values), bound


def _quiet(highspy: Any) -> Any:
    """A solver that writes nothing to standard output, not even HiGHS's banner.

    The banner comes with the callbacks, which the constructor enables before anybody can set an
    option.
    """

    def enable_quietly(solver: Any) -> None:
        solver.setOptionValue("output_flag", False)
        highspy.Highs.enableCallbacks(solver)

    return type("Quiet", (highspy.Highs,), {"enableCallbacks": enable_quietly})()


class _Model:
    """Columns: options by position, then completion times (device, link, edge) by position."""

    def __init__(self, choices: Choices, scale: float) -> None:
        self.choices = choices
        self.options = [
            (kind, row) for kind, table in enumerate(choices.tables) for row in range(len(table))
        ]
        self.times = np.concatenate(choices.tables) * scale
        self.delay = choices.problem.delay_ns * scale
        self.positions = choices.problem.paths
        self.rows: list[dict[int, float]] = []
        self.lower: list[float] = []
        self.upper: list[float] = []

    def _pick(self, position: int, option: int) -> int:
        return position * len(self.options) + option

    def _free(self, position: int, machine: int) -> int:
        return self.positions * len(self.options) + 3 * position + machine

    def _add(self, row: dict[int, float], lower: float, upper: float = math.inf) -> None:
        self.rows.append(row)
        self.lower.append(lower)
        self.upper.append(upper)

    def _after(self, position: int, machine: int, cause: int | None, wait: float = 0.0) -> None:
        """A machine is free here no earlier than ``cause`` + ``wait`` + its own work here."""
        row = {self._free(position, machine): 1.0}
        if cause is not None:
            row[cause] = -1.0
        for option in range(len(self.options)):
            row[self._pick(position, option)] = -float(self.times[option, machine])
        self._add(row, wait)

    def build(self, highspy: Any) -> Any:
        """The model as HiGHS takes it."""
        problem = self.choices.problem
        for position in range(self.positions):
            here = range(len(self.options))
            self._add({self._pick(position, option): 1.0 for option in here}, 1.0, 1.0)
            before = position - 1
            self._after(position, 0, self._free(before, 0) if position else None)
            self._after(position, 1, self._free(position, 0))
            self._after(position, 2, self._free(position, 1), self.delay)
            if position and problem.shared_link:
                self._after(position, 1, self._free(before, 1))
            if position and problem.edge_workers == 1:
                self._after(position, 2, self._free(before, 2))
            elif position:
                self._add({self._free(position, 2): 1.0, self._free(before, 2): -1.0}, 0.0)
        for kind, count in enumerate(self.choices.counts):
            row = {
                self._pick(position, option): 1.0
                for position in range(self.positions)
                for option, (owner, _) in enumerate(self.options)
                if owner == kind
            }
            self._add(row, float(count), float(count))
        return self._lp(highspy)

    def _lp(self, highspy: Any) -> Any:
        binaries = self.positions * len(self.options)
        columns = binaries + 3 * self.positions
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = columns, len(self.rows)
        cost = np.zeros(columns)
        cost[self._free(self.positions - 1, 2)] = 1.0
        lp.col_cost_ = cost
        lp.col_lower_ = np.zeros(columns)
        lp.col_upper_ = np.concatenate([np.ones(binaries), np.full(3 * self.positions, math.inf)])
        lp.row_lower_, lp.row_upper_ = np.array(self.lower), np.array(self.upper)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = np.cumsum([0, *(len(row) for row in self.rows)])
        lp.a_matrix_.index_ = np.array([column for row in self.rows for column in row])
        lp.a_matrix_.value_ = np.array([value for row in self.rows for value in row.values()])
        lp.integrality_ = [highspy.HighsVarType.kInteger] * binaries + [
            highspy.HighsVarType.kContinuous
        ] * (3 * self.positions)
        return lp

    def sequence(self, values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[Pick, ...]:
        """The options chosen, by position."""
        shape = (self.positions, len(self.options))
        chosen = values[: self.positions * len(self.options)].reshape(shape).argmax(axis=1)
        return tuple(self.options[option] for option in chosen)
