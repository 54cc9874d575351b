"""What the device draws, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusepath.plan import Plan


def energy_lines(plan: Plan) -> Iterator[str]:
    """What the device draws, where that is known."""
    words = energy_words(plan)
    if words:
        yield f"energy       {words}"


def energy_words(plan: Plan) -> str:
    """The same without a key; empty where it is not known."""
    used, bound_j = plan.energy, plan.energy_bound_j
    if used is None:
        return ""
    bound = "" if bound_j is None else f" (lower bound {joules(bound_j)})"
    return (
        f"{joules(used.total_j)}{bound}: waiting {joules(used.wait_j)}, and more for computing "
        f"{joules(used.compute_j)}, sending {joules(used.send_j)}, receiving "
        f"{joules(used.receive_j)}"
    )


def joules(value: float) -> str:
    """An energy, for people."""
    return f"{value:.3g} J" if value >= 1 or not value else f"{value * 1e3:.3g} mJ"
