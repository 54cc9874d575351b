"""What no plan on a shared link can beat, whatever a convention says about the rest."""

from __future__ import annotations

import itertools
from math import floor
from typing import TYPE_CHECKING

from fusepath.cost import TABLE1, cut_bytes, layer_macs

if TYPE_CHECKING:
    from fusepath.graph import ModelGraph

import msgspec

_ONE_BYTE = msgspec.structs.replace(
    TABLE1, input_bytes_per_element=1, activation_bytes_per_element=1
)


def shared_link_bound_ns(graph: ModelGraph, *, device_ops_per_s: float, bytes_per_s: float) -> int:
    """Least time in which device and link can do their parts, the edge server taking none.

    The most generous convention there is: tiles may be as small as one likes, need no halo, can
    be cut anywhere in the whole network, cost one operation per multiply-accumulate and travel
    with one byte per element; the edge server is infinitely fast. What is left is that the device
    computes one thing at a time and the link sends one byte at a time. With a fraction x_o of
    the network cut at layer o, the time is at least ``Σ x_o · ops(1 … o − 1) / f`` and at least
    ``Σ x_o · bytes(o) / R``; the least maximum of the two is a linear program with two rows, so at
    most two cuts share the work.
    """
    device = list(
        itertools.accumulate(
            (layer_macs(graph, index) / device_ops_per_s for index in range(1, graph.depth + 1)),
            initial=0.0,
        )
    )
    link = [cut_bytes(graph, cut, _ONE_BYTE) / bytes_per_s for cut in range(1, graph.depth + 2)]
    return floor(least_maximum_s(device, link) * 1e9)


def least_maximum_s(device_s: list[float], link_s: list[float]) -> float:
    """The least ``max(Σ x·device, Σ x·link)`` over fractions x that sum to one."""
    pairs = list(zip(device_s, link_s, strict=True))
    best = min(max(pair) for pair in pairs)
    sends = [(d, c) for d, c in pairs if c > d]
    computes = [(d, c) for d, c in pairs if d > c]
    for (d_1, c_1), (d_2, c_2) in itertools.product(sends, computes):
        # The mix in which both machines take equally long.
        share = (d_2 - c_2) / ((d_2 - c_2) + (c_1 - d_1))
        best = min(best, share * d_1 + (1 - share) * d_2)
    return best
