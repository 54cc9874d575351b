"""Fig. 4 computed: every network, rate, algorithm and convention of a specification."""

from __future__ import annotations

import platform
import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from fusepath.cost import ComputeRate, Convention, Link, cut_bytes, layer_ops, named_convention
from fusepath.errors import VerificationError
from fusepath.onnx_io import load_model
from fusepath.plan import ALGORITHMS, PlanRequest, Search, Setting, Timing
from fusepath.schedule import play, violations
from fusepath.study.executor import Processes
from fusepath.study.link_bound import shared_link_bound_ns
from fusepath.study.published import published
from fusepath.study.spec import LAST_TAU, RATES_MB_PER_S, Fig4Spec, Network
from fusepath.study.store import Record, Result, Store, versions
from fusepath.tiling import Grid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fusepath.graph import ModelGraph
    from fusepath.plan import Candidate
    from fusepath.study.executor import Executor

_SEARCHES = {
    "nfl": PlanRequest(algorithm="nfl"),
    "bf-2x2": PlanRequest(algorithm="bf", grid=Grid(2, 2)),
    "mw-2x2": PlanRequest(algorithm="mw", grid=Grid(2, 2)),
    "mw-kxk": PlanRequest(algorithm="mw"),
    LAST_TAU: PlanRequest(algorithm="mw"),
}
_REPLAYED_PATHS = 4096
"""Larger plans are checked by the rules, but not played out event by event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One network under one convention, at the rates that are not done yet."""

    network: Network
    convention: Convention
    granted: bool
    rates_mb_per_s: tuple[float, ...]
    device_ops_per_s: float
    edge_ops_per_s: float
    spec_sha256: str
    versions: dict[str, str]
    """Of the process that hands out the tasks, so that all records of a run agree."""

    def __str__(self) -> str:
        extra = ", NFL granted" if self.granted else ""
        return f"{self.network.name}, {self.convention.name}{extra}"


def tasks(spec: Fig4Spec, done: Sequence[Record] = ()) -> list[Task]:
    """What is left to do, costly networks first so that all cores end together."""
    finished = {record.key for record in done}
    wanted = [(network, name, False) for name in spec.conventions for network in spec.networks]
    wanted += [
        (network, name, True)
        for name in spec.granted_conventions
        if name in spec.conventions
        for network in spec.networks
        if network.granted
    ]
    left = []
    for network, name, granted in wanted:
        convention = named_convention(name)
        rates = tuple(
            rate
            for rate in spec.rates_mb_per_s
            if _key(spec, network, convention, granted, rate) not in finished
        )
        if rates:
            left.append(
                Task(
                    network=network,
                    convention=convention,
                    granted=granted,
                    rates_mb_per_s=rates,
                    device_ops_per_s=spec.device_ops_per_s,
                    edge_ops_per_s=spec.edge_ops_per_s,
                    spec_sha256=spec.sha256,
                    versions=versions(),
                )
            )
    order = {network.name: at for at, network in enumerate(spec.networks)}
    return sorted(left, key=lambda task: -order[task.network.name])


def _key(
    spec: Fig4Spec, network: Network, convention: Convention, granted: bool, rate: float
) -> tuple[object, ...]:
    return (
        network.source,
        convention,
        granted,
        spec.device_ops_per_s,
        spec.edge_ops_per_s,
        rate,
        versions()["fusepath"],
        versions()["code"],
    )


def compute(
    spec: Fig4Spec,
    store: Store,
    *,
    on: Executor = Processes(),
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Record]:
    """All records of a specification, computed where the store does not hold them.

    Args:
        spec: what to compute.
        store: where records are kept; whatever it holds already is not computed again.
        on: where it is computed.
        progress: called with (points done, points in all, what was done last).

    Raises:
        VerificationError: a plan broke a rule; a defect.
    """
    kept = {record.key: record for record in store.load()}
    left = tasks(spec, list(kept.values()))
    todo = sum(len(task.rates_mb_per_s) for task in left)
    done = 0
    for task, records in on.each(run_task, left):
        store.append(records)
        kept |= {record.key: record for record in records}
        done += len(records)
        if progress is not None:
            progress(done, todo, str(task))
    return [kept[key] for key in _keys(spec)]


def _keys(spec: Fig4Spec) -> Iterator[tuple[object, ...]]:
    for task in reversed(tasks(spec)):
        for rate in task.rates_mb_per_s:
            yield _key(spec, task.network, task.convention, task.granted, rate)


@lru_cache(maxsize=16)
def graph_of(source: str) -> ModelGraph:
    """The graph of a model; building a zoo network's weights takes a second, so it is kept."""
    return load_model(source).graph


def run_task(task: Task) -> list[Record]:
    """Plan at every rate of a task; the geometry is worked out once for all of them."""
    graph = graph_of(task.network.source)
    scale = ops_scale(task, graph) if task.granted else 1.0
    setting = Setting(
        graph=graph,
        device=ComputeRate(task.device_ops_per_s / scale),
        edge=ComputeRate(task.edge_ops_per_s / scale),
        link=_link(task.rates_mb_per_s[0]),
        convention=task.convention,
    )
    base = Timing(setting)
    records = []
    last: dict[str, Result] = {}
    for rate in task.rates_mb_per_s:
        started_s = time.perf_counter()
        timing = base.at(_link(rate))
        results = tuple(_result(name, timing, last.get(name)) for name in _SEARCHES)
        last = {result.algorithm: result for result in results}
        _check_order(task, rate, last)
        records.append(
            Record(
                figure="fig4",
                network=task.network.name,
                source=task.network.source,
                model_sha256=graph.sha256,
                convention=task.convention,
                granted=task.granted,
                ops_scale=scale,
                device_ops_per_s=task.device_ops_per_s,
                edge_ops_per_s=task.edge_ops_per_s,
                rate_mb_per_s=rate,
                results=results,
                ops=whole_ops(graph, task.convention),
                input_bytes=cut_bytes(graph, 1, task.convention),
                shared_link_bound_ns=shared_link_bound_ns(
                    graph,
                    device_ops_per_s=task.device_ops_per_s / scale,
                    bytes_per_s=rate * 1e6,
                ),
                spec_sha256=task.spec_sha256,
                versions=task.versions,
                machine=platform.machine(),
                seconds=round(time.perf_counter() - started_s, 3),
            )
        )
    return records


def ops_scale(task: Task, graph: ModelGraph) -> float:
    """How many operations an operation of the convention must stand for to give published NFL.

    Full offload takes ``image bytes / rate + scale · operations / f_ES``. The first term has no
    free parameter; the scale is the mean over the published points of the NFL curve, end points
    where there are any.
    """
    curve = published().curve(task.network.published, "nfl")
    points = [p for p in curve if p.rate_mb_per_s is not None] or list(curve)
    sent = cut_bytes(graph, 1, task.convention)
    ops = whole_ops(graph, task.convention)
    rates = RATES_MB_PER_S
    scales = []
    for point in points:
        inverse = (
            1 / point.rate_mb_per_s
            if point.rate_mb_per_s is not None
            else sum(1 / rate for rate in rates) / len(rates)
        )
        computing_s = point.time_ms / 1e3 - sent * inverse / 1e6
        scales.append(computing_s * task.edge_ops_per_s / ops)
    return sum(scales) / len(scales)


def whole_ops(graph: ModelGraph, convention: Convention) -> int:
    """Operations of the unsplit network under a convention."""
    return sum(layer_ops(graph, index, convention) for index in range(1, graph.depth + 1))


def _link(rate_mb_per_s: float) -> Link:
    rate = rate_mb_per_s * 1e6
    return Link(up_bytes_per_s=rate, down_bytes_per_s=rate)


def _result(name: str, timing: Timing, last: Result | None) -> Result:
    """Plan with one algorithm; what was best at the last rate is tried first."""
    search = Search(_SEARCHES[name])
    algorithm = ALGORITHMS[search.request.algorithm]
    if name == LAST_TAU:
        search = search.asking(tau=timing.setting.graph.tileable_layers)
    if last is not None and algorithm.tiles:
        search = replace(search, first=(last.tau, Grid(*last.grid)))
    found = algorithm.search(timing, search)
    _check(name, timing, found)
    return Result(
        algorithm=name,
        makespan_ns=found.schedule.makespan_ns,
        lower_bound_ns=found.lower_bound_ns,
        tau=found.tau,
        grid=(found.grid.rows, found.grid.cols),
        cuts=dict(sorted(Counter(found.schedule.cuts).items())),
    )


def _check(name: str, timing: Timing, found: Candidate) -> None:
    """Hold a plan against the rules, and against an engine that shares no code with planning."""
    setting = timing.setting
    problem = timing.problem_of(found.arrangement)
    wrong = violations(problem, found.schedule)
    if not wrong and problem.paths <= _REPLAYED_PATHS:
        end_s = play(problem, found.schedule.order, found.schedule.cuts).end_s
        if abs(end_s * 1e9 - found.schedule.makespan_ns) > 1:
            wrong = [f"played out it takes {end_s} s, not {found.schedule.makespan_ns} ns"]
    if wrong:
        raise VerificationError(
            f"{name} on {setting.graph.name}, {setting.convention.name}, "
            f"{setting.link.describe()}: {wrong[0]}"
        )


def _check_order(task: Task, rate: float, found: dict[str, Result]) -> None:
    bound = found["mw-2x2"].lower_bound_ns
    times = (bound, found["bf-2x2"].makespan_ns, found["mw-2x2"].makespan_ns)
    if list(times) != sorted(times):
        raise VerificationError(f"{task} at {rate} MB/s: bound, BF, MW in ns are {times}")
