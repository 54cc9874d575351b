"""Machines as a rehearsal shows them, where that is not what their profiles say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fusepath.cost import MachineProfile
from fusepath.timeline import Lane

if TYPE_CHECKING:
    from fusepath.cost import Machine
    from fusepath.plan.setting import Setting
    from fusepath.timeline import Timeline

NOTICEABLE = 0.1
"""Part by which a machine must be slower or quicker to be worth another plan."""
_LEAST_S = 0.002
"""Of less work nothing can be told."""


def recalibrated(setting: Setting, planned: Timeline, shown: Timeline) -> Setting | None:
    """The setting with the machines that a plan's own times show; None if these are as planned.

    A machine that takes so many times longer for its share of one plan is taken to be so many times
    slower altogether. Machines that are known by a rate are taken at their word.

    Args:
        setting: what was planned for.
        planned: a plan's timeline.
        shown: the same, from measured times of the plan's very paths.
    """
    device = _slowed(setting.device, _factor(planned, shown, Lane.DEVICE))
    edge = _slowed(setting.edge, _factor(planned, shown, Lane.EDGE))
    if device is setting.device and edge is setting.edge:
        return None
    return replace(setting, device=device, edge=edge)


def _factor(planned: Timeline, shown: Timeline, lane: Lane) -> float:
    planned_s, shown_s = planned.busy_s(lane), shown.busy_s(lane)
    return 1.0 if min(planned_s, shown_s) < _LEAST_S else shown_s / planned_s


def _slowed(machine: Machine, factor: float) -> Machine:
    if not isinstance(machine, MachineProfile) or 1 / (1 + NOTICEABLE) <= factor <= 1 + NOTICEABLE:
        return machine
    return machine.slowed(factor)
