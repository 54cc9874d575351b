"""How the paths of a plan share the network out: as a whole, in tiles, or in strips.

The one place that knows which kinds there are. Everything else asks an arrangement for its grid,
its fused layer and its number of paths, and `layout` for what each path holds.
"""

from __future__ import annotations

import msgspec

from fusepath.tiling.sizes import Sizes, TileSizes
from fusepath.tiling.strips import Band, Mark
from fusepath.tiling.tiling import Grid


class Whole(msgspec.Struct, frozen=True, kw_only=True, tag="whole", forbid_unknown_fields=True):
    """The unsplit network as one path, which may be cut anywhere."""

    layers: int
    """All of them."""

    @property
    def tau(self) -> int:
        """The last layer: nothing is left behind the path."""
        return self.layers

    @property
    def grid(self) -> Grid:
        """One path."""
        return Grid(1, 1)

    @property
    def paths(self) -> int:
        """Number of paths."""
        return 1


class Tiles(msgspec.Struct, frozen=True, kw_only=True, tag="tiles", forbid_unknown_fields=True):
    """A grid of tiles over fused layer ``tau``.

    ``rows`` and ``cols`` give the rows (columns) of the fused layer's smallest map that each grid
    row (column) takes; equal or not, they add up to all of it.
    """

    tau: int
    rows: Sizes
    cols: Sizes

    @property
    def sizes(self) -> TileSizes:
        """The sizes as a value of their own."""
        return TileSizes(self.rows, self.cols)

    @property
    def grid(self) -> Grid:
        """Rows and columns of tiles."""
        return Grid(len(self.rows), len(self.cols))

    @property
    def paths(self) -> int:
        """Number of tiles."""
        return len(self.rows) * len(self.cols)


class Segment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A band of rows of the fused layer that is worked through strip by strip.

    ``start`` and ``stop`` are fused rows (0-based, half-open). ``strips`` says for each strip how
    many rows of the input are then released and how many fused rows are done (absolute). Within a
    segment nothing is computed or sent twice. ``cut`` (1-based) holds for all of its strips.
    """

    start: int
    stop: int
    cut: int
    strips: tuple[Mark, ...]

    def band(self) -> Band:
        """The rows alone."""
        return Band(start=self.start, stop=self.stop, marks=self.strips)


class Strips(msgspec.Struct, frozen=True, kw_only=True, tag="strips", forbid_unknown_fields=True):
    """Strips of rows over fused layer ``tau``, segment by segment, which is their order in time."""

    tau: int
    segments: tuple[Segment, ...]

    @property
    def grid(self) -> Grid:
        """One column of strips."""
        return Grid(self.paths, 1)

    @property
    def paths(self) -> int:
        """Number of strips."""
        return sum(len(item.strips) for item in self.segments)

    @property
    def cuts(self) -> tuple[int, ...]:
        """First layer on the edge server (1-based), by strip."""
        return tuple(item.cut for item in self.segments for _ in item.strips)


Arrangement = Whole | Tiles | Strips
