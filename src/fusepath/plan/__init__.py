"""Which plan: settings, requests, families of plans, limits, bounds and plan files. Pure."""

from fusepath.plan.book.book import BookEntry, PlanBook, PlannedRate, load_book, save_book
from fusepath.plan.book.search import make_book
from fusepath.plan.candidate import Candidate
from fusepath.plan.compressed import plans_with_and_without
from fusepath.plan.families.single_cut import best_single_cut, problem_of_table
from fusepath.plan.families.tiles import search_plainly
from fusepath.plan.fluid import FluidBound, fluid_bound, fluid_bound_s
from fusepath.plan.limits.check import limit_violations
from fusepath.plan.limits.constraints import NO_CONSTRAINTS, Constraints
from fusepath.plan.plan import InputFormat, ModelReference, Plan, Segment, load_plan, save_plan
from fusepath.plan.planner import (
    ALGORITHMS,
    PlanOptions,
    make_plan,
    make_plans,
)
from fusepath.plan.recalibrated import recalibrated
from fusepath.plan.request import PlanRequest
from fusepath.plan.setting import Setting
from fusepath.plan.shortlist import shortlist, worth_trying
from fusepath.plan.simulation import simulate
from fusepath.plan.timing import Prices, Tiled, Timing, predict, problem_of_plan
from fusepath.plan.totals import PlanTotals, totals_of

__all__ = [
    "ALGORITHMS",
    "NO_CONSTRAINTS",
    "BookEntry",
    "Candidate",
    "Constraints",
    "FluidBound",
    "InputFormat",
    "ModelReference",
    "Plan",
    "PlanBook",
    "PlanOptions",
    "PlanRequest",
    "PlanTotals",
    "PlannedRate",
    "Prices",
    "Segment",
    "Setting",
    "Tiled",
    "Timing",
    "best_single_cut",
    "fluid_bound",
    "fluid_bound_s",
    "limit_violations",
    "load_book",
    "load_plan",
    "make_book",
    "make_plan",
    "make_plans",
    "plans_with_and_without",
    "predict",
    "problem_of_plan",
    "problem_of_table",
    "recalibrated",
    "save_book",
    "save_plan",
    "search_plainly",
    "shortlist",
    "simulate",
    "totals_of",
    "worth_trying",
]
