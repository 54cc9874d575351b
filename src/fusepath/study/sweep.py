"""Every model on every device, edge server and link, planned by every algorithm: a row for each."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from fusepath.cost import RUNTIME, Convention, Link, Machine, MachineProfile
from fusepath.errors import AlgorithmError, GeometryError, UnsupportedOperatorError
from fusepath.plan import Budget, PlanRequest, Setting, Timing, plan_with
from fusepath.study.executor import Processes
from fusepath.study.store import Lines, versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from fusepath.graph import ModelGraph
    from fusepath.study.executor import Executor

LINKS_PER_TASK = 5
"""Links of one device share what its tiles cost."""


class NamedMachine(NamedTuple):
    """A machine, and how it was asked for."""

    text: str
    machine: Machine


class NamedLink(NamedTuple):
    """A link, and how it was asked for."""

    text: str
    link: Link


class Swept(NamedTuple):
    """A network, and where it came from."""

    source: str
    graph: ModelGraph


@dataclass(frozen=True, kw_only=True)
class SweepSpec:
    """What is to be planned: everything with everything."""

    models: tuple[Swept, ...]
    devices: tuple[NamedMachine, ...]
    edges: tuple[NamedMachine, ...]
    links: tuple[NamedLink, ...]
    algorithms: tuple[str, ...] = ("auto",)
    convention: Convention = RUNTIME
    budget: Budget | None = None
    """Of every plan; what its algorithm usually takes without."""

    def points(self) -> Iterator[SweepSpec]:
        """One model on one device, edge server and link each, by all algorithms."""
        for model, device, edge, link in itertools.product(
            self.models, self.devices, self.edges, self.links
        ):
            yield replace(self, models=(model,), devices=(device,), edges=(edge,), links=(link,))

    @property
    def sha256(self) -> str:
        """Digest of all that the rows of a point depend on."""
        models = [(m.source, m.graph.sha256, m.graph.fed_shape) for m in self.models]
        machines = [list(map(msgspec.to_builtins, each)) for each in (self.devices, self.edges)]
        links, code = list(map(msgspec.to_builtins, self.links)), versions()["code"]
        parts = (models, machines, links, self.algorithms, self.convention, self.budget, code)
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


class SweepRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an algorithm has found for a model, or why it has not."""

    model: str
    source: str
    model_sha256: str
    device: str
    edge: str
    link: str
    """Machines and link as they were asked for."""
    convention: str
    algorithm: str
    status: str = ""
    """As of a plan; ``inapplicable`` where the algorithm has nothing to choose in this network."""
    reason: str = ""
    """Why there is no plan; empty where there is one, whose numbers follow."""
    makespan_s: float | None = None
    lower_bound_s: float | None = None
    gap: float | None = None
    family: str | None = None
    start: int | None = None
    tau: int | None = None
    paths: int | None = None
    device_macs: int | None = None
    edge_macs: int | None = None
    up_bytes: int | None = None
    plans: int | None = None
    """How many were looked at."""


class KeptRows(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rows of a point in the file that an interrupted sweep goes on from."""

    point_sha256: str
    rows: tuple[SweepRow, ...]


def kept_rows(path: Path) -> Lines[KeptRows]:
    """Where rows are kept until their sweep is done."""
    return Lines(path, KeptRows)


def compute_sweep(
    spec: SweepSpec,
    *,
    kept: Lines[KeptRows] | None = None,
    on: Executor = Processes(),
    progress: Callable[[int], None] = lambda _: None,
) -> list[SweepRow]:
    """Plan every point; rows are in the order of models, devices, edge servers, links, algorithms.

    Args:
        spec: what to compute.
        kept: rows are added here as they come; what it holds already is not computed again.
        on: where it is computed.
        progress: called with how many points are done, first before anything is computed.

    Raises:
        InputError: there is no such algorithm, or a machine is the profile of another model.
    """
    for model, named in itertools.product(spec.models, (*spec.devices, *spec.edges)):
        if isinstance(named.machine, MachineProfile):
            named.machine.check(model.graph)
    points = {point.sha256: point for point in spec.points()}
    lines = kept.load() if kept is not None else []
    found = {line.point_sha256: line for line in lines if line.point_sha256 in points}
    progress(len(found))
    left = [point for sha256, point in points.items() if sha256 not in found]
    for _, new in on.each(sweep_rows, list(_tasks(left))):
        found |= {line.point_sha256: line for line in new}
        if kept is not None:
            kept.append(new)
        progress(len(found))
    return [row for sha256 in points for row in found[sha256].rows]


def _tasks(points: Iterable[SweepSpec]) -> Iterator[SweepSpec]:
    """Points that differ in nothing but their links, some at a time."""
    alike: dict[tuple[object, ...], list[SweepSpec]] = {}
    for point in points:
        key = (point.models[0].source, point.devices[0].text, point.edges[0].text)
        alike.setdefault(key, []).append(point)
    for several in alike.values():
        for at in range(0, len(several), LINKS_PER_TASK):
            some = several[at : at + LINKS_PER_TASK]
            yield replace(some[0], links=tuple(point.links[0] for point in some))


def sweep_rows(task: SweepSpec) -> list[KeptRows]:
    """The points of a task, which differ in their links."""
    (model,), (device,), (edge,) = task.models, task.devices, task.edges
    base = Timing(
        Setting(
            graph=model.graph,
            device=device.machine,
            edge=edge.machine,
            link=task.links[0].link,
            convention=task.convention,
        )
    )
    return [
        KeptRows(
            point_sha256=point.sha256,
            rows=tuple(_row(point, base.at(point.links[0].link), name) for name in task.algorithms),
        )
        for point in task.points()
    ]


def _row(point: SweepSpec, timing: Timing, algorithm: str) -> SweepRow:
    model, device, edge, link = point.models[0], point.devices[0], point.edges[0], point.links[0]
    asked = SweepRow(
        model=model.graph.name,
        source=model.source,
        model_sha256=model.graph.sha256,
        device=device.text,
        edge=edge.text,
        link=link.text,
        convention=point.convention.name,
        algorithm=algorithm,
    )
    try:
        result = plan_with(timing, PlanRequest(algorithm=algorithm, budget=point.budget))
    except (AlgorithmError, GeometryError, UnsupportedOperatorError) as error:
        return msgspec.structs.replace(asked, status="inapplicable", reason=str(error))
    if not result.plans:
        return msgspec.structs.replace(asked, status=result.status, reason=result.reason)
    plan = result.best
    return msgspec.structs.replace(
        asked,
        status=plan.status,
        makespan_s=plan.makespan_s,
        lower_bound_s=plan.lower_bound_s,
        gap=plan.gap,
        family=plan.family,
        start=plan.start,
        tau=plan.tau,
        paths=len(plan.cuts),
        device_macs=plan.prediction.device_macs,
        edge_macs=plan.prediction.edge_macs,
        up_bytes=plan.prediction.up_bytes,
        plans=plan.provenance.plans_evaluated,
    )
