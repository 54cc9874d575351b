"""Readings of the paper: each thing that it leaves open taken either way, all at once.

The conventions of the study are a few of them, each thought through. Here every combination is
tried on the published curves. Eq. 4 adds to a path's computing its transmission and waits for
nobody, so to the letter the device is not serialised either, and Fig. 3 contradicts it; so that is
open as well.

With hundreds of readings some come close by chance. How many were tried stands beside each.
"""

from __future__ import annotations

import heapq
import itertools
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import msgspec

from fusepath import jsonfile
from fusepath.cost import TABLE1, ComputeRate, Link, Regions
from fusepath.onnx_io import load_model
from fusepath.plan import ALGORITHMS, PlanRequest, Search, Setting, Timing, best_single_cut
from fusepath.study.link_bound import shared_link_bound_ns
from fusepath.study.published import published
from fusepath.study.spec import RATES_MB_PER_S, Fig4Spec
from fusepath.study.torchvision import torchvision_alexnet
from fusepath.tiling import Grid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from fusepath.graph import ModelGraph
    from fusepath.schedule import Problem
    from fusepath.study.published import PublishedPoint

_MOST_TILES, _MOST_WITH_HALOS = 13, 6
"""Rows of tiles up to which k is tried: the size of the maps before and behind the last poolings of
AlexNet. With halos, more tiles cost more; the study has all of them."""
_NS_PER_MS = 1e6
_MIDDLES_MB_PER_S = (1.3, 1.8, 2.3, 2.8)
"""Of each five of the twenty rates the middle one: their mean stands for that of all."""


class Machines(StrEnum):
    """Who waits for whom."""

    SERIAL = "one device, one link, one worker"
    UNSERIALISED = "one link, one worker, the device not serialised"
    NOBODY_WAITS = "nothing serialised: Eq. 4 to the letter"


class Version(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network that the paper's name may stand for."""

    name: str
    published: str


VERSIONS = (
    Version(name="alexnet-224", published="AlexNet"),
    Version(name="alexnet-227", published="AlexNet"),
    Version(name="alexnet-torchvision-224", published="AlexNet"),
    Version(name="squeezenet-224", published="SqueezeNet"),
    Version(name="squeezenet-1.1-224", published="SqueezeNet"),
    Version(name="yolov2-320", published="YOLOv2"),
    Version(name="tiny-yolov2-320", published="YOLOv2"),
)


@cache
def _graph(name: str) -> ModelGraph:
    if name.startswith("alexnet-torchvision"):
        return torchvision_alexnet()
    network, _, size = name.rpartition("-")
    return load_model(f"zoo:{network.replace('-1.1', '1_1')}?size={size}").graph


class Reading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One choice of everything that is open."""

    version: str
    ops_per_mac: int
    activation_bytes: int
    halos: bool
    dense_free: bool
    """Fully connected layers, and others that need whole maps, take no time."""
    machines: Machines
    last_tau: bool = False
    """Of MW (k×k): the fused layer is the last one that can be tiled."""

    def setting(self, bytes_per_s: float) -> Setting:
        """The machines of Table I under it."""
        spec = Fig4Spec()
        convention = msgspec.structs.replace(
            TABLE1,
            name="reading",
            ops_per_mac=self.ops_per_mac,
            activation_bytes_per_element=self.activation_bytes,
            regions=Regions.NEEDED if self.halos else Regions.SHARE,
            counts_untileable=not self.dense_free,
        )
        return Setting(
            graph=_graph(self.version),
            device=ComputeRate(spec.device_ops_per_s),
            edge=ComputeRate(spec.edge_ops_per_s),
            link=Link(up_bytes_per_s=bytes_per_s, down_bytes_per_s=bytes_per_s),
            convention=convention,
        )


class ReadCurve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A published curve under a reading."""

    published: str
    algorithm: str
    reading: Reading
    ours_ms: tuple[float, ...]
    """At the published points, in their order."""

    @property
    def error(self) -> float:
        """Mean of the absolute relative errors."""
        points = points_of(self.published, self.algorithm)
        errors = [
            abs(ours / point.time_ms - 1) for ours, point in zip(self.ours_ms, points, strict=True)
        ]
        return sum(errors) / len(errors)


class VersionBound(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What no plan over one link beats, with one version of a network."""

    version: str
    bounds_ms: tuple[float, ...]
    """At the published points of MW (k×k), in their order."""


class Readings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that was tried, the closest of it, and bounds by version."""

    KIND: ClassVar[str] = "readings"

    tried: dict[str, int]
    """By curve, ``AlexNet nfl``."""
    closest: tuple[ReadCurve, ...]
    """Of every curve some, ranked."""
    bounds: tuple[VersionBound, ...]


def points_of(network: str, algorithm: str) -> tuple[PublishedPoint, ...]:
    """End points of a published curve; the mean where there is nothing else."""
    curve = published().curve(network, algorithm)
    ends = tuple(point for point in curve if point.rate_mb_per_s is not None)
    return ends or curve


def compute_readings(keep: int = 3, progress: Callable[[str], None] | None = None) -> Readings:
    """Every reading of every curve; takes some minutes.

    Args:
        keep: how many of the closest are kept of each curve.
        progress: called with the version that is next.
    """
    found: list[ReadCurve] = []
    for version in VERSIONS:
        if progress is not None:
            progress(version.name)
        found += curves_of(version)
    return ranked_readings(found, keep=keep)


def ranked_readings(found: Sequence[ReadCurve], *, keep: int) -> Readings:
    """The closest of all curves that were tried; of those that come to the same, one."""
    groups: dict[str, list[ReadCurve]] = {}
    for curve in found:
        groups.setdefault(f"{curve.published} {curve.algorithm}", []).append(curve)
    closest: list[ReadCurve] = []
    for same in groups.values():
        unlike = {curve.ours_ms: curve for curve in reversed(same)}
        closest += sorted(unlike.values(), key=lambda curve: curve.error)[:keep]
    return Readings(
        tried={name: len(same) for name, same in groups.items()},
        closest=tuple(closest),
        bounds=tuple(map(_bound_of, VERSIONS)),
    )


def curves_of(version: Version) -> Iterator[ReadCurve]:
    """All curves of a version of a network, under all readings."""
    for ops, size, halos, free, machines in itertools.product(
        (1, 2), (1, 4), (True, False), (False, True), Machines
    ):
        reading = Reading(
            version=version.name,
            ops_per_mac=ops,
            activation_bytes=size,
            halos=halos,
            dense_free=free,
            machines=machines,
        )
        for algorithm in ("nfl", "bf-2x2", "mw-2x2", "mw-kxk"):
            if not points_of(version.published, algorithm):
                continue
            if not _means_something(reading, algorithm):
                continue
            for last_tau in (False, True) if algorithm == "mw-kxk" else (False,):
                one = msgspec.structs.replace(reading, last_tau=last_tau)
                yield curve_of(version.published, algorithm, one)


def curve_of(network: str, algorithm: str, reading: Reading) -> ReadCurve:
    """A published curve under a reading.

    Args:
        network: the paper's name.
        algorithm: a key of `LABELS`.
        reading: of a version of that network.
    """
    timing = Timing(reading.setting(1e6))
    return ReadCurve(
        published=network,
        algorithm=algorithm,
        reading=reading,
        ours_ms=tuple(
            _at_ms(timing, point, algorithm, reading.machines, last_tau=reading.last_tau)
            for point in points_of(network, algorithm)
        ),
    )


def _means_something(reading: Reading, algorithm: str) -> bool:
    """Whether a flag that is not its usual value changes anything; else it was tried before."""
    if algorithm == "nfl":  # one path: no halo, and nobody to wait for
        return reading.halos and reading.machines is Machines.SERIAL
    # All orders and cuts are gone through for machines that the planner knows, and for none.
    return algorithm != "bf-2x2" or reading.machines is not Machines.UNSERIALISED


def _at_ms(
    timing: Timing,
    point: PublishedPoint,
    algorithm: str,
    machines: Machines,
    *,
    last_tau: bool,
) -> float:
    rates = _MIDDLES_MB_PER_S if point.rate_mb_per_s is None else (point.rate_mb_per_s,)
    times = []
    for rate in rates:
        at = timing.at(Link(up_bytes_per_s=rate * 1e6, down_bytes_per_s=rate * 1e6))
        times.append(_at_rate_ns(at, algorithm, machines, last_tau=last_tau))
    return sum(times) / len(times) / _NS_PER_MS


def _at_rate_ns(at: Timing, algorithm: str, machines: Machines, *, last_tau: bool) -> int:
    if algorithm == "nfl":
        return best_single_cut(at.whole_problem()).makespan_ns
    if algorithm == "bf-2x2" and machines is Machines.SERIAL:
        search = Search(PlanRequest(algorithm="bf", grid=Grid(2, 2)))
        return ALGORITHMS["bf"].search(at, search).schedule.makespan_ns
    times = []
    for tau, rows in _tilings(at.setting, algorithm, last_tau=last_tau):
        problem = at.problem(tau, Grid(rows, rows)).restricted(tau)
        if algorithm == "bf-2x2":
            times.append(_alone_ns(problem))
        else:
            times.append(literal_ns(problem, *chosen(problem, machines), machines))
    return min(times)


def _tilings(setting: Setting, algorithm: str, *, last_tau: bool) -> Iterator[tuple[int, int]]:
    """(τ, k): 2×2 and k×k at every fused layer, or at the last one alone."""
    graph, last = setting.graph, setting.graph.tileable_layers
    shares = setting.convention.regions is Regions.SHARE
    most = _MOST_TILES if shares else _MOST_WITH_HALOS
    for tau in range(last if last_tau else 1, last + 1):
        side = min(graph.tensors[name].size(0) for name in graph.frontier(tau))
        if algorithm == "mw-kxk":
            yield from ((tau, k) for k in range(1, min(side, most) + 1))
        elif side >= 2:
            yield tau, 2


def _alone_ns(problem: Problem) -> int:
    """The best of all orders and cuts where no path waits for another: each takes its best cut."""
    alone = (problem.device_ns + problem.link_ns + problem.edge_ns).min(axis=1)
    return int(alone[list(problem.class_of)].max()) + problem.tail_ns


def chosen(problem: Problem, machines: Machines) -> tuple[list[int], list[int]]:
    """Order and cuts (1-based, by path) by Algorithm 1, where those may wait that do.

    First comes the path that is sent soonest. Then always the path and cut whose computing ends
    closest to the end of the transmission before it; of those as close, the one with most layers
    before the cut, and of these the lowest path.
    """
    device, link, _ = problem.times
    waiting = [list(reversed(group)) for group in problem.members]
    cuts, order = [0] * problem.paths, []
    clock = sent = 0
    for step in range(problem.paths):
        options = (
            (kind, at, left[-1])
            for kind, left in enumerate(waiting)
            if left
            for at in range(problem.cuts)
        )
        if step == 0:
            kind, at, path = min(
                options,
                key=lambda one: (
                    device[one[0]][one[1]] + link[one[0]][one[1]],
                    device[one[0]][one[1]],
                    one[2],
                ),
            )
        else:
            wanted = sent - clock
            kind, at, path = min(
                options,
                key=lambda one: (abs(device[one[0]][one[1]] - wanted), -one[1], one[2]),
            )
        waiting[kind].pop()
        order.append(path)
        cuts[path] = at + 1
        ready = clock + device[kind][at]
        begun = ready if machines is Machines.NOBODY_WAITS else max(ready, sent)
        sent = begun + link[kind][at]
        clock = ready if machines is Machines.SERIAL else 0
    return order, cuts


def literal_ns(
    problem: Problem, order: Sequence[int], cuts: Sequence[int], machines: Machines
) -> int:
    """When all paths have come together and the tail is done.

    Args:
        problem: the times.
        order: paths (0-based) as the device takes them.
        cuts: by path, 1-based.
        machines: who waits for whom.
    """
    device, link, edge = problem.times
    ready: list[tuple[int, int, int, int]] = []
    clock = 0
    for path in order:
        kind, at = problem.class_of[path], cuts[path] - 1
        clock = clock + device[kind][at] if machines is Machines.SERIAL else device[kind][at]
        ready.append((clock, len(ready), kind, at))
    if machines is Machines.NOBODY_WAITS:
        ends = [done + link[kind][at] + edge[kind][at] for done, _, kind, at in ready]
        return max(ends) + problem.tail_ns
    heapq.heapify(ready)
    sent = served = 0
    while ready:
        done, _, kind, at = heapq.heappop(ready)
        sent = max(sent, done) + link[kind][at]
        served = max(served, sent) + edge[kind][at]
    return served + problem.tail_ns


def _bound_of(version: Version) -> VersionBound:
    graph, spec = _graph(version.name), Fig4Spec()
    bounds = []
    for point in published().curve(version.published, "mw-kxk"):
        rates = RATES_MB_PER_S if point.rate_mb_per_s is None else (point.rate_mb_per_s,)
        times = [
            shared_link_bound_ns(
                graph, device_ops_per_s=spec.device_ops_per_s, bytes_per_s=rate * 1e6
            )
            for rate in rates
        ]
        bounds.append(sum(times) / len(times) / _NS_PER_MS)
    return VersionBound(version=version.name, bounds_ms=tuple(bounds))


def load_readings(path: str | Path) -> Readings:
    """Read what `save_readings` has written.

    Raises:
        FileFormatError: it is something else.
    """
    return jsonfile.load(path, Readings)


def save_readings(path: str | Path, readings: Readings) -> None:
    """Write readings as a file.

    Raises:
        OutputError: it cannot be written.
    """
    jsonfile.save(path, readings)
