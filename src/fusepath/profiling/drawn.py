"""Inputs to measure with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusepath.runtime.companions import blank_companions

if TYPE_CHECKING:
    from fusepath.arrays import Array
    from fusepath.graph import ModelGraph, Tensor


def drawn_map(tensor: Tensor) -> Array:
    """Random values in [0, 1); zeros for integers, so that no index is too large.

    Shape and type are those of the tensor.
    """
    values = np.random.default_rng(0).random(tensor.shape, dtype=np.float32)
    return values.astype(tensor.dtype)


def drawn_image(graph: ModelGraph) -> Array:
    """The same for the network's input."""
    return drawn_map(graph.input)


def drawn_inputs(graph: ModelGraph) -> dict[str, Array]:
    """The image and what else the network takes, by name."""
    return {graph.input.name: drawn_image(graph), **blank_companions(graph)}
