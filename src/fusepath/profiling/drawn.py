"""Inputs to measure with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusepath.runtime.companions import blank_companions

if TYPE_CHECKING:
    from fusepath.arrays import Array
    from fusepath.graph import ModelGraph


def drawn_image(graph: ModelGraph) -> Array:
    """An image of random values in [0, 1); of zeros for integers, so that no index is too large.

    Shape and type are those of the network's input.
    """
    values = np.random.default_rng(0).random(graph.input.shape, dtype=np.float32)
    return values.astype(graph.input.dtype)


def drawn_inputs(graph: ModelGraph) -> dict[str, Array]:
    """The image and what else the network takes, by name."""
    return {graph.input.name: drawn_image(graph), **blank_companions(graph)}
