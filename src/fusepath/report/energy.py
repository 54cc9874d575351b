"""What the device draws, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusepath.plan import Plan


def energy_lines(plan: Plan) -> Iterator[str]:
    """What the device draws, where that is known."""
    used, bound_j = plan.energy, plan.energy_bound_j
    if used is None:
        return
    bound = "" if bound_j is None else f" (lower bound {joules(bound_j)})"
    yield (
        f"energy       {joules(used.total_j)}{bound}: waiting {joules(used.wait_j)}, and more for "
        f"computing {joules(used.compute_j)}, sending {joules(used.send_j)}, receiving "
        f"{joules(used.receive_j)}"
    )


def joules(value: float) -> str:
    """An energy, for people."""
    return f"{value:.3g} J" if value >= 1 or not value else f"{value * 1e3:.3g} mJ"
