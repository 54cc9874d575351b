"""Which plan: settings, requests, families of plans, limits, bounds and plan files. Pure."""

from fusepath.plan.algorithms import ALGORITHMS, Algorithm
from fusepath.plan.book.book import BookEntry, PlanBook, PlannedRate, load_book, save_book
from fusepath.plan.book.search import make_book
from fusepath.plan.book.steps import steps_of
from fusepath.plan.candidate import Candidate, ranked
from fusepath.plan.change import OutputChange
from fusepath.plan.comparison import ComparedPlan, compare_plans
from fusepath.plan.energy import EnergyUse, energy_of
from fusepath.plan.families.single_cut import best_single_cut, problem_of_table
from fusepath.plan.families.tiles import search_plainly
from fusepath.plan.fluid import (
    FluidBound,
    energy_bound_j,
    fluid_bound,
    fluid_bound_s,
    period_bound_s,
    row_bound_s,
)
from fusepath.plan.front import Front, make_front
from fusepath.plan.limits.check import limit_violations
from fusepath.plan.limits.constraints import NO_CONSTRAINTS, Constraints
from fusepath.plan.make import make_plan, plan_with
from fusepath.plan.objective import (
    ENERGY_IS_PLANNED,
    LATENCY,
    Energy,
    Latency,
    Objective,
    StreamObjective,
    Throughput,
    Weighted,
    of_stream,
)
from fusepath.plan.origin import Origin
from fusepath.plan.plan import Plan, Prediction, Provenance
from fusepath.plan.plan_file import load_plan, plan_document, save_plan
from fusepath.plan.planner import check_request
from fusepath.plan.preprocessing import AS_THEY_COME, Filter, Fit, Preprocessing
from fusepath.plan.recalibrated import recalibrated
from fusepath.plan.recipe import InputFormat, ModelReference, Recipe, TailPlace
from fusepath.plan.request import DEFAULT_REQUEST, PlanRequest
from fusepath.plan.result import PlanResult
from fusepath.plan.rotation import (
    FrameLoad,
    Rotation,
    best_turns,
    by_use,
    load_of,
    loads_of,
    make_rotation,
    played_period_s,
)
from fusepath.plan.search import Search
from fusepath.plan.setting import Setting
from fusepath.plan.shortlist import shortlist
from fusepath.plan.simulation import simulate, simulate_with
from fusepath.plan.source import (
    FORWARDED_FORMATS,
    MAX_FILE_BYTES,
    MAX_FORWARDED_PIXELS,
    Forwarding,
    PictureSource,
    why_not_forwarded,
)
from fusepath.plan.timing import (
    Prices,
    Tiled,
    Timing,
    predict,
    problem_of,
    problem_of_plan,
    returned_bytes,
)
from fusepath.plan.totals import PlanTotals, totals_of
from fusepath.plan.verify import check_plan, check_recipe
from fusepath.schedule.budget import Budget

__all__ = [
    "ALGORITHMS",
    "AS_THEY_COME",
    "DEFAULT_REQUEST",
    "ENERGY_IS_PLANNED",
    "FORWARDED_FORMATS",
    "LATENCY",
    "MAX_FILE_BYTES",
    "MAX_FORWARDED_PIXELS",
    "NO_CONSTRAINTS",
    "Algorithm",
    "BookEntry",
    "Budget",
    "Candidate",
    "ComparedPlan",
    "Constraints",
    "Energy",
    "EnergyUse",
    "Filter",
    "Fit",
    "FluidBound",
    "Forwarding",
    "FrameLoad",
    "Front",
    "InputFormat",
    "Latency",
    "ModelReference",
    "Objective",
    "Origin",
    "OutputChange",
    "PictureSource",
    "Plan",
    "PlanBook",
    "PlanRequest",
    "PlanResult",
    "PlanTotals",
    "PlannedRate",
    "Prediction",
    "Preprocessing",
    "Prices",
    "Provenance",
    "Recipe",
    "Rotation",
    "Search",
    "Setting",
    "StreamObjective",
    "TailPlace",
    "Throughput",
    "Tiled",
    "Timing",
    "Weighted",
    "best_single_cut",
    "best_turns",
    "by_use",
    "check_plan",
    "check_recipe",
    "check_request",
    "compare_plans",
    "energy_bound_j",
    "energy_of",
    "fluid_bound",
    "fluid_bound_s",
    "limit_violations",
    "load_book",
    "load_of",
    "load_plan",
    "loads_of",
    "make_book",
    "make_front",
    "make_plan",
    "make_rotation",
    "of_stream",
    "period_bound_s",
    "plan_document",
    "plan_with",
    "played_period_s",
    "predict",
    "problem_of",
    "problem_of_plan",
    "problem_of_table",
    "ranked",
    "recalibrated",
    "returned_bytes",
    "row_bound_s",
    "save_book",
    "save_plan",
    "search_plainly",
    "shortlist",
    "simulate",
    "simulate_with",
    "steps_of",
    "totals_of",
    "why_not_forwarded",
]
