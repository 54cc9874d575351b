"""What a page asks: a model, machines, a link, and what is fixed of a tiling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fusepath.cost import RUNTIME, ComputeRate, Link
from fusepath.errors import InputError, SettingError
from fusepath.plan import PlanRequest, Setting
from fusepath.tiling import Grid
from fusepath.units import parse_bytes_per_s, parse_flop_per_s

if TYPE_CHECKING:
    from fusepath.graph import ModelGraph
    from fusepath.plan import Budget

_MOST_TEXT = 64
_MOST_WORKERS = 64
_MOST_TILES = 256


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Quantities as they are written on the command line; no files.

    Raises:
        SettingError: one is no such quantity.
    """

    model: str
    """``zoo:NAME``, or the SHA-256 of a model file that was given."""
    device: str
    """Operations per second, like ``10GFLOPS``."""
    edge: str
    up: str
    """Bytes per second to the edge server, like ``1.8MB/s``."""
    down: str
    workers: int = 1
    """Of the edge server."""
    grid: str | None = None
    """Rows and columns of tiles, like ``2x2``; all that is chosen without."""
    tau: int | None = None
    """The fused layer (1-based)."""

    def __post_init__(self) -> None:
        for name in ("model", "device", "edge", "up", "down", "grid"):
            if len(getattr(self, name) or "") > _MOST_TEXT:
                raise SettingError(f"{name} is longer than {_MOST_TEXT} characters")
        if not 1 <= self.workers <= _MOST_WORKERS:
            raise SettingError(f"workers {self.workers} are not 1 to {_MOST_WORKERS}")
        try:
            for text in (self.device, self.edge):
                parse_flop_per_s(text)
            for text in (self.up, self.down):
                parse_bytes_per_s(text)
            tiles = 1 if self.grid is None else Grid.parse(self.grid).paths
        except InputError as error:
            raise SettingError(str(error)) from error
        if tiles > _MOST_TILES:
            raise SettingError(f"a grid of {self.grid} has more than {_MOST_TILES} tiles")

    @property
    def tiles(self) -> bool:
        """Whether a tiling is asked for."""
        return self.grid is not None or self.tau is not None

    def setting(self, graph: ModelGraph) -> Setting:
        """The network on the machines that are asked about."""
        return Setting(
            graph=graph,
            device=ComputeRate(parse_flop_per_s(self.device)),
            edge=ComputeRate(parse_flop_per_s(self.edge)),
            link=Link(
                up_bytes_per_s=parse_bytes_per_s(self.up),
                down_bytes_per_s=parse_bytes_per_s(self.down),
            ),
            convention=msgspec.structs.replace(RUNTIME, edge_workers=self.workers),
        )

    def request(self, budget: Budget) -> PlanRequest:
        """What a planner is asked: a tiling by MW where some of it is fixed, else all of it."""
        return PlanRequest(
            algorithm="mw" if self.tiles else "auto",
            grid=None if self.grid is None else Grid.parse(self.grid),
            tau=self.tau,
            budget=budget,
        )
