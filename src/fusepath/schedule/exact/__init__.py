"""Proven optima of scheduling problems: label setting, and a MILP as a second opinion."""

from fusepath.schedule.exact.milp import milp
from fusepath.schedule.exact.search import EXACT_BUDGET, exact

__all__ = ["EXACT_BUDGET", "exact", "milp"]
