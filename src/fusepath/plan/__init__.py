"""Who does what when: problems, algorithms, bounds, checks and plan files. Pure."""

from fusepath.plan.bounds import lower_bound_ns, machine_bound_ns, path_bound_ns
from fusepath.plan.brute_force import brute_force
from fusepath.plan.check import violations
from fusepath.plan.minimizing_waiting import minimizing_waiting
from fusepath.plan.offload import InputFormat, ModelReference, Plan, load_plan, save_plan
from fusepath.plan.planner import ALGORITHMS, PlanWork, make_plan, work_of
from fusepath.plan.problem import NS_PER_S, Problem, problem_of_paths
from fusepath.plan.schedule import PathTimes, Schedule, evaluate
from fusepath.plan.setting import Setting

__all__ = [
    "ALGORITHMS",
    "NS_PER_S",
    "InputFormat",
    "ModelReference",
    "PathTimes",
    "Plan",
    "PlanWork",
    "Problem",
    "Schedule",
    "Setting",
    "brute_force",
    "evaluate",
    "load_plan",
    "lower_bound_ns",
    "machine_bound_ns",
    "make_plan",
    "minimizing_waiting",
    "path_bound_ns",
    "problem_of_paths",
    "save_plan",
    "violations",
    "work_of",
]
