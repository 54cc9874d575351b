"""From what a search has found to a plan that machines can carry out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.errors import InfeasibleError
from fusepath.plan.plan import MAX_PATHS, ModelReference, Plan
from fusepath.plan.totals import totals_of
from fusepath.schedule.problem import NS_PER_S
from fusepath.version import VERSION

if TYPE_CHECKING:
    from fusepath.plan.candidate import Candidate
    from fusepath.plan.plan import InputFormat
    from fusepath.plan.request import PlanRequest
    from fusepath.plan.timing import Timing


def build_plan(
    timing: Timing,
    algorithm: str,
    found: Candidate,
    search: PlanRequest,
    *,
    source: str,
    form: InputFormat,
    search_s: float,
) -> Plan:
    """A plan with the prediction it was chosen by.

    Raises:
        InfeasibleError: it has more paths than machines take.
    """
    if found.grid.paths > MAX_PATHS:
        raise InfeasibleError(
            f"the best plan has {found.grid.paths} paths, but machines take at most {MAX_PATHS}; "
            f"use a smaller grid"
        )
    setting = timing.setting
    graph = setting.graph
    work = totals_of(timing, found)
    return Plan(
        fusepath_version=VERSION,
        model=ModelReference(
            name=graph.name, sha256=graph.sha256, source=source, input_shape=graph.input.shape
        ),
        algorithm=algorithm,
        convention=setting.convention,
        device=setting.device,
        edge=setting.edge,
        link=setting.link,
        input=form,
        constraints=search.constraints,
        tau=found.tau,
        grid=(found.grid.rows, found.grid.cols),
        tile_rows=found.sizes.rows if found.sizes is not None else (),
        tile_cols=found.sizes.cols if found.sizes is not None else (),
        order=tuple(path + 1 for path in found.schedule.order),
        cuts=found.cuts,
        segments=found.segments,
        compression={
            name: setting.compression[name]
            for name in sorted({name for cut in found.cuts for name in graph.sent(cut)})
            if name in setting.compression
        },
        makespan_s=found.schedule.makespan_ns / NS_PER_S,
        lower_bound_s=found.lower_bound_ns / NS_PER_S,
        device_macs=work.device_macs,
        edge_macs=work.edge_macs,
        up_bytes=work.up_bytes,
        plans_evaluated=found.evaluated,
        search_s=search_s,
        timeline=found.schedule.timeline(),
    )
