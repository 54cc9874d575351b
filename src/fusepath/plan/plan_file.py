"""Plan files: the plan, and besides, at the top, what people and scripts look for first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from fusepath import jsonfile
from fusepath.errors import FileFormatError, one_line
from fusepath.plan.plan import Plan

if TYPE_CHECKING:
    from pathlib import Path


def plan_document(plan: Plan) -> dict[str, Any]:
    """A plan as its file shows it, and as it is printed as JSON."""
    document: dict[str, Any] = msgspec.to_builtins(plan)
    head = {name: document.pop(name) for name in ("format", "version")}
    return head | _derived(plan) | document


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """What is known from the rest of a plan, and is only written to be read by others."""

    algorithm: str
    makespan_s: float | None
    """This and the next three are null where what the plan runs on was not measured."""
    lower_bound_s: float | None
    gap: float | None
    status: str | None
    family: str
    start: int
    tau: int
    grid: str
    order: tuple[int, ...]
    cuts: tuple[int, ...]
    device_macs: int
    edge_macs: int
    up_bytes: int
    plans: int
    search_s: float
    recipe_sha256: str
    exact: bool
    energy_j: float | msgspec.UnsetType = msgspec.UNSET


def _derived(plan: Plan) -> dict[str, Any]:
    derived = Derived(
        algorithm=plan.algorithm,
        makespan_s=plan.makespan_s if plan.is_foreseen else None,
        lower_bound_s=plan.lower_bound_s if plan.is_foreseen else None,
        gap=plan.gap if plan.is_foreseen else None,
        status=plan.status if plan.is_foreseen else None,
        family=plan.family,
        start=plan.start,
        tau=plan.tau,
        grid=str(plan.grid),
        order=plan.order,
        cuts=plan.cuts,
        device_macs=plan.prediction.device_macs,
        edge_macs=plan.prediction.edge_macs,
        up_bytes=plan.prediction.up_bytes,
        plans=plan.provenance.plans_evaluated,
        search_s=plan.provenance.search_s,
        recipe_sha256=plan.recipe_sha256,
        exact=plan.is_exact,
        energy_j=msgspec.UNSET if plan.energy_j is None else plan.energy_j,
    )
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in msgspec.structs.asdict(derived).items()
        if value is not msgspec.UNSET
    }


_STATED = frozenset(Plan.__struct_fields__)


def plan_of_document(document: dict[str, Any], *, where: str) -> Plan:
    """The plan of a document, which may leave out what is derived, but must not contradict itself.

    Raises:
        FileFormatError: it is no plan, or what is derived is not what the rest of it says.
    """
    stated = {name: value for name, value in document.items() if name in _STATED}
    others = {name: value for name, value in document.items() if name not in _STATED}
    plan = jsonfile.convert(stated, Plan, where=where)
    derived = _derived(plan)
    for name, value in others.items():
        if name not in derived:
            key = one_line(name, 80)
            raise FileFormatError(f"{where}: not a fusepath plan file: unknown key '{key}'")
        if value != derived[name]:
            raise FileFormatError(
                f"{where}: '{name}' is not what the rest of the plan says; it is derived from the "
                f"recipe and the prediction: change those, and leave '{name}' out"
            )
    return plan


def load_plan(path: str | Path) -> Plan:
    """Read a plan file.

    Raises:
        FileFormatError: it is missing, damaged, no plan, or contradicts itself.
    """
    return plan_of_document(jsonfile.load_object(path, Plan), where=str(path))


def save_plan(path: str | Path, plan: Plan) -> None:
    """Write a plan file.

    Raises:
        OutputError: the file cannot be written.
    """
    jsonfile.save(path, plan_document(plan))
