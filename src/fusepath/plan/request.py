"""What is asked of a planner."""

from __future__ import annotations

from typing import Literal

import msgspec

from fusepath.errors import SettingError, check_number
from fusepath.plan.limits.constraints import NO_CONSTRAINTS, Constraints
from fusepath.plan.objective import LATENCY, Objective
from fusepath.schedule.budget import Budget
from fusepath.tiling import Grid


class PlanRequest(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What a planner may choose, and what it must keep to: data, which plans are stored with.

    None leaves the choice to the algorithm.
    """

    objective: Objective = LATENCY
    """What plans are to be good at; any but the usual one is for `make_rotation`."""
    algorithm: str = "auto"
    """A key of `ALGORITHMS`."""
    grid: Grid | None = None
    """A fixed grid."""
    tau: int | None = None
    """A fixed fused layer (1-based) in any section; all of one section are searched without."""
    start: int | None = None
    """Layers that the device computes whole before all paths, where a section begins. Without,
    ``auto`` searches all sections, and others begin with the one that ``tau`` lies in, or with the
    first."""
    unequal: bool = False
    """Choose the sizes of tiles as well."""
    constraints: Constraints = NO_CONSTRAINTS
    codecs: str = "auto"
    """Encode what is sent where that is quicker, with any codec that the setting offers
    (``auto``), with one of them, or not at all (``off``)."""
    lossy: Literal["off", "fp16", "int8"] = "off"
    """Also send what crosses a cut in half precision, or in bytes by channel, where that is
    quicker and the setting offers it. Results change; of all other plans they do not."""
    budget: Budget | None = None
    """What the search may spend; None for what the algorithm usually takes. Plans with codecs and
    without have as many evaluations each, and share the seconds."""
    top: int = 1
    """How many plans are wanted."""

    def __post_init__(self) -> None:
        check_number("top", self.top)
        if self.top < 1:
            raise SettingError(f"top {self.top}: a plan at least must be wanted")


DEFAULT_REQUEST = PlanRequest()
"""Everything is left to ``auto``."""
