"""A network and the machines it runs on: from costs to scheduling problems."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fusepath.cost import (
    RUNTIME,
    Compression,
    ComputeRate,
    Convention,
    Crossing,
    Link,
    Machine,
    PathCosts,
    TileCosts,
    cut_crossing,
    path_costs,
    result_bytes,
)
from fusepath.schedule.problem import Problem, nanoseconds, ns
from fusepath.tiling import Grid, check_tileable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fusepath.arrays import IntArray
    from fusepath.graph import ModelGraph
    from fusepath.tiling import TileSizes


@dataclass(frozen=True, kw_only=True, eq=False)
class Tiled:
    """One grid over one fused layer: all that its scheduling problem needs but the link.

    Times are of computing alone; what sending costs besides, `Setting.times_ns` adds.
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


@dataclass(frozen=True, kw_only=True)
class Setting:
    """All that a plan depends on besides the planner's own choices.

    What tilings cost on the two machines is worked out once and kept, also for the settings that
    `at` makes for other links.
    """

    graph: ModelGraph
    device: Machine
    edge: Machine
    link: Link
    convention: Convention = RUNTIME
    compression: Mapping[str, Compression] = field(default_factory=dict)
    """By tensor: how the device encodes it before it is sent; all others are sent as they are."""

    def at(self, link: Link) -> Setting:
        """The same machines joined by another link."""
        other = replace(self, link=link)
        for name in ("counting", "_tiled", "_tile_costs", "_device_layers_s", "_edge_layers_s"):
            other.__dict__[name] = getattr(self, name)
        return other

    @cached_property
    def counting(self) -> Setting:
        """The same network on machines of one MAC per second, where nothing but MACs counts."""
        return replace(
            self,
            device=ComputeRate(1.0),
            edge=ComputeRate(1.0),
            convention=msgspec.structs.replace(
                self.convention, ops_per_mac=1, ops_per_pool_tap=0, ops_per_element=0
            ),
            compression={},  # what a codec saves is no promise, and limits are
        )

    def whole_problem(self) -> Problem:
        """The unsplit network as one path: cut ``o`` in ``1 … depth + 1``, no tail.

        Cut 1 offloads everything, cut ``depth + 1`` keeps everything on the device.
        """
        depth = self.graph.depth
        device, edge = self._device_layers_s, self._edge_layers_s
        cuts = range(1, depth + 2)
        device_s = [
            sum(device[: cut - 1]) + (self.device.call_overhead_s if cut > 1 else 0) for cut in cuts
        ]
        edge_s = [
            sum(edge[cut - 1 :]) + (self.edge.call_overhead_s if cut <= depth else 0)
            for cut in cuts
        ]
        encode_s, sent, decode_s = np.array([self.crossing(cut) for cut in cuts]).T
        messages = self.link.messages(sent[None])
        return self.assemble(
            class_of=(0,),
            device_ns=nanoseconds(np.array([device_s]) + encode_s + messages.device_s),
            link_ns=nanoseconds(messages.link_s),
            edge_ns=nanoseconds(np.array([edge_s]) + decode_s + messages.edge_s),
            tail_ns=0,
        )

    def crossing(self, cut: int) -> Crossing:
        """What it takes to bring all that a cut (1-based) sends over, on whole maps."""
        return cut_crossing(self.graph, cut, self.convention, self.compression)

    def path_costs(self, tau: int, grids: Sequence[Grid]) -> Iterator[PathCosts]:
        """Costs of the paths of several grids over fused layer ``tau``."""
        return path_costs(
            self.graph,
            tau,
            grids,
            device=self.device,
            edge=self.edge,
            convention=self.convention,
            compression=self.compression,
        )

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

    def _tilings_at(self, tau: int, grid: Grid | None) -> tuple[Tiled, ...]:
        if (tau, grid) not in self._tiled:
            rows, cols = self.graph.fused_size(tau, 0), self.graph.fused_size(tau, 1)
            grids = [Grid(k, k) for k in range(1, min(rows, cols) + 1)]
            if grid is not None:
                grids = [grid] if grid.rows <= rows and grid.cols <= cols else []
            costs = self.path_costs(tau, grids) if grids else ()
            self._tiled[tau, grid] = tuple(self.tiled(item) for item in costs)
        return self._tiled[tau, grid]

    @cached_property
    def _tiled(self) -> dict[tuple[int, Grid | None], tuple[Tiled, ...]]:
        return {}

    def tiled(self, costs: PathCosts) -> Tiled:
        """Costs of paths in nanoseconds, with the tail behind them."""
        return Tiled(
            costs=costs,
            device_ns=nanoseconds(costs.device_s),
            edge_ns=nanoseconds(costs.edge_s),
            counts=costs.counts,
            tail_ns=ns(self.tail_s(costs.tau)),
        )

    def tail_s(self, tau: int) -> float:
        """Seconds of the layers behind ``tau`` on the edge server."""
        call_s = self.edge.call_overhead_s if tau < self.graph.depth else 0.0
        return sum(self._edge_layers_s[tau:]) + call_s

    def down_s(self, *, in_parts: bool) -> float:
        """Seconds of what returns after all paths: the result, or the delay of its last part."""
        if not self.convention.counts_result:
            return 0.0
        size = 0 if in_parts else result_bytes(self.graph, self.convention)
        return size / self.link.down_bytes_per_s + self.link.delay_s

    def times_ns(self, tiled: Tiled) -> tuple[IntArray, IntArray, IntArray]:
        """Times of a tiling on device, link and edge server, by class and cut."""
        messages = self.link.messages(tiled.costs.up_bytes, paths=tiled.grid.paths)
        return (
            tiled.device_ns + nanoseconds(messages.device_s),
            nanoseconds(messages.link_s),
            tiled.edge_ns + nanoseconds(messages.edge_s),
        )

    def tiled_problem(self, tiling: Tiled | PathCosts) -> Problem:
        """The scheduling problem of one grid: cuts ``1 … tau + 1``."""
        tiled = tiling if isinstance(tiling, Tiled) else self.tiled(tiling)
        device_ns, link_ns, edge_ns = self.times_ns(tiled)
        return self.assemble(
            class_of=tuple(tiled.costs.class_of.tolist()),
            device_ns=device_ns,
            link_ns=link_ns,
            edge_ns=edge_ns,
            tail_ns=tiled.tail_ns,
        )

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
                compression=self.compression,
            )
        return self._tile_costs[tau]

    @cached_property
    def _tile_costs(self) -> dict[int, TileCosts]:
        return {}

    def problem(self, tau: int, grid: Grid, sizes: TileSizes | None = None) -> Problem:
        """The problem of a plan: of the whole network for one path with ``tau = depth``."""
        if grid.paths == 1 and tau == self.graph.depth and sizes is None:
            return self.whole_problem()
        return self.tiled_problem(self.costs(tau, grid, sizes))

    def costs(self, tau: int, grid: Grid, sizes: TileSizes | None = None) -> PathCosts:
        """Costs of the paths of one grid, of unequal tiles where sizes are given."""
        if sizes is not None:
            return self.tile_costs(tau).of(sizes)
        return next(iter(self.path_costs(tau, [grid])))

    @cached_property
    def _device_layers_s(self) -> list[float]:
        return self._layer_seconds(self.device)

    @cached_property
    def _edge_layers_s(self) -> list[float]:
        return self._layer_seconds(self.edge)

    def _layer_seconds(self, machine: Machine) -> list[float]:
        return [
            machine.layer_s(self.graph, index, self.convention)
            for index in range(1, self.graph.depth + 1)
        ]

    def assemble(
        self,
        *,
        class_of: tuple[int, ...],
        device_ns: IntArray,
        link_ns: IntArray,
        edge_ns: IntArray,
        tail_ns: int,
        back_ns: IntArray | None = None,
    ) -> Problem:
        """A problem of these times, with what link and convention add to it.

        The delay is paid once on the way back, by what returns last.
        """
        return Problem(
            class_of=class_of,
            device_ns=device_ns,
            link_ns=link_ns,
            edge_ns=edge_ns,
            tail_ns=tail_ns,
            back_ns=back_ns if self.convention.counts_result else None,
            down_ns=ns(self.down_s(in_parts=back_ns is not None)),
            delay_ns=ns(self.link.delay_s),
            edge_workers=self.convention.edge_workers,
            shared_link=self.convention.shared_link,
        )
