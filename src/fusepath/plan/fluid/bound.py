"""The fluid bound: no plan of any family is faster, whatever its tiles, halos and order.

**What is bounded.** A plan divides the work of the tileable layers between device and edge server
by positions: each needed position of each layer's map is computed at least once, on either; data
crosses only upwards; the layers behind the tileable ones run whole on the edge server, once all
has arrived, unless the network is not divided at all. Where the network has later sections, plans
that begin there are bounded by themselves, behind what the device computes before. That covers one
cut for the whole network, grids of tiles with any cuts and any fused layer, and strips in any
number of segments, with halos computed twice, sent, or kept.

**The argument.** For layer ``i`` let ``a_i`` and ``b_i`` be the shares of its needed positions
that device and edge server compute, and for tensor ``t`` let ``c_t`` be the share that is sent.

* ``a_i + b_i ≥ 1``: somebody computes each needed position.
* ``a_t ≥ a_k`` when layer ``k`` reads tensor ``t`` proportionally (see `fluid_shares`): the device
  has what it reads only by computing it, and any set of positions of ``k`` needs at least its
  share of ``t``.
* ``c_t ≥ b_k − b_t`` for the same pairs: the edge server has what it reads by computing it or by
  receiving it. For the input ``a = 1`` and ``b = 0``; the layers behind read everything, ``b = 1``.
* The makespan is at least ``Σ a_i·device_i``, ``Σ c_t·link_t`` and ``Σ b_i·edge_i / workers``,
  because each machine does one thing at a time (a machine that does not limit, as unlimited
  workers and links of their own, counts for nothing).

Windows that leave positions unread, or have holes, only take terms out of this, never put any in.
Minimising the makespan under these constraints is a linear programme, so its optimum is a bound.
All constraints are differences of two unknowns, so for fixed weights of the three machines the
weighted mean of their loads is smallest at zeros and ones: a minimum cut. Any weights that sum to
one bound the makespan; the best ones are found by collecting cuts until they stop improving.

**With the tail on the device** what the edge server has made of the maps that lie before it comes
back, on a fourth machine, the way back. Some layers, one after the other to the last, run there
whole, so ``a_t ≥ a_k`` does not hold for them. Instead

* ``d_t ≥ a_k − a_t``: the device has what it reads by computing it or by its coming back; and
  ``d_t ≥ 1 − a_t`` for what the layers behind the tileable ones read.
* The makespan is at least ``Σ d_t·back_t``, too.

That is asked of all layers, whatever the fused one is, and the lower of the two bounds holds for
plans of both kinds.

What comes before and after: a plan that sends anything sends a message, which costs every machine
something besides what is in it, and is only done one link delay after that. When layers follow the
tileable ones, they start then, and the result (where it counts) is sent after them. When everything
can be tiled, the device may finish its part itself and results may return in parts, so the way back
counts as one more delay unless the caller says that the result comes back in one piece.
With the tail on the device, the layers behind the tileable ones run there when all has come back.

Plans that keep all tileable layers on the device may send less than that, or nothing. There are few
of them, so the fastest is known: one cut of the unsplit network behind these layers, or tiles that
leave out positions that nothing reads, and the rest on the device.

**Assumptions.** Costs are those of `MachineProfile` or `ComputeRate`: proportional to positions,
plus fixed times that only add. Tiles are charged for all they need (`Regions.NEEDED` or
``ALIGNED``); shares without halos that are rounded per layer (``SHARE``) can undercut the bound by
the rounding. Schedules in whole nanoseconds can undercut it by rounding, under 1 ns per transfer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fusepath.plan.fluid.min_cut import INFINITE, FlowNetwork
from fusepath.plan.fluid.shares import Shares, shares_of
from fusepath.plan.fluid.weights import best_weights_for
from fusepath.plan.recipe import TailPlace
from fusepath.plan.timing import Timing
from fusepath.schedule.budget import Budget
from fusepath.schedule.problem import NS_PER_S
from fusepath.schedule.schedule import evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.arrays import FloatArray
    from fusepath.plan.setting import Setting
    from fusepath.schedule.budget import Meter


_TOLERANCE = 1e-9
_MOST_ROUNDS = 200
_HAIR_NS = 1e-3
"""By what whole nanoseconds may be off after a detour over seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FluidBound:
    """A time that no plan beats, and where it comes from."""

    bound_s: float
    device_weight: float
    """Weights of the machines in the bound; a machine with weight 0 does not limit."""
    link_weight: float
    edge_weight: float
    back_weight: float = 0.0
    """Of the way back, where plans with their tail on the device decide."""
    shared_s: float
    """What the machines need at least while all of them work."""
    before_and_after_s: float
    """Delay, layers behind the tileable ones, result."""
    undivided_s: float
    """The fastest of the plans that keep all tileable layers on the device. They send at most one
    tensor behind them, so they may be faster than all others, and then they are the bound."""

    def behind(self, head_s: float) -> FluidBound:
        """The bound where layers come before all paths that take so long."""
        return replace(
            self,
            bound_s=self.bound_s + head_s,
            before_and_after_s=self.before_and_after_s + head_s,
            undivided_s=self.undivided_s + head_s,
        )

    @property
    def bound_ns(self) -> int:
        """In whole nanoseconds, rounded down so that it stays a bound."""
        return int(self.bound_s * NS_PER_S + _HAIR_NS)

    @property
    def binding(self) -> str:
        """The machine with the largest weight, or ``undivided``."""
        if self.undivided_s <= self.shared_s + self.before_and_after_s:
            return "undivided"
        weights = {
            "device": self.device_weight,
            "link": self.link_weight,
            "edge": self.edge_weight,
            "way back": self.back_weight,
        }
        return max(weights, key=lambda machine: weights[machine])


def fluid_bound_s(setting: Setting, *, whole_result: bool = False) -> float:
    """Seconds that no plan beats; see `fluid_bound`."""
    return fluid_bound(setting, whole_result=whole_result).bound_s


def fluid_bound_ns(setting: Setting, meter: Meter | None = None) -> int:
    """`fluid_bound_s` in whole nanoseconds."""
    return fluid_bound(setting, meter=meter).bound_ns


def fluid_bound(
    setting: Setting, *, whole_result: bool = False, meter: Meter | None = None
) -> FluidBound:
    """The fluid bound of a network as a whole: over all sections, and all plans that begin there.

    Args:
        setting: network, machines and link.
        whole_result: as of `section_bound`.
        meter: what may be spent.
    """
    best = section_bound(setting, whole_result=whole_result, meter=meter)
    later = later_bounds(setting, below_s=best.bound_s, whole_result=whole_result, meter=meter)
    return min((best, *later.values()), key=lambda bound: bound.bound_s)


def later_bounds(
    setting: Setting,
    *,
    below_s: float,
    whole_result: bool = False,
    meter: Meter | None = None,
) -> dict[int, FluidBound]:
    """By its start, the bound of every later section whose head alone takes less than a time.

    The device computes the head before all paths, and everything waits for that; so what comes
    before a section adds to the bound of the rest of the network.

    Args:
        setting: network, machines and link.
        below_s: seconds.
        whole_result: as of `section_bound`.
        meter: what may be spent.
    """
    graph, prices = setting.graph, Timing(setting).prices
    found: dict[int, FluidBound] = {}
    if not setting.convention.counts_untileable:  # then whatever lies behind a section is free
        return found
    for start in graph.starts[1:]:
        head_s = prices.head_ns(start) / NS_PER_S
        if head_s < below_s:
            rest = section_bound(setting.behind(start), whole_result=whole_result, meter=meter)
            found[start] = rest.behind(head_s)
    return found


def section_bound(
    setting: Setting, *, whole_result: bool = False, meter: Meter | None = None
) -> FluidBound:
    """The fluid bound of plans that begin at the input, over fused layers, tilings, orders, cuts.

    Where the budget ends, the best bound so far.

    Args:
        setting: network, machines and link.
        whole_result: also count the way back when everything can be tiled. Right for plans that
            return the result in one piece, as tilings with their tail on the edge server do; not
            for plans whose device finishes a part of the result by itself, which are left out.
        meter: what may be spent.
    """
    graph = setting.graph
    shares = shares_of(setting)
    timing = Timing(setting)
    undivided_s = _undivided_s(timing, shares)
    if graph.tileable_layers == 0:
        return FluidBound(
            bound_s=undivided_s,
            device_weight=0.0,
            link_weight=0.0,
            edge_weight=0.0,
            shared_s=undivided_s,
            before_and_after_s=0.0,
            undivided_s=undivided_s,
        )
    meter = meter or Budget().begin()
    last = graph.tileable_layers
    has_tail = last < graph.depth
    around_s = setting.link.delay_s + timing.down_s(in_parts=not (has_tail or whole_result))
    around_s += timing.prices.tail_s(last)
    weights, shared_s = _best_mean(setting, Division(shares, TailPlace.EDGE, has_tail), meter)
    if not whole_result:
        finish_s = (
            setting.link.delay_s + timing.down_s(in_parts=True) + timing.prices.finish_s(last)
        )
        division = Division(shares, TailPlace.DEVICE, has_tail)
        enough_s = min(shared_s + around_s, undivided_s) - finish_s
        other, other_s = _best_mean(setting, division, meter, enough_s)
        if other_s < enough_s:
            weights, shared_s, around_s = other, other_s, finish_s
    return FluidBound(
        bound_s=min(shared_s + around_s, undivided_s),
        device_weight=float(weights[0]),
        link_weight=float(weights[1]),
        edge_weight=float(weights[2]),
        back_weight=float(weights[3]),
        shared_s=shared_s,
        before_and_after_s=around_s,
        undivided_s=undivided_s,
    )


@dataclass(frozen=True, slots=True)
class Division:
    """What may be divided between the machines, and where it has to come together."""

    shares: Shares
    tail: TailPlace
    joined: bool
    """Whether layers follow that read everything."""

    @property
    def returns(self) -> bool:
        """Whether what the edge server has made may come back before the end."""
        return self.tail is TailPlace.DEVICE


def _undivided_s(timing: Timing, shares: Shares) -> float:
    """The fastest plan that computes all tileable layers on the device and does not divide them."""
    setting, problem = timing.setting, timing.whole_problem()
    depth, last = setting.graph.depth, setting.graph.tileable_layers
    whole_ns = min(
        evaluate(problem, (0,), (cut,)).makespan_ns for cut in range(last + 1, depth + 2)
    )
    tiles_s = sum(shares.device_s) + setting.device.piece_s(1, last) + timing.prices.finish_s(last)
    return min(whole_ns / NS_PER_S, tiles_s)


def message_loads_s(setting: Setting) -> FloatArray:
    """What the machines do for a single message up besides computing."""
    link = setting.link
    link_s = link.message_bytes / link.up_bytes_per_s
    return np.array([link.message_device_s, link_s, link.message_edge_s, 0.0])


def _best_mean(
    setting: Setting, division: Division, meter: Meter, enough_s: float = math.inf
) -> tuple[FloatArray, float]:
    """The best weights found, and the bound of those weights.

    Column generation: the best weights for the cuts known so far, then the cut that is smallest
    for these weights, until that cut is not smaller than the known ones, or large enough.
    """
    shares = division.shares
    on_shared_link = 1.0 if setting.convention.shared_link else 0.0
    limits = np.array(
        [
            1.0,
            on_shared_link,
            1 / setting.convention.edge_workers if setting.convention.edge_workers else 0.0,
            on_shared_link,
        ]
    )
    layers = len(shares.device_s)
    message_s = message_loads_s(setting) * limits
    loads = loads_of_cuts(division) * limits + message_s
    best_s, best_weights = 0.0, np.array([1.0, 0.0, 0.0, 0.0])
    for turn in range(_MOST_ROUNDS):
        meter.spend(layers**2)
        weights, known_s = best_weights_for(loads)
        if meter.is_over:
            if turn == 0:
                best_weights = weights
                best_s = _without_sending(shares, weights * limits) + float(weights @ message_s)
            break
        value_s, load = smallest_mean(division, weights * limits)
        value_s += float(weights @ message_s)
        if value_s > best_s:
            best_s, best_weights = value_s, weights
        if value_s >= min(known_s * (1 - _TOLERANCE), enough_s):
            break
        loads = np.vstack([loads, load * limits + message_s])
    return best_weights, best_s


def _without_sending(shares: Shares, weights: FloatArray) -> float:
    """A mean that no division undercuts, with nothing but that somebody computes each layer."""
    on_device, _, on_edge, _ = (float(weight) for weight in weights)
    both = zip(shares.device_s, shares.edge_s, strict=True)
    return sum(min(on_device * device_s, on_edge * edge_s) for device_s, edge_s in both)


def loads_of_cuts(division: Division) -> FloatArray:
    """Loads when layers ``1 … cut`` run on the device and the others on the edge server.

    Shape (cuts, machines), for ``cut = 0 … layers``.
    """
    shares = division.shares
    layers = len(shares.device_s)
    loads = np.zeros((layers + 1, 4))
    loads[1:, 0] = np.cumsum(shares.device_s)
    loads[:layers, 2] = np.cumsum(shares.edge_s[::-1])[::-1]
    for flow in shares.flows:
        joins = flow.joins and division.joined
        read_upto = layers + 1 if joins and not division.returns else max(flow.readers, default=0)
        loads[flow.born : read_upto, 1] += flow.seconds
        if division.returns and joins:
            loads[: flow.born, 3] += flow.back_s
    return loads


def _loads(
    division: Division, on_device: tuple[bool, ...], on_edge: tuple[bool, ...]
) -> tuple[float, ...]:
    shares = division.shares
    link = back = 0.0
    for flow in shares.flows:
        joins = flow.joins and division.joined
        if not (flow.born and on_edge[flow.born - 1]) and (
            (joins and not division.returns) or any(on_edge[at - 1] for at in flow.readers)
        ):
            link += flow.seconds
        if division.returns and flow.born and not on_device[flow.born - 1]:
            wanted = joins or any(on_device[at - 1] for at in flow.readers)
            back += flow.back_s if wanted else 0.0
    return (
        sum(t for t, there in zip(shares.device_s, on_device, strict=True) if there),
        link,
        sum(t for t, there in zip(shares.edge_s, on_edge, strict=True) if there),
        back,
    )


def smallest_mean(division: Division, weights: FloatArray) -> tuple[float, FloatArray]:
    """The smallest weighted mean of the loads of any division, and loads that attain it.

    Source side of a node: for ``device(i)`` that the device computes layer ``i``, for ``edge(i)``
    that the edge server does not, for a flow up that it is not needed there, for a flow back that
    it is needed here.
    """
    shares = division.shares
    on_device, on_link, on_edge, on_way_back = weights.tolist()
    layers, flows = len(shares.device_s), len(shares.flows)
    source, sink = 0, 1
    network = FlowNetwork(2 + 2 * layers + 2 * flows)
    for index in range(1, layers + 1):
        device, edge = 2 * index, 2 * index + 1
        network.add(device, sink, on_device * shares.device_s[index - 1])
        network.add(source, edge, on_edge * shares.edge_s[index - 1])
        network.add(edge, device, INFINITE)  # somebody computes it
    for at, flow in enumerate(shares.flows):
        node, back = 2 + 2 * layers + at, 2 + 2 * layers + flows + at
        born_on_device = 2 * flow.born if flow.born else source
        born_on_edge = 2 * flow.born + 1 if flow.born else source
        joins = flow.joins and division.joined
        up = [2 * reader + 1 for reader in flow.readers]
        up += [sink] if joins and not division.returns else []
        _join(network, [born_on_edge], node, up, on_link * flow.seconds)
        down = [2 * reader for reader in flow.readers] if flow.born else []
        if not division.returns:
            for device in down:
                network.add(device, born_on_device, INFINITE)
        elif flow.born:
            down += [source] if joins else []
            _join(network, down, back, [born_on_device], on_way_back * flow.back_s)
    value = network.send(source, sink)
    side = network.reachable(source)
    return value, np.array(
        _loads(
            division,
            tuple(side[2 * index] for index in range(1, layers + 1)),
            tuple(not side[2 * index + 1] for index in range(1, layers + 1)),
        )
    )


def _join(
    network: FlowNetwork, starts: Sequence[int], middle: int, ends: Sequence[int], capacity: float
) -> None:
    """All of some nodes, or a single one, with a single one, or all of some, by one capacity.

    ``middle`` is a node for where there are several. Most tensors have one reader and need none,
    so that ways through the network, and there are many rounds of these, have fewer steps.
    """
    match starts, ends:
        case [start], [end]:
            network.add(start, end, capacity)
        case [start], several:
            network.add(start, middle, capacity)
            for end in several:
                network.add(middle, end, INFINITE)
        case several, [end]:
            network.add(middle, end, capacity)
            for start in several:
                network.add(start, middle, INFINITE)
