"""How the paths of a plan share the network out: as a whole, in tiles, or in strips.

The one place that knows which kinds there are. Everything else asks an arrangement for its grid,
its fused layer and its number of paths, and its `layout` for what each path holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fusepath.errors import SettingError
from fusepath.tiling.sizes import Sizes, TileSizes, even_sizes
from fusepath.tiling.strips import Band, Mark
from fusepath.tiling.tiling import Grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.graph import ModelGraph

Cuts = tuple[int, ...]
"""First layer on the edge server (1-based), by path."""

_ONE_PATH = "one path"
"""Of one path its fused layer makes no difference but for what nothing depends on."""


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

    @property
    def is_split(self) -> bool:
        """Whether several paths share the network out."""
        return False

    @property
    def in_whole_rows(self) -> bool:
        """Whether machines share rows out, none of which is computed twice or in part."""
        return True

    @property
    def likeness(self) -> object:
        """Equal for arrangements that, cut alike, do the same."""
        return _ONE_PATH

    def moved(self, layers: int) -> Whole:
        """The same where so many more layers come before: of all of them."""
        return Whole(layers=self.layers + layers)

    def cuts_of(self, chosen: Cuts) -> Cuts:
        """The cuts of a schedule that has chosen these."""
        return chosen

    def objection(self, order: Sequence[int], cuts: Cuts) -> str:  # noqa: ARG002 - any will do
        """What is wrong with an order (1-based) and cuts, beyond their numbers: nothing."""
        return ""

    def spelt_cuts(self, cuts: Cuts) -> Cuts:
        """What there is to say of the cuts."""
        return cuts

    def family(self, cuts: Cuts) -> str:
        """What kind of plan it is, in words."""
        if cuts == (self.layers + 1,):
            return "device only"
        return "full offload" if cuts == (1,) else "one cut"

    @property
    def label(self) -> str:
        """What a picture has room for: nothing, for there is no fused layer."""
        return ""

    def __str__(self) -> str:
        return "1x1"


class Tiles(msgspec.Struct, frozen=True, kw_only=True, tag="tiles", forbid_unknown_fields=True):
    """A grid of tiles over fused layer ``tau``.

    ``rows`` and ``cols`` give the rows (columns) of the fused layer's smallest map that each grid
    row (column) takes; equal or not, they add up to all of it.
    """

    tau: int
    rows: Sizes
    cols: Sizes

    def __post_init__(self) -> None:
        if not (self.rows and self.cols) or min(*self.rows, *self.cols) < 1:
            raise SettingError("tiles need sizes of at least 1 for every row and column")

    @classmethod
    def even(cls, graph: ModelGraph, tau: int, grid: Grid) -> Tiles:
        """Tiles that are as equal as can be."""
        return cls(
            tau=tau,
            rows=even_sizes(graph.fused_size(tau, 0), grid.rows),
            cols=even_sizes(graph.fused_size(tau, 1), grid.cols),
        )

    @classmethod
    def of(cls, tau: int, sizes: TileSizes) -> Tiles:
        """Tiles of given sizes."""
        return cls(tau=tau, rows=sizes.rows, cols=sizes.cols)

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

    @property
    def is_split(self) -> bool:
        """Whether several paths share the network out."""
        return self.paths > 1

    @property
    def in_whole_rows(self) -> bool:
        """Whether machines share rows out, none of which is computed twice or in part."""
        return False

    @property
    def likeness(self) -> object:
        """Equal for arrangements that, cut alike, do the same."""
        return self if self.is_split else _ONE_PATH

    def moved(self, layers: int) -> Tiles:
        """The same where so many more layers come before."""
        return Tiles(tau=self.tau + layers, rows=self.rows, cols=self.cols)

    def cuts_of(self, chosen: Cuts) -> Cuts:
        """The cuts of a schedule that has chosen these."""
        return chosen

    def objection(self, order: Sequence[int], cuts: Cuts) -> str:  # noqa: ARG002 - any will do
        """What is wrong with an order (1-based) and cuts, beyond their numbers: nothing."""
        return ""

    def spelt_cuts(self, cuts: Cuts) -> Cuts:
        """What there is to say of the cuts: which ones there are."""
        return tuple(sorted(set(cuts)))

    def family(self, cuts: Cuts) -> str:
        """What kind of plan it is, in words."""
        if self.is_split:
            return "tiles"
        return "full offload" if cuts == (1,) else "one cut"

    @property
    def label(self) -> str:
        """What a picture has room for."""
        return f"τ {self.tau}"

    def __str__(self) -> str:
        even = all(max(sizes) - min(sizes) <= 1 for sizes in (self.rows, self.cols))
        return str(self.grid if even else self.sizes)


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
    """Strips of rows over fused layer ``tau``, segment by segment, which is their order in time.

    They go downwards, or ``upward``: then all rows are counted from the bottom. Behind a cut
    rows are made as soon as they can be, or, where it ``waits``, when the fused layer can use them.
    """

    tau: int
    segments: tuple[Segment, ...]
    upward: bool = False
    waits: bool = False

    def __post_init__(self) -> None:
        if not self.paths:
            raise SettingError("strips need a segment with at least one of them")

    @property
    def grid(self) -> Grid:
        """One column of strips."""
        return Grid(self.paths, 1)

    @property
    def paths(self) -> int:
        """Number of strips."""
        return sum(len(item.strips) for item in self.segments)

    @property
    def cuts(self) -> Cuts:
        """First layer on the edge server (1-based), by strip."""
        return tuple(item.cut for item in self.segments for _ in item.strips)

    @property
    def is_split(self) -> bool:
        """Whether several paths share the network out."""
        return True

    @property
    def in_whole_rows(self) -> bool:
        """Whether machines share rows out, none of which is computed twice or in part."""
        return True

    @property
    def likeness(self) -> object:
        """Equal for arrangements that, cut alike, do the same."""
        return self

    def moved(self, layers: int) -> Strips:
        """The same where so many more layers come before."""
        segments = tuple(
            msgspec.structs.replace(item, cut=item.cut + layers) for item in self.segments
        )
        return msgspec.structs.replace(self, tau=self.tau + layers, segments=segments)

    def cuts_of(self, chosen: Cuts) -> Cuts:  # noqa: ARG002 - a strip knows only that of its segment
        """The cuts of a schedule that has chosen these."""
        return self.cuts

    def objection(self, order: Sequence[int], cuts: Cuts) -> str:
        """What is wrong with an order (1-based) and cuts, beyond their numbers; or nothing."""
        if cuts != self.cuts:
            return "its cuts are not those of its segments"
        if tuple(order) != tuple(range(1, self.paths + 1)):
            return "strips must come in the order of their segments"
        return ""

    def spelt_cuts(self, cuts: Cuts) -> Cuts:  # noqa: ARG002
        """What there is to say of the cuts: that of each segment."""
        return tuple(item.cut for item in self.segments)

    def family(self, cuts: Cuts) -> str:  # noqa: ARG002
        """What kind of plan it is, in words."""
        count = len(self.segments)
        return "streamed cut" if count == 1 else f"stream, {count} segments"

    @property
    def label(self) -> str:
        """What a picture has room for."""
        return f"τ {self.tau}" + " ↑" * self.upward

    def __str__(self) -> str:
        return str(self.grid)


Arrangement = Whole | Tiles | Strips
