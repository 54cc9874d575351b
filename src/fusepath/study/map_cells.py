"""A gain map computed: every device with every link, in processes, kept as they come."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from fusepath.cost import RUNTIME, ComputeRate, Convention, Link, Machine
from fusepath.errors import VerificationError
from fusepath.plan import (
    Budget,
    ModelReference,
    Plan,
    PlanRequest,
    Setting,
    Timing,
    plan_with,
)
from fusepath.study.executor import Processes
from fusepath.study.gain_map import Cell, Family, GainMap
from fusepath.study.store import Lines, versions
from fusepath.tiling import Strips
from fusepath.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from fusepath.graph import ModelGraph
    from fusepath.profiling.samples import Samples
    from fusepath.study.executor import Executor

LINKS_PER_TASK = 5
"""Links of one device share what its tiles cost; fewer would work that out too often, more would
leave the progress bar standing and lose more to an interruption."""


@dataclass(frozen=True, kw_only=True)
class MapSpec:
    """What a gain map is to show. Rates rise."""

    graph: ModelGraph
    source: str
    """Where the model came from, kept in the map."""
    edge: Machine
    device_ops_per_s: tuple[float, ...]
    link_bytes_per_s: tuple[float, ...]
    convention: Convention = RUNTIME
    budget: Budget | None = None
    """Of every cell; what ``auto`` usually takes without."""
    samples: Samples | None = None
    """What codecs and files are like; all is sent as it is without."""

    @property
    def sha256(self) -> str:
        """Digest of all that a cell depends on besides its own device and link."""
        model = self.graph.sha256, self.graph.input.shape
        code = versions()["fusepath"], versions()["code"]
        edge, samples = msgspec.to_builtins(self.edge), self.samples
        parts = (model, edge, self.convention, self.budget, samples, code)
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()

    def setting(self, device_ops_per_s: float) -> Setting:
        """One device, on the first link."""
        setting = Setting(
            graph=self.graph,
            device=ComputeRate(device_ops_per_s),
            edge=self.edge,
            link=_link(self.link_bytes_per_s[0]),
            convention=self.convention,
        )
        return setting if self.samples is None else self.samples.on(setting)


class KeptCell(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cell in the file that an interrupted map goes on from."""

    spec_sha256: str
    cell: Cell


def kept_cells(path: Path) -> Lines[KeptCell]:
    """Where cells are kept until their map is done."""
    return Lines(path, KeptCell)


def compute_map(
    spec: MapSpec,
    *,
    kept: Lines[KeptCell] | None = None,
    on: Executor = Processes(),
    progress: Callable[[int, int], None] | None = None,
) -> GainMap:
    """Plan for every device on every link.

    Args:
        spec: what to compute.
        kept: cells are added here as they come; whatever it holds of this specification already
            is not computed again.
        on: where it is computed.
        progress: called with (cells done, cells in all), first before anything is computed.

    Raises:
        InputError: the network takes no time at all, so that there is nothing to gain.
        InfeasibleError: a best plan has more paths than machines take.
        VerificationError: times that contradict each other; a defect.
    """
    sha256 = spec.sha256
    lines = kept.load() if kept is not None else []
    cells = {_place(item.cell): item.cell for item in lines if item.spec_sha256 == sha256}
    places = [(device, link) for device in spec.device_ops_per_s for link in spec.link_bytes_per_s]
    todo = [place for place in places if place not in cells]
    if progress is not None:
        progress(len(places) - len(todo), len(places))
    for _, found in on.each(map_cells, list(_tasks(spec, todo))):
        cells |= {_place(cell): cell for cell in found}
        if kept is not None:
            kept.append(KeptCell(spec_sha256=sha256, cell=cell) for cell in found)
        if progress is not None:
            progress(sum(place in cells for place in places), len(places))
    return GainMap(
        fusepath_version=VERSION,
        model=ModelReference(
            name=spec.graph.name,
            sha256=spec.graph.sha256,
            source=spec.source,
            input_shape=spec.graph.fed_shape,
        ),
        convention=spec.convention,
        edge=spec.edge,
        device_ops_per_s=spec.device_ops_per_s,
        link_bytes_per_s=spec.link_bytes_per_s,
        cells=tuple(cells[place] for place in places),
    )


def map_cells(task: MapSpec) -> list[Cell]:
    """The cells of a task, which has one device."""
    (device_ops_per_s,) = task.device_ops_per_s
    base = task.setting(device_ops_per_s)
    timing = Timing(base)
    return [
        map_cell(timing.at(_link(rate)), device_ops_per_s, task.budget)
        for rate in task.link_bytes_per_s
    ]


def map_cell(timing: Timing, device_ops_per_s: float, budget: Budget | None = None) -> Cell:
    """One device on one link."""
    setting = timing.setting
    plans = {
        name: plan_with(timing, PlanRequest(algorithm=name, budget=budget)).best
        for name in ("device-only", "full-offload", "nfl", "auto")
    }
    times = {name: plan.makespan_s for name, plan in plans.items()}
    best = plans["auto"]
    setting.check_takes_time(best.makespan_s)
    ends_s = min(times["device-only"], times["full-offload"])
    rising = (best.lower_bound_s, times["auto"], times["nfl"], ends_s)
    if list(rising) != sorted(rising):
        raise VerificationError(
            f"{setting.graph.name}, {setting.link.describe()}: bound, auto, NFL and its ends are "
            f"{rising} s, which must rise"
        )
    return Cell(
        device_ops_per_s=device_ops_per_s,
        link_bytes_per_s=setting.link.up_bytes_per_s,
        device_only_s=times["device-only"],
        full_offload_s=times["full-offload"],
        nfl_s=times["nfl"],
        auto_s=times["auto"],
        lower_bound_s=best.lower_bound_s,
        winner=family_of(best, plans["nfl"]),
    )


def family_of(best: Plan, nfl: Plan) -> Family:
    """What kind of plan the best one is.

    One tile is a tile: it can be faster than NFL because it leaves out pixels that nothing reads.
    """
    if best.recipe.forwards:
        return Family.FORWARD
    if isinstance(best.arrangement, Strips):
        segments = len(best.arrangement.segments)
        return Family.STREAMED_CUT if segments == 1 else Family.STREAM
    if best.makespan_s < nfl.makespan_s:
        return Family.TILES
    (cut,) = nfl.cuts
    if cut == 1:
        return Family.FULL_OFFLOAD
    return Family.DEVICE_ONLY if cut > nfl.tau else Family.SPLIT


def _tasks(spec: MapSpec, places: Iterable[tuple[float, float]]) -> Iterator[MapSpec]:
    links: dict[float, list[float]] = {}
    for device, link in places:
        links.setdefault(device, []).append(link)
    for device, rates in links.items():
        for at in range(0, len(rates), LINKS_PER_TASK):
            yield replace(
                spec,
                device_ops_per_s=(device,),
                link_bytes_per_s=tuple(rates[at : at + LINKS_PER_TASK]),
            )


def _place(cell: Cell) -> tuple[float, float]:
    return cell.device_ops_per_s, cell.link_bytes_per_s


def _link(bytes_per_s: float) -> Link:
    return Link(up_bytes_per_s=bytes_per_s, down_bytes_per_s=bytes_per_s)
