"""Whether results are those of the unsplit model, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.report.fitting import wrapped
from fusepath.units import number_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.plan import OutputChange, Plan

_KEY = 13
"""Characters before what a line of a text says."""


def changes_text(changes: Mapping[str, OutputChange], where: str) -> str:
    """How much a lossy plan changes results, a line for every output, for people."""
    return wrapped(
        (f"changes      '{name}' {where}: {change_words(item)}" for name, item in changes.items()),
        indent=_KEY,
    )


def change_words(change: OutputChange) -> str:
    """By how much an output changes."""
    if change.largest is None or change.mean is None:
        return "to values that are not finite where they should be, or more or fewer of them"
    relative = 100 * change.largest / (change.scale or 1.0)
    agreement = f", {change.of} agree in {change.agreement:.1%}" if change.of else ""
    return (
        f"by {change.largest:.3g} at most ({relative:.2g} % of its largest value), "
        f"{change.mean:.3g} in the mean{agreement}"
    )


def exactness(plan: Plan) -> str:
    """Whether results are those of the unsplit model, and if not, how far that is known."""
    if plan.is_exact:
        return "exact"
    if not plan.changes:
        return "LOSSY: results change, by how much was not measured"
    samples = max(item.samples for item in plan.changes.values())
    return f"LOSSY: results change, on {number_of(samples, 'sample')} as follows"
