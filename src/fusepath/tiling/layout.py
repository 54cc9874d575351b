"""What every path of an arrangement holds of every tensor. Pure, and the same on both machines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusepath.errors import GeometryError
from fusepath.tiling.arrangement import Arrangement, Strips, Tiles, Whole
from fusepath.tiling.strips import StripTiling
from fusepath.tiling.tiling import Tiling, whole
from fusepath.units import number_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.arrays import Array
    from fusepath.graph import ModelGraph
    from fusepath.tiling.interval import Box

    Form = tuple[str, tuple[int, ...]]
    """(dtype, shape) of an array."""


class _Parts(ABC):
    """What all layouts have in common. Paths are numbered from 0."""

    graph: ModelGraph

    @abstractmethod
    def piece_shape(self, path: int, tensor: str) -> tuple[int, ...] | None:
        """Shape of the part of a tensor that a path holds and sends; None for nothing."""

    def part_forms(self, path: int, cut: int) -> dict[str, Form]:
        """(dtype, shape) of what returns of a path with a cut (1-based): its share of outputs."""
        tensors = self.graph.tensors
        shapes = {name: self.piece_shape(path, name) for name in self.graph.returned(cut)}
        return {
            name: (tensors[name].dtype, shape)
            for name, shape in shapes.items()
            if shape is not None
        }

    def returning(self, cuts: Sequence[int]) -> frozenset[int] | None:
        """Paths whose share of the outputs the edge server returns as soon as it is done.

        None where the outputs return as a whole, because the edge server computes what follows the
        fused layer, or the paths are no strips.
        """
        if not self.returns_parts:
            return None
        return frozenset(path for path, cut in enumerate(cuts) if self.part_forms(path, cut))

    @property
    def returns_parts(self) -> bool:
        """Whether every path returns its share of the outputs by itself."""
        return self.graph.outputs_stay

    def predecessors(self) -> dict[int, int]:
        """Paths that must not start before another one has ended, and that other."""
        return {}

    def goes_on_from(self) -> dict[int, int]:
        """Paths that read what another one has left behind its cut, and that other."""
        return {}


@dataclass(frozen=True)
class WholeLayout(_Parts):
    """The unsplit network, whose one path holds all of everything."""

    graph: ModelGraph

    returns_parts = False
    """Nothing is left for the device to put together."""

    def box(self, path: int, tensor: str) -> Box:  # noqa: ARG002
        """All of a map."""
        return whole(self.graph, tensor)

    def own_box(self, path: int, tensor: str) -> Box:
        """All of a map: there is no other path."""
        return self.box(path, tensor)

    def piece_shape(self, path: int, tensor: str) -> tuple[int, ...] | None:  # noqa: ARG002
        """All of it."""
        return self.graph.tensors[tensor].shape

    def piece(self, path: int, tensor: str, value: Array) -> Array | None:  # noqa: ARG002
        """All of it."""
        return value

    def placed(self, path: int, tensor: str, piece: Array, whole: Array | None) -> Array:  # noqa: ARG002
        """The piece, which is the whole."""
        return np.asarray(piece)

    def share(self, path: int) -> float:  # noqa: ARG002
        """All of it."""
        return 1.0

    def elements(self, path: int, tensor: str) -> int:  # noqa: ARG002
        """All of them."""
        return self.graph.tensors[tensor].elements

    def session_elements(self, path: int, first: int, last: int) -> Mapping[str, int]:  # noqa: ARG002
        """All of them, of every tensor."""
        return {name: item.elements for name, item in self.graph.tensors.items()}


class _Boxes(_Parts):
    """Paths that hold a rectangle of every map."""

    @abstractmethod
    def box(self, path: int, tensor: str) -> Box | None:
        """The part of a map that a path holds; None where a strip adds nothing."""

    def own_box(self, path: int, tensor: str) -> Box | None:
        """The part of a map that a path holds and no other does; None for nothing."""
        return self.box(path, tensor)

    def piece_shape(self, path: int, tensor: str) -> tuple[int, ...] | None:
        """Shape of the part of a map that a path holds and sends; None for nothing."""
        box = self.box(path, tensor)
        return None if box is None else (*self.graph.tensors[tensor].shape[:2], *box.shape)

    def piece(self, path: int, tensor: str, value: Array) -> Array | None:
        """The part of a map that a path holds, cut out of all of it; None for nothing."""
        box = self.box(path, tensor)
        if box is None:
            return None
        part: Array = value[:, :, box.rows.slice(), box.cols.slice()]
        return part

    def placed(self, path: int, tensor: str, piece: Array, whole: Array | None) -> Array:
        """A map with a path's piece of it in its place; ``whole`` is written to where it can be.

        Args:
            path: 0-based.
            tensor: the map.
            piece: what the path holds of it.
            whole: what there is of the map so far; None for nothing.
        """
        box = self.box(path, tensor)
        assert box is not None  # a piece is never empty
        if whole is None:
            about = self.graph.tensors[tensor]
            whole = np.empty(about.shape, dtype=about.dtype)
        elif not whole.flags.writeable:
            whole = whole.copy()
        whole[:, :, box.rows.slice(), box.cols.slice()] = piece
        return whole

    def elements(self, path: int, tensor: str) -> int:
        """How many elements of a map a path holds."""
        box = self.box(path, tensor)
        return 0 if box is None else box.area * self.graph.tensors[tensor].channels


@dataclass(frozen=True)
class TileLayout(_Boxes):
    """A grid of tiles."""

    tiling: Tiling

    @property
    def graph(self) -> ModelGraph:  # type: ignore[override]
        """The network."""
        return self.tiling.graph

    def box(self, path: int, tensor: str) -> Box | None:
        """The part of a map that a path holds, halo included."""
        return self.tiling.region(path, tensor)

    def own_box(self, path: int, tensor: str) -> Box | None:
        """A tile's share of a map in proportion to the fused layer: what it holds but the halo."""
        return self.tiling.share(path, tensor)

    def share(self, path: int) -> float:
        """A tile's part of the fused layer's smallest map."""
        tiling = self.tiling
        share = 1.0
        for axis, place in enumerate(divmod(path, tiling.grid.cols)):
            share *= tiling.sizes.along(axis)[place] / tiling.graph.fused_size(tiling.tau, axis)
        return share

    def session_elements(self, path: int, first: int, last: int) -> Mapping[str, int]:
        """Elements of every map that a session over layers ``first … last`` has for a tile."""
        tensors = self.graph.tensors
        regions = self.tiling.session_regions(path, first, last)
        return {name: box.area * tensors[name].channels for name, box in regions.items()}


@dataclass(frozen=True)
class StripLayout(_Boxes):
    """Strips of rows, segment by segment."""

    strips: StripTiling

    @property
    def graph(self) -> ModelGraph:  # type: ignore[override]
        """The network."""
        return self.strips.graph

    def box(self, path: int, tensor: str) -> Box | None:
        """The rows of a map that a strip adds; None for nothing."""
        return self.strips.region(path, tensor)

    @property
    def returns_parts(self) -> bool:
        """Whether rows of the fused layer are rows of the outputs."""
        return self.strips.rows.makes_outputs

    def predecessors(self) -> dict[int, int]:
        """Every strip must have ended before the next one starts."""
        return {strip: strip - 1 for strip in range(1, self.strips.paths)}

    def goes_on_from(self) -> dict[int, int]:
        """Strips of a segment, and the first of one that resumes, read the strip before them."""
        return {
            strip: before
            for strip, before in self.predecessors().items()
            if self.strips.goes_on(strip)
        }


Layout = WholeLayout | TileLayout | StripLayout


def layout(graph: ModelGraph, arrangement: Arrangement) -> Layout:
    """The layout of an arrangement on a network that it has been checked against.

    Raises:
        GeometryError: the arrangement does not fit the network.
        UnsupportedOperatorError: a layer up to the fused one cannot be tiled.
    """
    match arrangement:
        case Whole(layers=layers):
            if layers != graph.depth:
                raise GeometryError(
                    f"an unsplit network of {number_of(layers, 'layer')}, but '{graph.name}' has "
                    f"{graph.depth}"
                )
            return WholeLayout(graph)
        case Tiles(tau=tau):
            return TileLayout(Tiling(graph, tau, arrangement.grid, arrangement.sizes))
        case Strips():
            return StripLayout(strip_tiling(graph, arrangement))


def strip_tiling(graph: ModelGraph, strips: Strips) -> StripTiling:
    """The geometry of strips.

    Raises:
        GeometryError: the segments do not fit the fused layer, or it has none that go upwards.
    """
    way = graph.mirrored if strips.upward else graph
    if way is None:
        raise GeometryError(
            f"'{graph.name}' has layers that no strips can go up, since they resample; "
            "give 'upward' as false"
        )
    return StripTiling(
        way,
        strips.tau,
        bands=tuple(item.band() for item in strips.segments),
        cuts=tuple(item.cut for item in strips.segments),
        waits=strips.waits,
    )
