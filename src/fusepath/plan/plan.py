"""An offload plan: who computes what, in which order. A file that both machines read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar

import msgspec

from fusepath import jsonfile
from fusepath.cost import Compression, Convention, Link, Machine
from fusepath.errors import FileFormatError, FusepathError
from fusepath.plan.limits.check import limit_violations
from fusepath.plan.limits.constraints import Constraints
from fusepath.tiling import Band, Grid, StripTiling, TileSizes, Tiling, check_tileable
from fusepath.timeline import Timeline

if TYPE_CHECKING:
    from pathlib import Path

    from fusepath.graph import ModelGraph

PLAN_VERSION = 1
MAX_PATHS = 4096


class ModelReference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model a plan is for; ``source`` is where the planner found it."""

    name: str
    sha256: str
    source: str
    input_shape: tuple[int, ...]
    """(N, C, H, W); matters for models that leave it open."""


class InputFormat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the input travels, and how a uint8 image becomes the model's float32 input.

    Both machines compute ``(pixel − mean) / std`` per channel in float32, the device before its
    own layers, the edge server for tiles that were sent raw. One value serves all channels.
    """

    dtype: str = "uint8"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (255.0,)

    def __post_init__(self) -> None:
        if self.dtype not in {"uint8", "float32"}:
            raise ValueError(f"input dtype '{self.dtype}' is neither uint8 nor float32")
        if not self.mean or not self.std or 0.0 in self.std:
            raise ValueError("mean and std need at least one value, and std none of zero")


class Segment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A band of rows of the fused layer that is worked through strip by strip.

    ``start`` and ``stop`` are fused rows (0-based, half-open). ``strips`` says for each strip how
    many rows of the input are then released and how many fused rows are done (absolute). Within a
    segment nothing is computed or sent twice. ``cut`` holds for all of its strips.
    """

    start: int
    stop: int
    cut: int
    strips: tuple[tuple[int, int], ...]

    def band(self) -> Band:
        """The rows alone."""
        return Band(start=self.start, stop=self.stop, marks=self.strips)


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fused layer, grid, order and cuts, with the prediction they were chosen by.

    ``order`` lists paths (1-based, row by row in the grid) as the device computes them; ``cuts``
    gives, by path, the first layer (1-based) that runs on the edge server; ``tau + 1`` keeps the
    whole path on the device. One path with ``tau`` equal to the number of layers is the unsplit
    network, which may be cut anywhere.

    ``tile_rows`` and ``tile_cols`` give the rows (columns) of the fused layer that each grid row
    (column) takes; tiles are as equal as can be where they are left out.

    ``constraints`` are those that it was planned under, and keeps to.

    A plan with ``segments`` streams: its paths are strips of rows, numbered segment by segment, and
    its grid is one column of them.
    """

    KIND: ClassVar[str] = "plan"

    format: str = "fusepath-plan"
    version: int = PLAN_VERSION
    fusepath_version: str
    model: ModelReference
    algorithm: str
    convention: Convention
    device: Machine
    edge: Machine
    link: Link
    input: InputFormat
    tau: int
    grid: tuple[int, int]
    tile_rows: tuple[int, ...] = ()
    tile_cols: tuple[int, ...] = ()
    constraints: Constraints = Constraints()
    order: tuple[int, ...]
    cuts: tuple[int, ...]
    segments: tuple[Segment, ...] = ()
    compression: dict[str, Compression] = {}
    """By tensor: how the device encodes it. Tensors that are not here are sent as they are."""
    makespan_s: float
    lower_bound_s: float
    device_macs: int
    edge_macs: int
    up_bytes: int
    plans_evaluated: int
    search_s: float
    timeline: Timeline

    @property
    def gap(self) -> float:
        """(makespan − lower bound) / makespan."""
        return (self.makespan_s - self.lower_bound_s) / self.makespan_s if self.makespan_s else 0.0

    @property
    def status(self) -> str:
        """``optimal`` where the bound proves it for all that the algorithm may choose."""
        return "optimal" if self.lower_bound_s == self.makespan_s else "feasible"

    @property
    def tiles(self) -> Grid:
        """The grid as a value of its own."""
        return Grid(*self.grid)

    @property
    def sizes(self) -> TileSizes | None:
        """Sizes of unequal tiles; None where they are equal.

        Raises:
            GeometryError: a size is missing or below 1.
        """
        if not self.tile_rows and not self.tile_cols:
            return None
        return TileSizes(self.tile_rows, self.tile_cols)

    @property
    def is_whole(self) -> bool:
        """True for a single path, whose maps are never cut spatially."""
        return self.grid == (1, 1) and not self.segments

    @property
    def arrangement(self) -> tuple[object, ...]:
        """Equal for plans that do the same."""
        return (
            *(self.input.dtype, self.tau, self.grid, self.sizes),
            *(self.order, self.cuts, self.segments),
            tuple(sorted((name, item.codec) for name, item in self.compression.items())),
        )

    @property
    def recipe_sha256(self) -> str:
        """Equal for plans that do the same on the same model."""
        return hashlib.sha256(repr((self.model.sha256, self.arrangement)).encode()).hexdigest()

    def strip_tiling(self, graph: ModelGraph) -> StripTiling:
        """The strips of a plan with segments.

        Raises:
            GeometryError: the segments do not fit the fused layer.
        """
        return StripTiling(
            graph,
            self.tau,
            bands=tuple(item.band() for item in self.segments),
            cuts=tuple(item.cut for item in self.segments),
        )

    def check(self, graph: ModelGraph) -> None:
        """Raise unless this plan can be carried out on a model.

        Raises:
            FileFormatError: another version, another model, or numbers that do not fit.
        """
        if self.format != "fusepath-plan" or self.version != PLAN_VERSION:
            raise FileFormatError(
                f"plan: {self.format} version {self.version}; this fusepath reads {PLAN_VERSION}"
            )
        if self.model.sha256 != graph.sha256:
            raise FileFormatError(
                f"the plan is for model '{self.model.name}' ({self.model.sha256[:12]}), not for "
                f"'{graph.name}' ({graph.sha256[:12]}); plan this model"
            )
        self._check_numbers(graph)
        if self.constraints and (wrong := limit_violations(self, graph, self.constraints)):
            raise FileFormatError(f"plan: breaks its own constraints: {wrong[0]}")

    def _check_numbers(self, graph: ModelGraph) -> None:
        paths = self.grid[0] * self.grid[1]
        if not (1 <= self.tau <= graph.depth and min(self.grid) >= 1 and paths <= MAX_PATHS):
            raise FileFormatError(
                f"plan: tau={self.tau} and grid {self.grid[0]}x{self.grid[1]} do not fit a network "
                f"of {graph.depth} layers (at most {MAX_PATHS} paths)"
            )
        if sorted(self.order) != list(range(1, paths + 1)):
            raise FileFormatError(f"plan: 'order' must list each of the {paths} paths once")
        if len(self.cuts) != paths or not all(1 <= cut <= self.tau + 1 for cut in self.cuts):
            raise FileFormatError(
                f"plan: 'cuts' must give each of the {paths} paths a layer from 1 to {self.tau + 1}"
            )
        crossing = {name for cut in self.cuts for name in graph.sent(cut)}
        for name in self.compression:
            if name not in crossing:
                raise FileFormatError(
                    f"plan: 'compression' names {name[:80]!r}, which no cut of this plan sends"
                )
        try:
            if self.segments:
                self._check_segments(graph)
            elif paths > 1 or self.sizes is not None:
                check_tileable(graph, self.tau)
                Tiling(graph, self.tau, self.tiles, self.sizes)
        except FusepathError as error:
            raise FileFormatError(f"plan: {error}") from error

    def _check_segments(self, graph: ModelGraph) -> None:
        strips = self.strip_tiling(graph)
        cuts = tuple(item.cut for item in self.segments for _ in item.strips)
        if self.grid != (strips.paths, 1) or self.cuts != cuts:
            raise FileFormatError(
                f"plan: {strips.paths} strips in segments, but the grid is {self.tiles} and the "
                f"cuts are not those of the segments"
            )
        if self.sizes is not None:
            raise FileFormatError("plan: strips have no tile sizes")
        if self.order != tuple(range(1, strips.paths + 1)):
            raise FileFormatError("plan: strips must come in the order of their segments")


def load_plan(path: str | Path) -> Plan:
    """Read a plan file.

    Raises:
        FileFormatError: it is missing, damaged or no plan.
    """
    return jsonfile.load(path, Plan)


def save_plan(path: str | Path, plan: Plan) -> None:
    """Write a plan file.

    Raises:
        FileFormatError: the file cannot be written.
    """
    jsonfile.save(path, plan)
