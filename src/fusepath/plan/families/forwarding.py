"""The whole network on the edge server, which is sent the picture's file as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusepath.errors import InfeasibleError, InputError
from fusepath.plan.candidate import Candidate
from fusepath.plan.limits.constraints import KEPT
from fusepath.plan.source import why_not_forwarded
from fusepath.schedule.schedule import evaluate
from fusepath.tiling import Whole

if TYPE_CHECKING:
    from fusepath.plan.search import Search
    from fusepath.plan.timing import Timing


@dataclass(frozen=True, slots=True)
class _Demand:
    """What forwarding takes of the device and the link."""

    up_bytes: int
    device_macs: int = 0
    memory_bytes: int = 0


def forward_file(timing: Timing, search: Search) -> Candidate:
    """The only plan of its kind.

    Raises:
        InputError: the input does not come as a file.
        InfeasibleError: limits forbid it.
    """
    setting, constraints = timing.setting, search.request.constraints
    source = setting.source
    if source is None:
        raise InputError("there is no file to forward: the input does not come as a picture")
    if not constraints.allows_cut(setting.graph, 1):
        raise InfeasibleError(
            f"layers 1 to {constraints.keep_on_device} must stay on the device ({KEPT}), but this "
            f"algorithm sends the input"
        )
    shortfalls = constraints.shortfalls(_Demand(up_bytes=timing.forwarded_bytes))
    if shortfalls:
        raise InfeasibleError(
            f"forwarding the file needs {' and '.join(map(str, shortfalls))}", shortfalls
        )
    reason = why_not_forwarded(
        file_bytes=source.file_bytes, pixels=source.pixels, form=source.format
    )
    if reason is not None:
        raise InfeasibleError(reason)
    search.meter.spend(1)
    schedule = evaluate(timing.forwarding_problem(), (0,), (1,))
    return Candidate(
        arrangement=Whole(layers=setting.graph.depth),
        schedule=schedule,
        lower_bound_ns=schedule.makespan_ns,
        evaluated=1,
        forwards=True,
    )
