"""NFL: the best single cut of an unsplit network (Neurosurgeon's split)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fusepath.plan.problem import Problem, ns
from fusepath.plan.schedule import evaluate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusepath.cost import LayerTable, TableLink
    from fusepath.plan.schedule import Schedule


def best_single_cut(problem: Problem, cuts: Iterable[int] | None = None) -> Schedule:
    """The fastest schedule of a problem with one path; the least cut (1-based) on ties.

    Args:
        problem: one path; cut 1 offloads everything, the last keeps everything on the device.
        cuts: only these; all without.
    """
    allowed = range(1, problem.cuts + 1) if cuts is None else cuts
    schedules = (evaluate(problem, (0,), (cut,)) for cut in allowed)
    return min(schedules, key=lambda schedule: schedule.makespan_ns)


def problem_of_table(table: LayerTable, link: TableLink) -> Problem:
    """A network known by its numbers as one path: cut ``o`` in ``1 … layers + 1``."""
    cuts = range(len(table.layers) + 1)
    device_s = [math.fsum(layer.device_s for layer in table.layers[:cut]) for cut in cuts]
    edge_s = [math.fsum(layer.edge_s for layer in table.layers[cut:]) for cut in cuts]
    sent = [*(layer.sent_bytes for layer in table.layers), 0.0]
    return Problem(
        class_of=(0,),
        device_ns=np.array([[ns(value) for value in device_s]], dtype=np.int64),
        link_ns=np.array([[ns(size / link.bytes_per_s) for size in sent]], dtype=np.int64),
        edge_ns=np.array([[ns(value) for value in edge_s]], dtype=np.int64),
        down_ns=ns(table.result_bytes / link.bytes_per_s + link.delay_s),
        delay_ns=ns(link.delay_s),
    )
