"""Who does what when, in integers: the pure flow shop. It knows no network and no plan file."""

from fusepath.schedule.alternation import Alternation, alternations
from fusepath.schedule.bounds import lower_bound_ns, machine_bound_ns, path_bound_ns
from fusepath.schedule.brute_force import brute_force
from fusepath.schedule.budget import Budget, Meter
from fusepath.schedule.check import violations
from fusepath.schedule.check_stream import stream_violations
from fusepath.schedule.events import play
from fusepath.schedule.exact import exact
from fusepath.schedule.exact.milp import milp
from fusepath.schedule.johnson import johnson_partition
from fusepath.schedule.minimizing_waiting import minimizing_waiting
from fusepath.schedule.problem import NS_PER_S, Problem, problem_of_paths
from fusepath.schedule.pruned import faster_schedule, pruned_brute_force
from fusepath.schedule.result import SolveResult, Status
from fusepath.schedule.schedule import PathTimes, Schedule, evaluate
from fusepath.schedule.stream import Job, Kind, Played, Work, play_stream

__all__ = [
    "NS_PER_S",
    "Alternation",
    "Budget",
    "Job",
    "Kind",
    "Meter",
    "PathTimes",
    "Played",
    "Problem",
    "Schedule",
    "SolveResult",
    "Status",
    "Work",
    "alternations",
    "brute_force",
    "evaluate",
    "exact",
    "faster_schedule",
    "johnson_partition",
    "lower_bound_ns",
    "machine_bound_ns",
    "milp",
    "minimizing_waiting",
    "path_bound_ns",
    "play",
    "play_stream",
    "problem_of_paths",
    "pruned_brute_force",
    "stream_violations",
    "violations",
]
