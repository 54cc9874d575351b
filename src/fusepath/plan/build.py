"""From what a search has found to a plan that machines can carry out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fusepath.errors import InfeasibleError
from fusepath.plan.plan import MAX_PATHS, Plan, Prediction, Provenance
from fusepath.plan.preprocessing import AS_THEY_COME
from fusepath.plan.recipe import InputFormat, ModelReference, Recipe
from fusepath.plan.totals import totals_of
from fusepath.schedule.problem import NS_PER_S
from fusepath.version import VERSION

if TYPE_CHECKING:
    from fusepath.plan.candidate import Candidate
    from fusepath.plan.origin import Origin
    from fusepath.plan.search import Search
    from fusepath.plan.source import Forwarding
    from fusepath.plan.timing import Timing


def build_plan(timing: Timing, found: Candidate, search: Search, origin: Origin) -> Plan:
    """A plan with the prediction it was chosen by.

    Raises:
        InfeasibleError: it has more paths than machines take.
    """
    if found.arrangement.paths > MAX_PATHS:
        raise InfeasibleError(
            f"the best plan has {found.arrangement.paths} paths, but machines take at most "
            f"{MAX_PATHS}; use a smaller grid"
        )
    setting = timing.setting
    totals = totals_of(timing, found)
    graph = timing.with_tail(found.tail, found.tau).setting.graph
    source = msgspec.UNSET if setting.source is None else setting.source
    is_said = origin.pictures != AS_THEY_COME
    crossing = sorted({name for cut in found.cuts for name in graph.sent(cut)})
    compression = {n: setting.compression[n] for n in crossing if n in setting.compression}
    returned = sorted({name for cut in found.cuts for name in graph.returned(cut)})
    back = {n: setting.back_compression[n] for n in returned if n in setting.back_compression}
    forwarding: Forwarding | msgspec.UnsetType = msgspec.UNSET
    if found.forwards:
        assert setting.source is not None  # or there would be no file to forward
        forwarding = setting.source.forwarding
    return Plan(
        recipe=Recipe(
            model=ModelReference(
                name=graph.name,
                sha256=graph.sha256,
                source=origin.source,
                input_shape=graph.fed_shape,
            ),
            input=InputFormat(
                dtype=setting.input_dtype,
                mean=origin.mean,
                std=origin.std,
            ),
            arrangement=found.arrangement,
            start=found.start,
            order=tuple(path + 1 for path in found.schedule.order),
            cuts=found.cuts,
            tail=found.tail,
            codecs={name: item.codec for name, item in compression.items()},
            back_codecs={name: item.codec for name, item in back.items()},
            forwarding=forwarding,
        ),
        request=search.request,
        device=setting.device,
        edge=setting.edge,
        link=setting.link,
        convention=setting.convention,
        compression=compression,
        back_compression=back,
        source=source,
        pictures=origin.pictures if is_said and not source else msgspec.UNSET,
        prediction=Prediction(
            makespan_s=found.schedule.makespan_ns / NS_PER_S,
            lower_bound_s=found.lower_bound_ns / NS_PER_S,
            device_macs=totals.device_macs,
            edge_macs=totals.edge_macs,
            up_bytes=totals.up_bytes,
            timeline=found.schedule.timeline(),
        ),
        provenance=Provenance(
            fusepath_version=VERSION,
            algorithm=search.request.algorithm,
            plans_evaluated=found.evaluated,
            search_s=search.meter.seconds,
        ),
    )
