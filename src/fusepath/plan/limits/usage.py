"""What an arrangement takes of the device and the link: MACs, bytes sent up, memory.

Each kind of arrangement has a class of its own; a quantity is worked out when it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost import cut_bytes, range_macs
from fusepath.plan.limits.memory import strip_bytes, tile_bytes, weight_bytes, whole_bytes
from fusepath.plan.totals import strip_totals
from fusepath.tiling import Tiling, strip_tiling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.arrays import BoolArray, FloatArray, IntArray
    from fusepath.cost import Convention, Counts, PathCosts
    from fusepath.graph import ModelGraph
    from fusepath.plan.limits.constraints import Constraints
    from fusepath.plan.totals import PlanTotals
    from fusepath.tiling import Strips, Tiles


@dataclass(frozen=True, slots=True)
class WholeUsage:
    """The unsplit network, cut before one layer (1-based)."""

    graph: ModelGraph
    convention: Convention
    cut: int

    @property
    def device_macs(self) -> int:
        """Multiply-accumulates of the layers before the cut."""
        return range_macs(self.graph, 1, self.cut - 1)

    @property
    def up_bytes(self) -> int:
        """Bytes that cross the cut."""
        return cut_bytes(self.graph, self.cut, self.convention)

    @property
    def memory_bytes(self) -> int:
        """Weights before the cut, and the largest set of maps alive at once."""
        return weight_bytes(self.graph, self.cut) + whole_bytes(self.graph, self.cut)


@dataclass(frozen=True)
class TileUsage:
    """Every path of a tiling with every cut ``1 … tau + 1``; arrays are indexed [path, cut − 1]."""

    counts: Counts
    arrangement: Tiles

    @cached_property
    def _counted(self) -> PathCosts:
        """Multiply-accumulates and bytes of all paths."""
        tiles = self.arrangement
        return self.counts.tiles(tiles.tau, tiles.sizes)

    @cached_property
    def device_macs(self) -> FloatArray:
        """Multiply-accumulates on the device, halos counted; a share may have parts of one."""
        macs: FloatArray = self._counted.device[self._counted.class_of]
        return macs

    @cached_property
    def up_bytes(self) -> IntArray:
        """Bytes sent up."""
        sent: IntArray = self._counted.up_bytes[self._counted.class_of]
        return sent

    @cached_property
    def maps_bytes(self) -> IntArray:
        """Memory for maps while the device computes the path."""
        graph, tiles = self.counts.graph, self.arrangement
        tiling = Tiling(graph, tiles.tau, tiles.grid, tiles.sizes)
        return np.stack([tile_bytes(graph, tiling, cut) for cut in self._cuts], axis=1)

    @cached_property
    def weight_bytes(self) -> IntArray:
        """Weights of the device's sub-model, by cut."""
        weights = [weight_bytes(self.counts.graph, cut) for cut in self._cuts]
        return np.array(weights, dtype=np.int64)

    @property
    def _cuts(self) -> range:
        return range(1, self.arrangement.tau + 2)

    @property
    def alone_bytes(self) -> IntArray:
        """Memory if the path were the only one: maps, and the weights of its sub-model."""
        return self.maps_bytes + self.weight_bytes

    def private(self, constraints: Constraints) -> BoolArray:
        """Which cuts send what has to stay on the device."""
        graph = self.counts.graph
        never = np.array([not constraints.allows_cut(graph, cut) for cut in self._cuts])
        return np.tile(never, (self.arrangement.paths, 1))

    def too_large(self, constraints: Constraints) -> BoolArray:
        """Which cuts need too much memory, whatever the other paths do."""
        limit = constraints.device_memory_bytes
        if limit is None:
            return np.zeros((self.arrangement.paths, self.arrangement.tau + 1), dtype=bool)
        return self.alone_bytes > limit

    def choose(self, cuts: Sequence[int]) -> ChosenUsage:
        """What these cuts (1-based, by path) take together."""
        return ChosenUsage(self, np.array(cuts) - 1)


@dataclass(frozen=True, slots=True)
class ChosenUsage:
    """Tiles with a cut each."""

    tiles: TileUsage
    chosen: IntArray
    """Cut − 1 of every path."""

    def _sum(self, table: IntArray | FloatArray) -> int:
        return round(float(table[np.arange(len(self.chosen)), self.chosen].sum()))

    @property
    def device_macs(self) -> int:
        """Multiply-accumulates on the device, halos counted."""
        return self._sum(self.tiles.device_macs)

    @property
    def up_bytes(self) -> int:
        """Bytes sent up."""
        return self._sum(self.tiles.up_bytes)

    @property
    def memory_bytes(self) -> int:
        """Weights of one sub-model for every cut there is, and maps of the largest path."""
        maps = self.tiles.maps_bytes[np.arange(len(self.chosen)), self.chosen]
        weights = self.tiles.weight_bytes[np.unique(self.chosen)]
        return int(weights.sum()) + int(maps.max())


@dataclass(frozen=True)
class StripUsage:
    """Segments of strips."""

    graph: ModelGraph
    convention: Convention
    arrangement: Strips

    @cached_property
    def _work(self) -> PlanTotals:
        return strip_totals(self.graph, self.arrangement, self.convention)

    @property
    def device_macs(self) -> int:
        """Multiply-accumulates on the device."""
        return self._work.device_macs

    @property
    def up_bytes(self) -> int:
        """Bytes sent up."""
        return self._work.up_bytes

    @cached_property
    def memory_bytes(self) -> int:
        """Weights of all sub-models, and what the largest strip holds, cached rows included."""
        return strip_bytes(strip_tiling(self.graph, self.arrangement))
