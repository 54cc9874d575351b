"""What the edge server would do of a plan, ready on this machine, for frames that it fails."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost import range_macs
from fusepath.offload.device import Finished
from fusepath.offload.emulation import wait_until
from fusepath.protocol.finishing import Remainder
from fusepath.runtime.companions import blank_companions
from fusepath.runtime.edge_share import EdgeShare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.arrays import Array
    from fusepath.offload.device import Device, PathAtCut
    from fusepath.runtime.edge_share import FusedLayer

_LEAST_SAVED = 0.1
"""Part of the network that the device must have done, or memory for the rest is not worth it."""
_ROUNDS = 2
_MOST_HELD_BYTES = 64 << 20
"""Of pieces that wait for the answer, or else the network is computed anew."""


def pays(device: Device) -> bool:
    """Whether what a plan leaves on the device is worth finishing, and little enough to hold."""
    graph = device.model.graph
    whole = range_macs(graph, 1, graph.depth)
    saves = device.plan.edge_macs < (1 - _LEAST_SAVED) * whole
    return saves and device.share.held_bytes <= _MOST_HELD_BYTES


def _whole_s(alone: Device) -> list[float]:
    """A few times that the whole network takes now."""
    graph, dtype = alone.model.graph, alone.plan.input.dtype
    image, companions = np.zeros(graph.input.shape, dtype), blank_companions(graph)
    times_s = []
    for _ in range(_ROUNDS):
        started_s = time.perf_counter()
        alone.share.compute(0, image, companions)
        times_s.append(time.perf_counter() - started_s)
    return times_s


class Finisher:
    """The edge server's share of a plan on this machine. Building it blocks.

    Args:
        device: this machine's share of the plan, which is ready; it computes both.
        alone: this machine, ready to compute the whole network.
    """

    def __init__(self, device: Device, alone: Device) -> None:
        self.device = device
        self._share = EdgeShare(device.model, device.plan.recipe, execution=device.execution)
        # Other things are done here meanwhile, to either as much: what counts is the proportion.
        before_s = _whole_s(alone)
        times = self._share.rehearse()
        usual = alone.alone_s / statistics.median(before_s + _whole_s(alone))
        self._from_cut_s = [time_s * usual for time_s in times.paths_s]
        self._tail_s = times.tail_s * usual
        self.remainder = Remainder(
            to_cut_s=device.expected_s,
            from_cut_s=self._from_cut_s,
            tail_s=self._tail_s + device.expected_tail_s,
            whole_s=alone.alone_s,
            predecessors=self._share.goes_on_from(),
        )
        """What finishing takes."""

    def new_fused(self) -> FusedLayer:
        """Room for the fused layer of one inference."""
        return self._share.new_fused()

    def macs(self, path: int) -> int:
        """Multiply-accumulates of a path (0-based) from its cut on."""
        return self._share.path_macs(path)

    @property
    def tail_macs(self) -> int:
        """Multiply-accumulates of what is behind the fused layer."""
        return self._share.tail_macs + self.device.share.tail_macs

    def take_on(self, path: int, at_cut: PathAtCut, fused: FusedLayer) -> tuple[float, float]:
        """Take a path (0-based) from its cut to the fused layer; when that began and ended."""
        start_s = time.perf_counter()
        self._share.compute(path, self.device.share.sent(path, at_cut.pieces), fused)
        self._stretch(start_s, self._from_cut_s[path])
        return start_s, time.perf_counter()

    def assemble(
        self,
        fused: FusedLayer,
        parts: Sequence[tuple[int, dict[str, Array]]],
        inputs: Mapping[str, Array],
    ) -> Finished:
        """The outputs.

        Args:
            fused: what was taken on.
            parts: by path (0-based), what was kept and what has returned.
            inputs: the whole image and its companions, by name in the graph.
        """
        start_s = time.perf_counter()
        if self._share.returning is not None:
            return self.device.finish({}, [*parts, *fused.parts.items()], inputs)
        outputs = self._share.compute_tail(fused)
        self._stretch(start_s, self._tail_s)
        return Finished(outputs, start_s, time.perf_counter())

    def _stretch(self, start_s: float, target_s: float) -> None:
        if self.device.emulation.slowdown > 1:
            wait_until(start_s + target_s)
