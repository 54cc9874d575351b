"""The scheduling problem that a plan answers, on any machines or with measured times."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fusepath.plan.setting import Setting
from fusepath.plan.timing.timing import Timing
from fusepath.schedule.problem import nanoseconds, ns
from fusepath.schedule.schedule import evaluate
from fusepath.tiling import Strips

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.graph import ModelGraph
    from fusepath.plan.plan import Plan
    from fusepath.schedule.problem import Problem
    from fusepath.tiling import Arrangement
    from fusepath.timeline import Timeline


def problem_of(setting: Setting, arrangement: Arrangement) -> Problem:
    """The scheduling problem of an arrangement; a strip has one cut, that of its segment.

    Raises:
        GeometryError: the arrangement does not fit the setting's network.
        UnsupportedOperatorError: a layer up to the fused one cannot be tiled.
    """
    return Timing(setting).problem_of(arrangement)


def problem_of_plan(setting: Setting, plan: Plan) -> tuple[Problem, tuple[int, ...]]:
    """The problem, and which of its cuts (1-based, by path) the plan has chosen.

    Args:
        setting: the machines and the link, which need not be those that the plan was made for.
        plan: a plan that has been checked against the setting's network.
    """
    return Timing(setting).problem_of_plan(plan)


def returned_bytes(graph: ModelGraph, plan: Plan) -> float:
    """What returns of a plan, as it travels.

    Args:
        graph: the plan's network.
        plan: a plan that has been checked against it.
    """
    timing = Timing(Setting.of_plan(plan, graph))
    _, parts = timing.wire_bytes(plan)
    if parts is not None:
        return float(parts.sum())
    sends = any(cut <= graph.depth for cut in plan.cuts)
    return timing.prices.result.sent_bytes if sends else 0.0


def predict(
    graph: ModelGraph,
    plan: Plan,
    *,
    head_s: float = 0.0,
    device_s: Sequence[float],
    sent_bytes: Sequence[int],
    edge_s: Sequence[float],
    tail_s: float,
    finish_s: float = 0.0,
) -> Timeline:
    """What a plan will do, from measured times of its very paths in place of a cost model.

    Args:
        graph: the plan's network.
        plan: a plan that has been checked against it; its link is taken as it is.
        head_s: seconds of the layers before all paths.
        device_s: seconds of each path (0-based) on the device.
        sent_bytes: what each path sends.
        edge_s: seconds of each path on the edge server.
        tail_s: seconds of the layers behind the paths on the edge server.
        finish_s: the same on the device.
    """
    setting = Setting.of_plan(plan, graph)
    timing, paths = Timing(setting, finish_s=finish_s), len(plan.cuts)
    # What a path returns is known, however long it takes to compute.
    _, returned = timing.wire_bytes(plan)
    back_ns = None
    if returned is not None:
        back_ns = nanoseconds(setting.link.down_s(returned))[:, None]
    messages = timing.messages(
        np.array(sent_bytes), 0.0 if returned is None else returned, paths=paths
    )
    problem = timing.assemble(
        class_of=tuple(range(paths)),
        device_ns=nanoseconds(np.array(device_s) + messages.device_s)[:, None],
        link_ns=nanoseconds(messages.link_s)[:, None],
        edge_ns=nanoseconds(np.array(edge_s) + messages.edge_s)[:, None],
        back_ns=back_ns,
        tail_ns=ns(tail_s),
        chained=isinstance(plan.arrangement, Strips),
    )
    problem = replace(problem, head_ns=ns(head_s))
    return evaluate(problem, [number - 1 for number in plan.order], [1] * paths).timeline()
