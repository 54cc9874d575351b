"""A grid of fused-layer paths over the first layers of a network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fusepath.errors import GeometryError, UnsupportedOperatorError
from fusepath.tiling.aligned import aligned_regions
from fusepath.tiling.interval import Box, Interval, Intervals
from fusepath.tiling.reach import needed_regions
from fusepath.tiling.sizes import TileSizes, ends_of, even_sizes, scaled_intervals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.graph import ModelGraph


@dataclass(frozen=True, slots=True, order=True)
class Grid:
    """Rows × columns of tiles."""

    rows: int
    cols: int

    def __post_init__(self) -> None:
        if min(self.rows, self.cols) < 1:
            raise GeometryError(f"grid {self}: rows and columns must be at least 1")

    @classmethod
    def parse(cls, text: str) -> Grid:
        """Read ``2x3`` (rows × columns).

        Raises:
            GeometryError: anything else.
        """
        match = re.fullmatch(r"(\d{1,4})[x×](\d{1,4})", text.strip())
        if match is None:
            raise GeometryError(f"grid '{text}' is not ROWSxCOLUMNS; write it like 2x2")
        return cls(int(match[1]), int(match[2]))

    @property
    def paths(self) -> int:
        """Number of tiles."""
        return self.rows * self.cols

    def __str__(self) -> str:
        return f"{self.rows}x{self.cols}"


@dataclass(frozen=True)
class Tiling:
    """The paths of a grid at fused layer ``tau``: what each needs of every earlier map.

    Paths are numbered row by row from 0. Rows and columns are independent, so regions are kept
    per axis: one interval per grid row and one per grid column.
    """

    graph: ModelGraph
    tau: int
    grid: Grid
    given: TileSizes | None = None
    """Rows and columns of the fused layer by grid row and column; as equal as can be without."""

    def __post_init__(self) -> None:
        check_tileable(self.graph, self.tau)
        if self.given is not None:
            self._check_sizes(self.given)
        for axis, parts in enumerate((self.grid.rows, self.grid.cols)):
            size = self.graph.fused_size(self.tau, axis)
            if parts > size:
                what = "rows" if axis == 0 else "columns"
                raise GeometryError(
                    f"grid {self.grid}: the fused layer at tau={self.tau} has only {size} {what}; "
                    f"use a smaller grid or a smaller tau"
                )

    def _check_sizes(self, sizes: TileSizes) -> None:
        if sizes.grid != (self.grid.rows, self.grid.cols):
            raise GeometryError(f"tile sizes {sizes} do not make a grid of {self.grid}")
        for axis, what in enumerate(("rows", "columns")):
            size = self.graph.fused_size(self.tau, axis)
            if sum(sizes.along(axis)) != size:
                raise GeometryError(
                    f"tile sizes {sizes}: they add up to {sum(sizes.along(axis))} {what}, but the "
                    f"fused layer at tau={self.tau} has {size}"
                )

    @property
    def paths(self) -> int:
        """Number of paths."""
        return self.grid.paths

    @cached_property
    def sizes(self) -> TileSizes:
        """Rows and columns of the fused layer's smallest map, by grid row and column."""
        height, width = (self.graph.fused_size(self.tau, axis) for axis in (0, 1))
        even = TileSizes(even_sizes(height, self.grid.rows), even_sizes(width, self.grid.cols))
        return self.given or even

    @cached_property
    def needed(self) -> tuple[Mapping[str, Intervals], Mapping[str, Intervals]]:
        """Per axis, per map: the part that each grid row (column) needs."""
        rows, cols = (
            needed_regions(
                self.graph,
                self.tau,
                {name: self._shares(name, axis) for name in self.graph.frontier(self.tau)},
                axis=axis,
            )
            for axis in (0, 1)
        )
        return rows, cols

    def _shares(self, name: str, axis: int) -> Intervals:
        """Parts of a map of the fused layer, one per grid row (column)."""
        size = self.graph.tensors[name].size(axis)
        fused = self.graph.fused_size(self.tau, axis)
        return scaled_intervals(ends_of(self.sizes.along(axis)), fused, size)

    def region(self, path: int, tensor: str) -> Box:
        """What the path needs of a map.

        Of a map of the fused layer that is the path's own share, and more only where layers of
        the prefix read the map as well (a skipped branch).
        """
        rows, cols = self.needed
        return self._box(path, rows[tensor], cols[tensor])

    def share(self, path: int, tensor: str) -> Box:
        """The path's part of a map in proportion to its part of the fused layer, without a halo."""
        return self._box(path, self._shares(tensor, 0), self._shares(tensor, 1))

    def session_regions(self, path: int, first: int, last: int) -> dict[str, Box]:
        """What a session over layers ``first … last`` reads and computes for the path."""
        rows, cols = self._aligned(first, last)
        return {name: self._box(path, rows[name], cols[name]) for name in rows}

    def _aligned(self, first: int, last: int) -> tuple[dict[str, Intervals], dict[str, Intervals]]:
        key = (first, last)
        if key not in self._aligned_cache:
            rows, cols = (
                aligned_regions(self.graph, first, last, self.needed[axis], axis=axis)
                for axis in (0, 1)
            )
            self._aligned_cache[key] = (rows, cols)
        return self._aligned_cache[key]

    @cached_property
    def _aligned_cache(
        self,
    ) -> dict[tuple[int, int], tuple[dict[str, Intervals], dict[str, Intervals]]]:
        return {}

    def _box(self, path: int, rows: Intervals, cols: Intervals) -> Box:
        if not 0 <= path < self.paths:
            raise GeometryError(f"there is no path {path} in a {self.grid} grid")
        row, col = divmod(path, self.grid.cols)
        return Box(rows[row], cols[col])


def whole(graph: ModelGraph, tensor: str) -> Box:
    """All of a feature map."""
    shape = graph.tensors[tensor]
    return Box(Interval(0, shape.size(0)), Interval(0, shape.size(1)))


def check_tileable(graph: ModelGraph, tau: int) -> None:
    """Raise if layers ``1 … tau`` cannot all be cut into tiles.

    Raises:
        GeometryError: ``tau`` is no layer of the network.
        UnsupportedOperatorError: an operator of those layers needs whole maps.
    """
    if not 1 <= tau <= graph.depth:
        raise GeometryError(
            f"tau={tau} is not a layer of '{graph.name}', which has layers 1 to {graph.depth}"
        )
    if tau > graph.tileable_layers:
        barrier = graph.barrier
        assert barrier is not None  # tileable_layers < depth
        raise UnsupportedOperatorError(
            node=barrier.name,
            op_type=barrier.op_type,
            reason=barrier.barrier_reason or "it stands behind an operator that needs whole maps",
            hint=f"end the tiled prefix before it (tau at most {graph.tileable_layers})"
            if graph.tileable_layers
            else "no layer can be tiled; plan with auto or nfl",
        )
