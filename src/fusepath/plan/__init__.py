"""Who does what when: problems, algorithms, bounds, checks and plan files. Pure."""

from fusepath.plan.book.book import BookEntry, PlanBook, PlannedRate, load_book, save_book
from fusepath.plan.book.search import make_book
from fusepath.plan.bounds import lower_bound_ns, machine_bound_ns, path_bound_ns
from fusepath.plan.brute_force import brute_force
from fusepath.plan.check import violations
from fusepath.plan.compressed import plans_with_and_without
from fusepath.plan.corrected import corrected
from fusepath.plan.exact import exact
from fusepath.plan.exact.milp import milp
from fusepath.plan.fluid import FluidBound, fluid_bound, fluid_bound_s
from fusepath.plan.found import Found, Search
from fusepath.plan.jps import johnson_partition
from fusepath.plan.limits.check import limit_violations
from fusepath.plan.limits.constraints import NO_CONSTRAINTS, Constraints
from fusepath.plan.minimizing_waiting import minimizing_waiting
from fusepath.plan.offload import InputFormat, ModelReference, Plan, Segment, load_plan, save_plan
from fusepath.plan.planner import (
    ALGORITHMS,
    PlanOptions,
    make_plan,
    make_plans,
    shortlist,
    worth_trying,
)
from fusepath.plan.problem import NS_PER_S, Problem, problem_of_paths
from fusepath.plan.pruned import faster_schedule, pruned_brute_force
from fusepath.plan.realize import predict, problem_of_plan
from fusepath.plan.result import SolveResult, Status
from fusepath.plan.schedule import PathTimes, Schedule, evaluate
from fusepath.plan.setting import Setting, Tiled
from fusepath.plan.single_cut import best_single_cut, problem_of_table
from fusepath.plan.stream import strip_problem
from fusepath.plan.tilings import search_plainly
from fusepath.plan.work import PlanWork, work_of

__all__ = [
    "ALGORITHMS",
    "NO_CONSTRAINTS",
    "NS_PER_S",
    "BookEntry",
    "Constraints",
    "FluidBound",
    "Found",
    "InputFormat",
    "ModelReference",
    "PathTimes",
    "Plan",
    "PlanBook",
    "PlanOptions",
    "PlanWork",
    "PlannedRate",
    "Problem",
    "Schedule",
    "Search",
    "Segment",
    "Setting",
    "SolveResult",
    "Status",
    "Tiled",
    "best_single_cut",
    "brute_force",
    "corrected",
    "evaluate",
    "exact",
    "faster_schedule",
    "fluid_bound",
    "fluid_bound_s",
    "johnson_partition",
    "limit_violations",
    "load_book",
    "load_plan",
    "lower_bound_ns",
    "machine_bound_ns",
    "make_book",
    "make_plan",
    "make_plans",
    "milp",
    "minimizing_waiting",
    "path_bound_ns",
    "plans_with_and_without",
    "predict",
    "problem_of_paths",
    "problem_of_plan",
    "problem_of_table",
    "pruned_brute_force",
    "save_book",
    "save_plan",
    "search_plainly",
    "shortlist",
    "strip_problem",
    "violations",
    "work_of",
    "worth_trying",
]
