"""A request that is being answered."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from fusepath.plan.request import DEFAULT_REQUEST
from fusepath.schedule.budget import Budget, Meter

if TYPE_CHECKING:
    from fusepath.plan.request import PlanRequest
    from fusepath.tiling import Grid


@dataclass(frozen=True, slots=True)
class Search:
    """What every family of plans is given besides the setting."""

    request: PlanRequest = DEFAULT_REQUEST
    meter: Meter = field(default_factory=lambda: Budget().begin())
    """What may be spent; without one, as much as it takes."""
    first: tuple[int, Grid] | None = None
    """A fused layer and grid to try first: saves time if it is good, and changes nothing else."""

    def asking(self, **changes: Any) -> Search:
        """The same search for another request, which spends the same budget."""
        return replace(self, request=msgspec.structs.replace(self.request, **changes))

    def within(self, meter: Meter) -> Search:
        """The same search with another budget."""
        return replace(self, meter=meter)
