"""A network and the machines it runs on: from costs to scheduling problems."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost import (
    RUNTIME,
    Convention,
    Link,
    Machine,
    PathCosts,
    cut_bytes,
    overhead_s,
    path_costs,
    result_bytes,
)
from fusepath.plan.problem import NS_PER_S, Problem, ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from fusepath.graph import ModelGraph
    from fusepath.tiling import Grid


@dataclass(frozen=True, kw_only=True)
class Setting:
    """All that a plan depends on besides the planner's own choices."""

    graph: ModelGraph
    device: Machine
    edge: Machine
    link: Link
    convention: Convention = RUNTIME

    def whole_problem(self) -> Problem:
        """The unsplit network as one path: cut ``o`` in ``1 … depth + 1``, no tail.

        Cut 1 offloads everything, cut ``depth + 1`` keeps everything on the device.
        """
        depth = self.graph.depth
        device, edge = self._device_layers_s, self._edge_layers_s
        cuts = range(1, depth + 2)
        device_s = [
            sum(device[: cut - 1]) + (overhead_s(self.device) if cut > 1 else 0) for cut in cuts
        ]
        edge_s = [
            sum(edge[cut - 1 :]) + (overhead_s(self.edge) if cut <= depth else 0) for cut in cuts
        ]
        sent = [cut_bytes(self.graph, cut, self.convention) for cut in cuts]
        return self._problem(
            class_of=(0,),
            device_s=np.array([device_s]),
            up_bytes=np.array([sent], dtype=np.int64),
            edge_s=np.array([edge_s]),
            tail_s=0.0,
        )

    def path_costs(self, tau: int, grids: Sequence[Grid]) -> Iterator[PathCosts]:
        """Costs of the paths of several grids over fused layer ``tau``."""
        return path_costs(
            self.graph,
            tau,
            grids,
            device=self.device,
            edge=self.edge,
            convention=self.convention,
        )

    def tiled_problem(self, costs: PathCosts) -> Problem:
        """The scheduling problem of one grid: cuts ``1 … tau + 1``."""
        tail_s = sum(self._edge_layers_s[costs.tau :])
        if costs.tau < self.graph.depth:
            tail_s += overhead_s(self.edge)
        return self._problem(
            class_of=tuple(costs.class_of.tolist()),
            device_s=costs.device_s,
            up_bytes=costs.up_bytes,
            edge_s=costs.edge_s,
            tail_s=tail_s,
        )

    def problem(self, tau: int, grid: Grid) -> Problem:
        """The problem of a plan: of the whole network for one path with ``tau = depth``."""
        if grid.paths == 1 and tau == self.graph.depth:
            return self.whole_problem()
        return self.tiled_problem(next(iter(self.path_costs(tau, [grid]))))

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

    def _problem(
        self,
        *,
        class_of: tuple[int, ...],
        device_s: NDArray[np.float64],
        up_bytes: NDArray[np.int64],
        edge_s: NDArray[np.float64],
        tail_s: float,
    ) -> Problem:
        down_s = 0.0
        if self.convention.counts_result:
            size = result_bytes(self.graph, self.convention)
            down_s = size / self.link.down_bytes_per_s + self.link.delay_s
        return Problem(
            class_of=class_of,
            device_ns=_ns(device_s),
            link_ns=_ns(up_bytes / self.link.up_bytes_per_s),
            edge_ns=_ns(edge_s),
            tail_ns=ns(tail_s),
            down_ns=ns(down_s),
            delay_ns=ns(self.link.delay_s),
            edge_workers=self.convention.edge_workers,
            shared_link=self.convention.shared_link,
        )


def _ns(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(seconds * NS_PER_S).astype(np.int64)
