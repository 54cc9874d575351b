"""What the layers before all paths leave of constraints for the paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fusepath.cost import range_macs
from fusepath.plan.limits.memory import element_bytes, weight_bytes, whole_bytes

if TYPE_CHECKING:
    from fusepath.graph import ModelGraph
    from fusepath.plan.limits.constraints import Constraints


def head_macs(graph: ModelGraph, start: int) -> int:
    """Multiply-accumulates of layers ``1 … start``."""
    return range_macs(graph, 1, start)


def left_by_head(constraints: Constraints, graph: ModelGraph, start: int) -> Constraints | None:
    """The constraints on the rest of a network; None where its head alone breaks them.

    Of memory the head takes its weights and the larger of what it holds and what it leaves, which
    is more than it needs where paths hold little.

    Args:
        constraints: on plans of the whole network.
        graph: the network.
        start: layers that the device computes before all paths.
    """
    if start == 0:
        return constraints
    entry = graph.frontier(start)
    if constraints.keep_on_device > 0 and graph.input.name in entry:
        return None
    macs, memory = constraints.device_macs, constraints.device_memory_bytes
    if macs is not None:
        macs -= head_macs(graph, start)
    if memory is not None:
        left = sum(graph.tensors[name].elements * element_bytes(graph, name) for name in entry)
        memory -= weight_bytes(graph, start + 1) + max(whole_bytes(graph, start + 1), left)
    if (macs is not None and macs < 0) or (memory is not None and memory < 0):
        return None
    return msgspec.structs.replace(
        constraints,
        device_macs=macs,
        device_memory_bytes=memory,
        keep_on_device=max(constraints.keep_on_device - start, 0),
    )
