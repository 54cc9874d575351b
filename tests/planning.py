"""Asking for a plan in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusepath.plan import Budget, Origin, PlanRequest, make_plan

if TYPE_CHECKING:
    from fusepath.plan import Plan, Setting

UNLIMITED = Budget()


def planned(setting: Setting, algorithm: str = "auto", *, source: str = "", **asked: Any) -> Plan:
    """The best plan of an algorithm; ``asked`` are fields of a `PlanRequest`."""
    return make_plan(setting, PlanRequest(algorithm=algorithm, **asked), Origin(source)).best
