"""Strips that a search has found, as a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.plan.candidate import Candidate
from fusepath.schedule.schedule import evaluate

if TYPE_CHECKING:
    from fusepath.plan.families.strips.refine import Refined
    from fusepath.plan.timing import Timing


def found_strips(timing: Timing, refined: Refined, evaluated: int) -> Candidate:
    """Refined segments as a candidate of a search that has looked at so much."""
    layer = refined.layer
    tailed = timing.with_tail(layer.tail, layer.rows.tau)
    problem = tailed.problem_of_strips(layer.timing, refined.segments)
    return Candidate(
        arrangement=layer.arranged(refined.segments),
        schedule=evaluate(problem, range(problem.paths), [1] * problem.paths),
        lower_bound_ns=0,
        evaluated=evaluated,
        tail=layer.tail,
    )
