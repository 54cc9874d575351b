"""What a network costs on two machines, whatever the link between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fusepath.cost import (
    Codecs,
    Counts,
    Crossing,
    PathCosts,
    StripPrices,
    TileCosts,
    cut_crossing,
    path_costs,
    result_crossing,
    strip_prices,
)
from fusepath.schedule.problem import nanoseconds, ns
from fusepath.tiling import Grid, check_tileable

if TYPE_CHECKING:
    from fusepath.arrays import IntArray
    from fusepath.cost import Machine
    from fusepath.graph import ModelGraph
    from fusepath.plan.setting import Setting
    from fusepath.tiling import TileSizes


@dataclass(frozen=True, kw_only=True, eq=False)
class Tiled:
    """One grid over one fused layer: all that its scheduling problem needs but the link.

    Times are of computing alone; what sending costs besides, `Timing.times_ns` adds.
    """

    costs: PathCosts
    device_ns: IntArray
    edge_ns: IntArray
    counts: IntArray
    """Number of paths of each class."""
    tail_ns: int

    @property
    def tau(self) -> int:
        """The fused layer."""
        return self.costs.tau

    @property
    def grid(self) -> Grid:
        """Rows and columns of tiles."""
        return self.costs.grid


class Prices:
    """Costs of a network on two machines: each worked out when first asked for, and kept.

    Args:
        setting: its link does not matter.
    """

    def __init__(self, setting: Setting) -> None:
        self.graph = setting.graph
        self.device, self.edge = setting.device, setting.edge
        self.convention = setting.convention
        self.codecs = Codecs(setting.compression, setting.back_compression)
        self._tiled: dict[tuple[int, Grid | None], tuple[Tiled, ...]] = {}
        self._tile_costs: dict[int, TileCosts] = {}
        self._strips: dict[bool, StripPrices] = {}
        self._rests: dict[int, Prices] = {}
        self._fronts: dict[int, Prices] = {}

    def behind(self, start: int, setting: Setting) -> Prices:
        """Costs of the rest of the network, once layers ``1 … start`` have run.

        Args:
            start: where a section begins.
            setting: as of these prices.
        """
        if start not in self._rests:
            self._rests[start] = Prices(setting.behind(start))
        return self._rests[start]

    def head_ns(self, start: int) -> int:
        """What the device takes for layers ``1 … start``."""
        call_s = self.device.call_overhead_s if start > 0 else 0.0
        return ns(sum(self.device_layers_s[:start]) + call_s)

    @cached_property
    def device_layers_s(self) -> list[float]:
        """Seconds of every whole layer on the device."""
        return self._layer_seconds(self.device)

    @cached_property
    def edge_layers_s(self) -> list[float]:
        """Seconds of every whole layer on the edge server."""
        return self._layer_seconds(self.edge)

    @cached_property
    def counts(self) -> Counts:
        """MACs and bytes."""
        return Counts(self.graph, self.convention)

    def strips(self, way: ModelGraph) -> StripPrices:
        """What rows of the tileable prefix cost.

        Args:
            way: the network, or the same with rows counted from the bottom.
        """
        if way.upward not in self._strips:
            self._strips[way.upward] = strip_prices(
                way,
                device=self.device,
                edge=self.edge,
                convention=self.convention,
                codecs=self.codecs,
            )
        return self._strips[way.upward]

    def crossing(self, cut: int) -> Crossing:
        """What it takes to bring all that a cut (1-based) sends over, on whole maps."""
        return cut_crossing(self.graph, cut, self.convention, self.codecs.up)

    @cached_property
    def result(self) -> Crossing:
        """What it takes to bring the outputs back as a whole."""
        return result_crossing(self.graph, self.convention, self.codecs.back)

    def tail_s(self, tau: int) -> float:
        """Seconds of the layers behind ``tau`` on the edge server."""
        call_s = self.edge.call_overhead_s if tau < self.graph.depth else 0.0
        return sum(self.edge_layers_s[tau:]) + call_s

    def finish_s(self, tau: int) -> float:
        """Seconds of the layers behind ``tau`` on the device."""
        call_s = self.device.call_overhead_s if tau < self.graph.depth else 0.0
        return sum(self.device_layers_s[tau:]) + call_s

    def front(self, setting: Setting) -> Prices:
        """Of a setting's network that is one of this one's `ModelGraph.front`."""
        tau = setting.graph.depth
        if tau not in self._fronts:
            self._fronts[tau] = Prices(setting)
        return self._fronts[tau]

    def tilings(self, grid: Grid | None = None, tau: int | None = None) -> tuple[Tiled, ...]:
        """Every admissible tiling, small fused layers and small grids first.

        Args:
            grid: only this one, where it fits; k×k for all k without.
            tau: only this fused layer; all that can be tiled without.

        Raises:
            UnsupportedOperatorError: ``tau``, or the very first layer, cannot be tiled.
            GeometryError: ``tau`` is no layer.
        """
        graph = self.graph
        if tau is not None or graph.tileable_layers == 0:
            check_tileable(graph, tau or 1)  # says which operator is in the way
        taus = range(1, graph.tileable_layers + 1) if tau is None else (tau,)
        return tuple(tiled for at in taus for tiled in self._tilings_at(at, grid))

    def costs(self, tau: int, grid: Grid, sizes: TileSizes | None = None) -> PathCosts:
        """Costs of the paths of one grid, of unequal tiles where sizes are given."""
        if sizes is not None:
            return self.tile_costs(tau).of(sizes)
        return self._path_costs(tau, [grid])[0]

    def tile_costs(self, tau: int) -> TileCosts:
        """Costs of tiles of any sizes over fused layer ``tau``.

        Raises:
            GeometryError: ``tau`` is no layer.
            UnsupportedOperatorError: ``tau`` cannot be tiled.
        """
        if tau not in self._tile_costs:
            self._tile_costs[tau] = TileCosts(
                self.graph,
                tau,
                device=self.device,
                edge=self.edge,
                convention=self.convention,
                codecs=self.codecs,
            )
        return self._tile_costs[tau]

    def tiled(self, costs: PathCosts) -> Tiled:
        """Costs of paths in nanoseconds, with the tail behind them and the result encoded."""
        return Tiled(
            costs=costs,
            device_ns=nanoseconds(costs.device),
            edge_ns=nanoseconds(costs.edge),
            counts=costs.counts,
            tail_ns=ns(
                self.tail_s(costs.tau) + (0.0 if self.graph.outputs_stay else self.result.encode_s)
            ),
        )

    def _tilings_at(self, tau: int, grid: Grid | None) -> tuple[Tiled, ...]:
        if (tau, grid) not in self._tiled:
            rows, cols = self.graph.fused_size(tau, 0), self.graph.fused_size(tau, 1)
            grids = [Grid(k, k) for k in range(1, min(rows, cols) + 1)]
            if grid is not None:
                grids = [grid] if grid.rows <= rows and grid.cols <= cols else []
            costs = self._path_costs(tau, grids) if grids else ()
            self._tiled[tau, grid] = tuple(self.tiled(item) for item in costs)
        return self._tiled[tau, grid]

    def _path_costs(self, tau: int, grids: list[Grid]) -> list[PathCosts]:
        return list(
            path_costs(
                self.graph,
                tau,
                grids,
                device=self.device,
                edge=self.edge,
                convention=self.convention,
                codecs=self.codecs,
            )
        )

    def _layer_seconds(self, machine: Machine) -> list[float]:
        return [
            machine.layer_s(self.graph, index, self.convention)
            for index in range(1, self.graph.depth + 1)
        ]
