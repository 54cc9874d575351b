"""What is asked of a planner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from fusepath.plan.limits.constraints import NO_CONSTRAINTS, Constraints

if TYPE_CHECKING:
    from fusepath.graph import ModelGraph
    from fusepath.tiling import Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What a planner may choose: None leaves the choice to the algorithm."""

    algorithm: str = "auto"
    codecs: str = "auto"
    """``auto`` with any that is installed where that is quicker, the name of one, or ``off``."""
    grid: Grid | None = None
    tau: int | None = None
    unequal: bool = False
    """Choose the sizes of tiles as well."""
    first: tuple[int, Grid] | None = None
    """A fused layer and grid to try first: saves time if it is good, and changes nothing else."""
    constraints: Constraints = NO_CONSTRAINTS
    top: int = 1
    """How many plans are wanted; `Candidate.others` are those behind the best."""
    most_sizes: int | None = None
    """How many sizes of tiles may be tried."""
    time_limit_s: float | None = None
    """For searches that can be cut short: ``auto``, and the search of tile sizes."""

    def check(self, graph: ModelGraph) -> None:
        """Raise unless the request makes sense for a network.

        Raises:
            InputError: it asks for what the network does not have.
        """
        self.constraints.check(graph)


class SearchOptions(TypedDict, total=False):
    """What a caller may ask of `PlanRequest`, by keyword."""

    grid: Grid | None
    """A fixed grid; None leaves it to the algorithm."""
    tau: int | None
    """A fixed fused layer (1-based); None searches all."""
    unequal: bool
    """Let the algorithm choose the sizes of tiles."""
    constraints: Constraints
    """What the plan must keep to."""
    time_limit_s: float | None
    """Of ``auto`` and of the search of tile sizes; their own without."""
