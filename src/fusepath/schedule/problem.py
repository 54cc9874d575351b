"""The scheduling problem alone: paths, cuts and integer times. No network, no clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusepath.arrays import IntArray

    Table = list[list[int]]

NS_PER_S = 1_000_000_000
LONGEST_S = 1e5


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Choose an order and a cut for every path so that the last result comes early.

    A permutation flow shop whose processing times depend on the chosen cut: every path visits
    device, link and edge server in this order (paper Eq. 4–6). Times are integer nanoseconds, so
    that ties are ties and bounds compare exactly. Equal paths share a class; arrays are indexed
    [class, cut − 1].
    """

    class_of: tuple[int, ...]
    """Class of each path (0-based)."""
    device_ns: IntArray
    link_ns: IntArray
    edge_ns: IntArray
    head_ns: int = 0
    """What the device computes before all paths. It comes on top of everything: algorithms leave it
    out, and know the time from when it is done."""
    tail_ns: int = 0
    """What the edge server computes once all paths have come together."""
    back_ns: IntArray | None = None
    """Sending a path's part of the result back; None where the result returns in one piece."""
    down_ns: int = 0
    """Sending what returns after all paths, the result or the last bit of its parts; not paid when
    nothing was sent up."""
    finish_ns: int = 0
    """What the device computes once all is there, its own paths and what has returned."""
    delay_ns: int = 0
    """From the end of a transmission to the start of work at the edge server."""
    edge_workers: int = 1
    """0: as many as there are paths."""
    shared_link: bool = True
    chained: bool = False
    """Every path goes on from what the one before it has computed, as strips do: paths are computed
    in the order of their numbers, and the edge server takes them up one at a time in that order,
    however many workers it has."""

    @property
    def paths(self) -> int:
        """Number of paths."""
        return len(self.class_of)

    @property
    def cuts(self) -> int:
        """Number of cuts a path can choose from, ``1 … cuts``."""
        return int(self.device_ns.shape[1])

    @property
    def servers(self) -> int:
        """Paths that can be on the edge server at the same time; 0: all of them."""
        return 1 if self.chained else self.edge_workers

    @cached_property
    def members(self) -> tuple[tuple[int, ...], ...]:
        """Paths (0-based) of each class, ascending."""
        groups: list[list[int]] = [[] for _ in range(len(self.device_ns))]
        for path, kind in enumerate(self.class_of):
            groups[kind].append(path)
        return tuple(tuple(group) for group in groups)

    @cached_property
    def times(self) -> tuple[Table, Table, Table]:
        """Device, link and edge server by class and cut, as lists: quick to look things up in."""
        return self.device_ns.tolist(), self.link_ns.tolist(), self.edge_ns.tolist()

    @cached_property
    def back_times(self) -> Table:
        """Times of the way back by class and cut; zeros where nothing returns in parts."""
        back_ns = np.zeros_like(self.device_ns) if self.back_ns is None else self.back_ns
        times: Table = back_ns.tolist()
        return times

    def restricted(self, cuts: int) -> Problem:
        """The same problem with only the first ``cuts`` cuts allowed."""
        return replace(
            self,
            device_ns=self.device_ns[:, :cuts],
            link_ns=self.link_ns[:, :cuts],
            edge_ns=self.edge_ns[:, :cuts],
            back_ns=None if self.back_ns is None else self.back_ns[:, :cuts],
        )


def problem_of_paths(
    paths: Sequence[Sequence[tuple[float, float]]],
    *,
    device_per_s: float,
    edge_per_s: float,
    bytes_per_s: float,
    tail: Sequence[float] = (),
) -> Problem:
    """A problem written by hand, as the paper writes its examples.

    Args:
        paths: for every path, for every layer, (amount of computation d, size c of the layer's
            input), as in the paper's Fig. 2; all paths have the same number of layers.
        device_per_s: d per second on the device.
        edge_per_s: d per second on the edge server.
        bytes_per_s: c per second on the link.
        tail: d of the layers after the paths.
    """
    device, link, edge = [], [], []
    for layers in paths:
        work = [d for d, _ in layers]
        device.append([ns(sum(work[:cut]) / device_per_s) for cut in range(len(layers))])
        link.append([ns(size / bytes_per_s) for _, size in layers])
        edge.append([ns(sum(work[cut:]) / edge_per_s) for cut in range(len(layers))])
    return Problem(
        class_of=tuple(range(len(device))),
        device_ns=np.array(device, dtype=np.int64),
        link_ns=np.array(link, dtype=np.int64),
        edge_ns=np.array(edge, dtype=np.int64),
        tail_ns=ns(sum(tail) / edge_per_s),
    )


def ns(seconds: float) -> int:
    """Seconds as whole nanoseconds.

    Raises:
        InputError: longer than anybody would plan for.
    """
    return int(nanoseconds(np.array(seconds)))


def nanoseconds(seconds: NDArray[np.float64]) -> IntArray:
    """Seconds as whole nanoseconds, small enough that sums over many paths stay exact.

    Raises:
        InputError: longer than anybody would plan for.
    """
    longest_s = float(np.max(seconds, initial=0.0))
    if not longest_s <= LONGEST_S:
        raise InputError(
            f"one step would take {longest_s:.3g} s; at most {LONGEST_S:g} s are planned: check "
            f"the rates of device, edge server and link"
        )
    return np.rint(seconds * NS_PER_S).astype(np.int64)
