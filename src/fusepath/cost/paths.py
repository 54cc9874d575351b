"""What every path of a grid costs at every cut: device seconds, bytes, edge seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.cost.compression import NO_CODECS, crossing, piece_coding
from fusepath.cost.convention import Convention, Regions
from fusepath.tiling import (
    Grid,
    Intervals,
    Sizes,
    TileSizes,
    aligned_regions,
    check_tileable,
    ends_of,
    even_ends,
    needed_regions,
    scaled_intervals,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from fusepath.arrays import FloatArray, IntArray
    from fusepath.cost.compression import Codecs
    from fusepath.cost.latency import Charge, Charging
    from fusepath.graph import ModelGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class PathCosts:
    """Costs of the paths of one grid, kept once per class of equal paths.

    Arrays are indexed [class, cut − 1] with cuts ``1 … tau + 1``; the last cut runs the whole
    path on the device and sends its piece of the fused layer.
    """

    tau: int
    grid: Grid
    sizes: TileSizes | None = None
    """Of unequal tiles."""
    row_class: IntArray
    """Class of each row of tiles; shape (rows,)."""
    col_class: IntArray
    """Class of each column of tiles; shape (columns,)."""
    device: FloatArray
    """Seconds, or what else is charged."""
    up_bytes: IntArray
    edge: FloatArray
    back_bytes: IntArray | None = None
    """What returns of a path by itself; None where the outputs return as a whole."""

    @property
    def class_of(self) -> IntArray:
        """Class of each path, row by row; shape (paths,)."""
        columns = int(self.col_class.max()) + 1
        return (self.row_class[:, None] * columns + self.col_class[None, :]).reshape(-1)

    @property
    def counts(self) -> IntArray:
        """Number of paths of each class."""
        return np.outer(np.bincount(self.row_class), np.bincount(self.col_class)).reshape(-1)


@dataclass(frozen=True, slots=True)
class _AxisLengths:
    """Lengths along one axis of what each grid row (or column) computes and sends.

    Shapes: device and edge (intervals, cuts, charges), sent and back (intervals, cuts, maps); 0
    where a cut does not compute or send that map, or it does not return. Whole numbers, but for
    `Regions.SHARE`; floats all the same, for those multiply fast and are exact far beyond the size
    of any map.
    """

    device: FloatArray
    edge: FloatArray
    sent: FloatArray
    back: FloatArray

    @property
    def tables(self) -> tuple[FloatArray, ...]:
        return self.device, self.edge, self.sent, self.back

    def take(self, chosen: IntArray) -> _AxisLengths:
        return _AxisLengths(*(table[chosen] for table in self.tables))

    @classmethod
    def joined(cls, parts: Sequence[_AxisLengths]) -> _AxisLengths:
        return cls(*map(np.concatenate, zip(*(part.tables for part in parts), strict=True)))

    @property
    def key(self) -> bytes:
        """Equal for equal lengths."""
        return b"".join(table.tobytes() for table in self.tables)


@dataclass(frozen=True, slots=True)
class _Axis:
    """Lengths of the rows (columns) of several grids, one after the other, by class."""

    lengths: _AxisLengths
    """Once per class of equal rows."""
    class_of: IntArray
    starts: dict[int, int]
    """Where the rows of a grid with so many parts begin in ``class_of``."""

    @classmethod
    def of(cls, lengths: _AxisLengths, parts: Sequence[int]) -> _Axis:
        count = len(lengths.device)
        flat = np.concatenate([part.reshape(count, -1) for part in lengths.tables], axis=1)
        first: dict[bytes, int] = {}
        class_of = np.array([first.setdefault(row.tobytes(), len(first)) for row in flat])
        _, examples = np.unique(class_of, return_index=True)
        starts = dict(zip(parts, np.cumsum([0, *parts[:-1]]).tolist(), strict=True))
        return cls(lengths.take(examples), class_of, starts)

    def grid(self, parts: int) -> tuple[_AxisLengths, IntArray]:
        """Classes that occur with this many parts, and which of them each part is."""
        start = self.starts[parts]
        present, inverse = np.unique(self.class_of[start : start + parts], return_inverse=True)
        return self.lengths.take(present), inverse


@dataclass(frozen=True, kw_only=True)
class _Prices:
    """What a position of each map of layers ``1 … tau`` costs."""

    graph: ModelGraph
    tau: int
    regions: Regions
    device: tuple[Charge, ...]
    edge: tuple[Charge, ...]
    maps: tuple[str, ...]
    """All maps that a cut may send, or that may return."""
    sending: FloatArray
    """Of a position of these maps; shape (device seconds, bytes, edge seconds; maps)."""
    returning: FloatArray
    """Of a position of these maps as they return; shape (edge seconds, bytes, device seconds;
    maps)."""
    compressed: bool
    compressed_back: bool
    device_call_s: FloatArray
    """Fixed seconds of a piece, by cut; shape (cuts,)."""
    edge_call_s: FloatArray

    @classmethod
    def of(
        cls,
        graph: ModelGraph,
        tau: int,
        device: Charging,
        edge: Charging,
        convention: Convention,
        codecs: Codecs,
    ) -> _Prices:
        check_tileable(graph, tau)
        cuts = range(1, tau + 2)
        names = {name for cut in cuts for name in graph.frontier(cut - 1)}
        maps = sorted(names.union(graph.outputs) if graph.outputs_stay else names)
        up = np.array([piece_coding(graph.sent(cut), codecs.up) for cut in cuts])
        returned = [graph.returned(cut) if graph.outputs_stay else () for cut in cuts]
        back = np.array([piece_coding(names, codecs.back) for names in returned])
        return cls(
            graph=graph,
            tau=tau,
            regions=convention.regions,
            device=tuple(c for c in device.charges(graph, convention) if c.layer <= tau),
            edge=tuple(c for c in edge.charges(graph, convention) if c.layer <= tau),
            maps=tuple(maps),
            sending=np.array(
                [
                    graph.tensors[m].channels * np.array(crossing(graph, m, convention, codecs.up))
                    for m in maps
                ]
            ).T,
            returning=np.array(
                [
                    graph.tensors[m].channels
                    * np.array(crossing(graph, m, convention, codecs.back))
                    for m in maps
                ]
            ).T,
            compressed=any(name in codecs.up for name in maps),
            compressed_back=any(name in codecs.back for name in maps),
            device_call_s=np.array([device.piece_s(1, cut - 1) for cut in cuts])
            + up[:, 0]
            + back[:, 1],
            edge_call_s=np.array([edge.piece_s(cut, tau) for cut in cuts]) + up[:, 1] + back[:, 0],
        )

    def costs(
        self,
        grid: Grid,
        rows: tuple[_AxisLengths, IntArray],
        cols: tuple[_AxisLengths, IntArray],
        sizes: TileSizes | None = None,
    ) -> PathCosts:
        """Costs from the lengths of rows and columns by class, and the class of each of them."""
        (tall, row_class), (wide, col_class) = rows, cols
        device_weights = np.array([charge.amount for charge in self.device])
        edge_weights = np.array([charge.amount for charge in self.edge])
        device_s = _areas(tall.device, wide.device, device_weights) + self.device_call_s
        edge_s = _areas(tall.edge, wide.edge, edge_weights) + self.edge_call_s
        encode_s, bytes_sent, decode_s = self.sending
        up_bytes = _areas(tall.sent, wide.sent, bytes_sent)
        if self.compressed:
            device_s += _areas(tall.sent, wide.sent, encode_s)
            edge_s += _areas(tall.sent, wide.sent, decode_s)
            up_bytes = np.ceil(up_bytes)  # never less than bounds reckon with
        encode_back_s, bytes_back, decode_back_s = self.returning
        back_bytes = _areas(tall.back, wide.back, bytes_back)
        if self.compressed_back:
            edge_s += _areas(tall.back, wide.back, encode_back_s)
            device_s += _areas(tall.back, wide.back, decode_back_s)
            back_bytes = np.ceil(back_bytes)
        return PathCosts(
            tau=self.tau,
            grid=grid,
            sizes=sizes,
            row_class=row_class,
            col_class=col_class,
            device=device_s,
            up_bytes=_whole(up_bytes),
            edge=edge_s,
            back_bytes=_whole(back_bytes) if self.graph.outputs_stay else None,
        )

    def lengths(self, fused: Mapping[str, Intervals], axis: int) -> _AxisLengths:
        """Lengths along an axis for parts of the maps of the fused layer."""
        graph, cuts = self.graph, self.tau + 1
        lengths = _Lengths.of(graph, self.tau, fused, axis=axis, regions=self.regions)
        count = len(next(iter(fused.values())))
        device = np.zeros((count, cuts, len(self.device)))
        edge = np.zeros((count, cuts, len(self.edge)))
        sent = np.zeros((count, cuts, len(self.maps)))
        back = np.zeros((count, cuts, len(self.maps)))
        place = {name: j for j, name in enumerate(self.maps)}
        for cut in range(1, cuts + 1):
            for name in graph.sent(cut):
                sent[:, cut - 1, place[name]] = lengths.needed(name)
            for name in graph.returned(cut) if graph.outputs_stay else ():
                back[:, cut - 1, place[name]] = lengths.needed(name)
            for table, charges, first, last in (
                (device, self.device, 1, cut - 1),
                (edge, self.edge, cut, self.tau),
            ):
                if first > last:
                    continue
                computed = lengths.computed(first, last)
                for j, charge in enumerate(charges):
                    if first <= charge.layer <= last:
                        table[:, cut - 1, j] = computed(charge.tensor)
        return _AxisLengths(device, edge, sent, back)


def path_costs(
    graph: ModelGraph,
    tau: int,
    grids: Sequence[Grid],
    *,
    device: Charging,
    edge: Charging,
    convention: Convention,
    codecs: Codecs = NO_CODECS,
) -> Iterator[PathCosts]:
    """Costs of several grids over the same fused layer; the geometry of all is done at once.

    Raises:
        GeometryError: ``tau`` is no layer.
        UnsupportedOperatorError: ``tau`` lies behind the tileable prefix.
    """
    prices = _Prices.of(graph, tau, device, edge, convention, codecs)
    axes: list[_Axis] = []
    for axis in (0, 1):
        parts = sorted({grid.rows if axis == 0 else grid.cols for grid in grids})
        if axis == 1 and list(axes[0].starts) == parts and _is_symmetric(graph, tau):
            axes.append(axes[0])
            continue
        smallest = graph.fused_size(tau, axis)
        ends = even_ends(smallest, parts)
        fused = {
            name: scaled_intervals(ends, smallest, graph.tensors[name].size(axis))
            for name in graph.frontier(tau)
        }
        axes.append(_Axis.of(prices.lengths(fused, axis), parts))
    for grid in grids:
        yield prices.costs(grid, axes[0].grid(grid.rows), axes[1].grid(grid.cols))


_Ends = dict[tuple[int, int], _AxisLengths]
"""Lengths of one row (column) of tiles, by its ends in the fused layer."""


class TileCosts:
    """Costs of tiles of one fused layer, whatever their sizes.

    What a row (column) of tiles computes and sends depends on its two ends alone, so every pair of
    ends is walked back only once.

    Raises:
        GeometryError: ``tau`` is no layer.
        UnsupportedOperatorError: ``tau`` lies behind the tileable prefix.
    """

    def __init__(
        self,
        graph: ModelGraph,
        tau: int,
        *,
        device: Charging,
        edge: Charging,
        convention: Convention,
        codecs: Codecs = NO_CODECS,
    ) -> None:
        self._prices = _Prices.of(graph, tau, device, edge, convention, codecs)
        self._met: tuple[_Ends, _Ends] = ({}, {})

    def meet(self, several: Iterable[TileSizes]) -> None:
        """Walk back all new pairs of ends at once, which is quicker than one by one."""
        prices = self._prices
        graph = prices.graph
        wanted = list(several)
        for axis, met in enumerate(self._met):
            new = sorted({e for sizes in wanted for e in ends_of(sizes.along(axis))} - met.keys())
            if not new:
                continue
            fused = graph.fused_size(prices.tau, axis)
            shares = {
                name: scaled_intervals(new, fused, graph.tensors[name].size(axis))
                for name in graph.frontier(prices.tau)
            }
            lengths = prices.lengths(shares, axis)
            same = {part.key: part for part in met.values()}
            for at, ends in enumerate(new):
                part = lengths.take(np.array([at]))
                met[ends] = same.setdefault(part.key, part)

    def of(self, sizes: TileSizes) -> PathCosts:
        """Costs of one grid of tiles."""
        self.meet([sizes])
        rows, cols = (self._classes(sizes.along(axis), axis) for axis in (0, 1))
        return self._prices.costs(Grid(*sizes.grid), rows, cols, sizes)

    def _classes(self, sizes: Sizes, axis: int) -> tuple[_AxisLengths, IntArray]:
        parts = [self._met[axis][ends] for ends in ends_of(sizes)]
        kinds = {id(part): part for part in parts}  # equal lengths are one object, see `meet`
        places = {kind: place for place, kind in enumerate(kinds)}
        class_of = np.array([places[id(part)] for part in parts])
        return _AxisLengths.joined(list(kinds.values())), class_of


@dataclass(frozen=True, slots=True)
class _Lengths:
    """How much of each map the tiles of one axis need and compute."""

    graph: ModelGraph
    axis: int
    regions: Regions
    walked: Mapping[str, Intervals]
    """What the tiles need, halos included."""
    share: FloatArray
    """Of the fused map, by tile."""

    @classmethod
    def of(
        cls,
        graph: ModelGraph,
        tau: int,
        fused: Mapping[str, Intervals],
        *,
        axis: int,
        regions: Regions,
    ) -> _Lengths:
        coarsest = min(fused, key=lambda name: graph.tensors[name].size(axis))
        share = fused[coarsest].length / graph.tensors[coarsest].size(axis)
        walked = {} if regions is Regions.SHARE else needed_regions(graph, tau, fused, axis=axis)
        return cls(graph, axis, regions, walked, share)

    def needed(self, name: str) -> FloatArray | IntArray:
        if self.regions is Regions.SHARE:
            return self.graph.tensors[name].size(self.axis) * self.share
        return self.walked[name].length

    def computed(self, first: int, last: int) -> Callable[[str], FloatArray | IntArray]:
        """Lengths that a session over layers ``first … last`` computes, by map."""
        if self.regions is not Regions.ALIGNED:
            return self.needed
        aligned = aligned_regions(self.graph, first, last, self.walked, axis=self.axis)
        return lambda name: aligned[name].length


def _is_symmetric(graph: ModelGraph, tau: int) -> bool:
    """Whether rows and columns of layers ``1 … tau`` are alike, so that one axis tells both."""
    operators = graph.operators(1, tau)
    names = {name for op in operators for name in (*op.inputs, *op.outputs)}
    return all(op.rows == op.cols for op in operators) and all(
        graph.tensors[name].size(0) == graph.tensors[name].size(1) for name in names
    )


def _areas(rows: FloatArray, cols: FloatArray, weights: NDArray[Any]) -> FloatArray:
    """Σ over maps of weight · height · width, by class of path (rows × columns) and cut."""
    by_cut = (rows * weights).swapaxes(0, 1) @ cols.transpose(1, 2, 0)  # (cuts, rows, columns)
    areas: FloatArray = by_cut.transpose(1, 2, 0).reshape(-1, rows.shape[1])
    return areas


def _whole(sizes: FloatArray) -> IntArray:
    """Bytes are whole, also where shares are not."""
    return np.rint(sizes).astype(np.int64)
