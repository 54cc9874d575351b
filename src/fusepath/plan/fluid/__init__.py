"""What no plan of any family can beat: rows shared out freely, without halos."""

from fusepath.plan.fluid.bound import (
    FluidBound,
    fluid_bound,
    fluid_bound_ns,
    fluid_bound_s,
    later_bounds,
    section_bound,
)

__all__ = [
    "FluidBound",
    "fluid_bound",
    "fluid_bound_ns",
    "fluid_bound_s",
    "later_bounds",
    "section_bound",
]
