"""Brute Force (BF): every order and every cut, plainly. The oracle that nothing may contradict."""

from __future__ import annotations

from itertools import islice, permutations, product
from math import factorial
from typing import TYPE_CHECKING

from fusepath.errors import UndecidedError
from fusepath.schedule.schedule import evaluate

if TYPE_CHECKING:
    from fusepath.schedule.problem import Problem
    from fusepath.schedule.schedule import Schedule

MAX_SCHEDULES = 2_000_000


def brute_force(problem: Problem) -> Schedule:
    """The best schedule of a problem, by trying all ``P! · cuts^P``; the first one on ties.

    Chained paths have one order, that of their numbers, which permutations begin with.

    Raises:
        UndecidedError: there are more schedules than anybody would wait for.
    """
    orders = 1 if problem.chained else factorial(problem.paths)
    schedules = orders * problem.cuts**problem.paths
    if schedules > MAX_SCHEDULES:
        raise UndecidedError(
            f"brute force over {problem.paths} paths and {problem.cuts} cuts would try "
            f"{schedules:.3g} schedules (at most {MAX_SCHEDULES:.0g}); use fewer paths"
        )
    return min(
        (
            evaluate(problem, order, cuts)
            for order in islice(permutations(range(problem.paths)), orders)
            for cuts in product(range(1, problem.cuts + 1), repeat=problem.paths)
        ),
        key=lambda schedule: schedule.makespan_ns,
    )
