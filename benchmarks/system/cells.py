"""What is measured: every network, link rate and device speed, and the plans of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fusepath.errors import NoPlanError, UnsupportedOperatorError
from fusepath.plan import Origin, PlanRequest, make_plan
from fusepath.tiling import Grid

if TYPE_CHECKING:
    from fusepath.plan import Plan, Setting

NETWORKS = ("squeezenet", "alexnet", "tiny-yolov2", "resnet18")
RATES_MB_PER_S = (1.1, 1.8, 3.0, 12.0)
SLOWDOWNS = (5.0, 20.0)
REPEATS = 7
PEERS = ("plain_offload", "neurosurgeon", "deepthings")

DEVICE_ONLY, RAW, FLOATS, NFL, AUTO = "device only", "full uint8", "full float32", "NFL", "auto"
CODED_NFL, PLAIN_AUTO = "NFL, codecs", "auto, no codecs"
SERIAL = "no overlap"
PEER_LABELS = {
    "plain_offload": "peer: plain gRPC",
    "neurosurgeon": "peer: Neurosurgeon",
    "deepthings": "peer: DeepThings 3x3",
    "forward_file": "peer: file over gRPC",
    "lossless_webp": "peer: lossless WebP",
}
ALGORITHMS: dict[str, tuple[str, Grid | None]] = {
    DEVICE_ONLY: ("device-only", None),
    RAW: ("full-offload", None),
    NFL: ("nfl", None),
    "MW 2x2": ("mw", Grid(2, 2)),
    "MW 8x8": ("mw", Grid(8, 8)),
    "MW k x k": ("mw", None),
    "BF 2x2": ("bf", Grid(2, 2)),
    "exact 2x2": ("exact", Grid(2, 2)),
    "JPS": ("jps", None),
    "PSO-MW": ("psomw", None),
    "streamed cut": ("streamed-cut", None),
    "stream": ("stream", None),
}
ORDER = (
    DEVICE_ONLY,
    FLOATS,
    *list(ALGORITHMS)[1:],
    CODED_NFL,
    PLAIN_AUTO,
    AUTO,
    SERIAL,
    *PEER_LABELS.values(),
)
"""In which order tables and figures name what was run."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One network on one device over one link."""

    network: str
    slowdown: float
    rate_mb_per_s: float

    @property
    def rate_bytes_per_s(self) -> float:
        """Goodput of the link."""
        return self.rate_mb_per_s * 1e6

    def __str__(self) -> str:
        return f"{self.network}, {self.slowdown:g}x, {self.rate_mb_per_s:g} MB/s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A plan to be run, with or without overlap."""

    name: str
    plan: Plan
    serial_of: str = ""
    """Without overlap: the entry whose plan this is."""

    @property
    def overlaps(self) -> bool:
        """Whether device, link and edge server work at the same time."""
        return not self.serial_of

    @property
    def does(self) -> tuple[object, ...]:
        """Entries of which this is equal do the same."""
        return self.plan.recipe_sha256, self.overlaps


def entries(raw: Setting, floats: Setting, *, source: str) -> list[Entry]:
    """All plans of a cell that need no rehearsal to be chosen, in the order of the tables.

    Args:
        raw: machines, link and network for a picture that travels as uint8.
        floats: the same for one that travels as float32.
        source: where the model comes from.
    """
    origin = Origin(source=source)
    offload = PlanRequest(algorithm="full-offload")
    found = [Entry(name=FLOATS, plan=make_plan(floats, offload, origin).best)]
    for name, (algorithm, grid) in ALGORITHMS.items():
        try:
            plan = make_plan(raw, PlanRequest(algorithm=algorithm, grid=grid), origin).best
        except (NoPlanError, UnsupportedOperatorError):
            continue  # this network cannot be tiled so
        found.append(Entry(name=name, plan=plan))
    tiled = [entry for entry in found if entry.plan.arrangement.is_split]
    if tiled:
        best = min(tiled, key=lambda entry: entry.plan.makespan_s)
        found.append(replace(best, name=SERIAL, serial_of=best.name))
    return sorted(found, key=lambda entry: ORDER.index(entry.name))
