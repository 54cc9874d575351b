"""Values of a network's companions, where there are none yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fusepath.arrays import Array
    from fusepath.graph import ModelGraph


def blank_companions(graph: ModelGraph) -> dict[str, Array]:
    """Something to measure and warm up with: ones, as divisors are none of 0.

    Integers are 0, so that no index is out of bounds.
    """
    tensors = (graph.tensors[name] for name in graph.companions)
    return {
        tensor.name: np.full(tensor.shape, tensor.is_float, dtype=tensor.dtype)
        for tensor in tensors
    }
