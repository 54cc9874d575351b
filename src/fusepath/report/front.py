"""The front of latency, energy and bytes as a table and a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.report.energy import joules
from fusepath.report.fitting import empty_table, wrapped
from fusepath.report.tables import cuts_text, fused_layers, milliseconds
from fusepath.units import format_bytes, format_count

if TYPE_CHECKING:
    from rich.table import Table

    from fusepath.plan import Front


def front_table(front: Front) -> Table:
    """Plans by rising latency; ``least`` names what no other plan of the front is better in."""
    table = empty_table(
        *("latency", "energy", "sent", "least", "kind", "tau", "device", "cuts"),
        flexible=("cuts",),
        optional=("device", "tau"),
    )
    least = {
        "latency": min(plan.makespan_s for plan in front.plans),
        "energy": min(plan.energy_j or 0.0 for plan in front.plans),
        "bytes": min(plan.up_bytes for plan in front.plans),
    }
    for plan in front.plans:
        values = (plan.makespan_s, plan.energy_j, plan.up_bytes)
        best = [
            name for (name, value), own in zip(least.items(), values, strict=True) if own == value
        ]
        table.add_row(
            milliseconds(plan.makespan_s),
            joules(plan.energy_j or 0.0),
            format_bytes(plan.up_bytes),
            ", ".join(best),
            plan.family,
            fused_layers(plan),
            f"{format_count(plan.device_macs)} MAC",
            cuts_text(plan),
        )
    return table


def front_text(front: Front) -> str:
    """For which machines, and what no plan beats, for people."""
    plan = front.plans[0]
    power = plan.device.power
    drawn = f", {power.describe()}" if power else ""
    return wrapped(
        [
            f"model        {plan.model.name} ({plan.model.sha256[:12]})",
            f"device       {plan.device.describe()}{drawn}",
            f"edge         {plan.edge.describe()}",
            f"link         {plan.link.describe()}",
            f"bounds       no plan takes less than {milliseconds(front.latency_bound_s)}, and none "
            f"draws less than {joules(front.energy_bound_j)}",
            f"front        {len(front.plans)} of {front.considered} plans that were met",
        ],
        indent=13,
    )
