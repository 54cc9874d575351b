"""What parts of a network compute and send, counted: MACs and bytes, and no machine."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from fusepath.cost.latency import Charge
from fusepath.cost.operations import positions
from fusepath.cost.paths import PathCosts, TileCosts
from fusepath.cost.strips import StripPrices, strip_prices

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusepath.cost.convention import Convention
    from fusepath.graph import ModelGraph
    from fusepath.tiling import TileSizes


class _Macs:
    """What a position is charged where MACs are asked for and not seconds."""

    strip_factor = strip_ahead_factor = 1.0

    def charges(self, graph: ModelGraph, convention: Convention) -> tuple[Charge, ...]:  # noqa: ARG002 - MACs are MACs
        return tuple(
            Charge(layer.index, op.counted, op.work.macs)
            for layer in graph.layers[: graph.tileable_layers]
            for op in layer.operators
            if op.work.macs > 0 and positions(graph, op) > 0
        )

    def piece_s(self, first: int, last: int) -> float:  # noqa: ARG002 - nothing is fixed
        return 0.0


MACS = _Macs()


class Counts:
    """MACs and bytes of the paths of a network; what a codec saves is no promise, so none counts.

    What tiles and strips compute is charged in MACs, so `PathCosts` and `StripPrices` hold these in
    place of seconds.
    """

    def __init__(self, graph: ModelGraph, convention: Convention) -> None:
        self.graph, self.convention = graph, convention
        self._tiles: dict[int, TileCosts] = {}

    def meet(self, tau: int, several: Iterable[TileSizes]) -> None:
        """Work out at once what these tiles need, which is quicker than one grid after another."""
        self._at(tau).meet(several)

    def tiles(self, tau: int, sizes: TileSizes) -> PathCosts:
        """Of the paths of one grid of tiles."""
        return self._at(tau).of(sizes)

    def _at(self, tau: int) -> TileCosts:
        graph, convention = self.graph, self.convention
        if tau not in self._tiles:
            self._tiles[tau] = TileCosts(graph, tau, device=MACS, edge=MACS, convention=convention)
        return self._tiles[tau]

    @cached_property
    def strips(self) -> StripPrices:
        """Of a row of every map."""
        return strip_prices(self.graph, device=MACS, edge=MACS, convention=self.convention)
