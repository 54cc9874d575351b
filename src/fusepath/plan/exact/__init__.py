"""Proven optima of scheduling problems: label setting, and a MILP as a second opinion."""

from fusepath.plan.exact.milp import milp
from fusepath.plan.exact.search import exact

__all__ = ["exact", "milp"]
