"""What no plan of any family can beat: rows shared out freely, or whole and with halos."""

from fusepath.plan.fluid.bound import (
    FluidBound,
    fluid_bound,
    fluid_bound_ns,
    fluid_bound_s,
    later_bounds,
    section_bound,
)
from fusepath.plan.fluid.energy import energy_bound_j
from fusepath.plan.fluid.period import period_bound_s
from fusepath.plan.fluid.rows import row_bound_s

__all__ = [
    "FluidBound",
    "energy_bound_j",
    "fluid_bound",
    "fluid_bound_ns",
    "fluid_bound_s",
    "later_bounds",
    "period_bound_s",
    "row_bound_s",
    "section_bound",
]
