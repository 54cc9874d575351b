"""Which part of each map one dynamic-shape session really computes for a tile.

One session serves every tile of a layer range: it keeps the original pads, is fed a piece of the
input map and computes whatever comes out of it; the wanted part is cropped from the result. Pads
that the session adds inside the image spoil rows that nobody asked for.

That is exact when the piece is *aligned*: let ``M`` be a common multiple of the strides of all
maps in the range, and let the piece leave out ``A`` at the beginning and ``B`` at the end, both
multiples of ``M`` and no more than lies before and behind what is needed of any map of the range;
all counted in the unit of the strides, which may be a part of a pixel. Then a map of stride ``s``
loses exactly ``A/s`` elements at its beginning and ``B/s`` at its end, because every footprint is
invariant to shifts: ``f(n − m·inputs) = f(n) − m·outputs`` for the sizes of what it reads and
makes. So all branches keep matching sizes, output ``j`` of the session is output ``A/s + j`` of the
network, and at an image border the session sees the very border the network sees. What the session
pads, mirrors, cuts off or sums only in part inside the image are outputs that read beyond the
piece; wanted ones read only what is needed. Elements between the piece and what was sent are never
read by wanted outputs and may hold anything; the edge server fills them with zeros.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fusepath.graph import Border, Padding
from fusepath.tiling.interval import Intervals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.graph import ModelGraph

_ENDLESS = 2**62
"""A multiple that nothing reaches, so that nothing is left out."""


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
    operators = graph.operators(first, last)
    names = tuple(dict.fromkeys(name for op in operators for name in (*op.inputs, *op.outputs)))
    strides = np.array([graph.strides[name][axis] for name in names])[:, None]
    sizes = np.array([graph.tensors[name].size(axis) for name in names])[:, None]
    starts = np.stack([needed[name].start for name in names])
    stops = np.stack([needed[name].stop for name in names])
    multiple = min(math.lcm(*(graph.strides[name][axis] for name in names)), _ENDLESS)
    if any(len({graph.strides[name][axis] for name in op.inputs}) > 1 for op in operators):
        multiple = _ENDLESS  # of what two strides join nothing can be left out on both alike

    begin = (starts * strides).min(axis=0) // multiple * multiple
    end = ((sizes - stops) * strides).min(axis=0) // multiple * multiple
    for op in operators:
        footprint = op.footprints[axis]
        if isinstance(footprint, Padding) and footprint.border is Border.MIRROR:
            # A session cannot mirror more than it has.
            least = max(footprint.begin, footprint.end) + 1
            room = (footprint.size - least) * graph.strides[op.inputs[0]][axis]
            excess = -(-np.maximum(begin + end - room, 0) // multiple) * multiple
            back = np.minimum(excess, end)
            end, begin = end - back, begin - (excess - back)
    firsts, lasts = begin // strides, sizes - end // strides
    return {name: Intervals(firsts[at], lasts[at]) for at, name in enumerate(names)}
