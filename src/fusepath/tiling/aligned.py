"""Which part of each map one dynamic-shape session really computes for a tile.

One session serves every tile of a layer range: it keeps the original pads, is fed a piece of the
input map and computes whatever comes out of it; the wanted part is cropped from the result. Pads
that the session adds inside the image spoil rows that nobody asked for.

That is exact when the piece is *aligned*: let ``M`` be a common multiple of the strides of all
maps in the range, and let the piece leave out ``A`` pixels at the beginning and ``B`` pixels at
the end, both multiples of ``M`` and counted in pixels of the network's input. Then a map of stride
``s`` loses exactly ``A/s`` elements at its beginning and ``B/s`` at its end, because a window's
output size satisfies ``f(n − m·stride) = f(n) − m``. So all branches keep matching sizes, output
``j`` of the session is output ``A/s + j`` of the network, and at an image border the session sees
the very border the network sees. Elements between the aligned piece and the part that was sent are
never read by wanted outputs and may hold anything; the edge server fills them with zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusepath.tiling.interval import Intervals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.graph import ModelGraph


def aligned_regions(
    graph: ModelGraph, first: int, last: int, needed: Mapping[str, Intervals], *, axis: int
) -> dict[str, Intervals]:
    """Part of every map of layers ``first … last`` that a session computes for each tile.

    Args:
        graph: the network; the range must lie in its tileable prefix.
        first: first layer of the range, 1-based.
        last: last layer, included.
        needed: what the tiles need of each map (`needed_regions`).
        axis: 0 for rows, 1 for columns.

    Returns:
        Intervals by tensor name, for all inputs, inner maps and outputs of the range.
    """
    multiple = graph.layer_strides(first, last)[axis]
    operators = graph.operators(first, last)
    made = {out for op in operators for out in op.outputs}
    sources = {name for op in operators for name in op.inputs if name not in made}

    begins, ends = [], []
    for name in sources:
        stride, size = graph.strides[name][axis], graph.tensors[name].size(axis)
        begins.append(needed[name].start * stride)
        ends.append((size - needed[name].stop) * stride)
    begin = np.minimum.reduce(begins) // multiple * multiple
    end = np.minimum.reduce(ends) // multiple * multiple

    regions = {}
    for name in made | sources:
        stride, size = graph.strides[name][axis], graph.tensors[name].size(axis)
        regions[name] = Intervals(begin // stride, size - end // stride)
    return regions
