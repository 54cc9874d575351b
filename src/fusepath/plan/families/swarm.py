"""PSO-MW: a particle swarm over fused layers and unequal tiles, with MW for order and cuts.

After H. Zhou, M. Li, N. Wang, G. Min and J. Wu, "Accelerating Deep Learning Inference via Model
Parallelism and Partial Computation Offloading", IEEE TPDS 34(2), 2023, doi
10.1109/TPDS.2022.3222509. From its abstract: the method "explores and updates the FL strategy,
path scheduling strategy, and path offloading strategy to reduce time complexity and avoid invalid
solutions". The fused-layer (FL) strategy is where the fused layers end and how they are divided;
Minimizing Waiting then gives order and cuts.

Ours, because the abstract leaves it open: how a particle is read (below), the swarm's size,
coefficients and stop, and that the tiles form a grid of unequal rows and columns. A position is a
point of a unit cube, so every position means a valid strategy:

* coordinate 0: the fused layer;
* coordinates 1 and 2: number of grid rows and of grid columns;
* then one weight per possible row and column: sizes are in proportion to the weights of the rows
  (columns) there are, each at least 1.

The coefficients are the usual constricted ones (Clerc and Kennedy 2002).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fusepath.errors import InfeasibleError, InputError, UndecidedError
from fusepath.plan.candidate import Candidate, ranked
from fusepath.plan.families.tile_sizes import SIZES_TRIED_EVALUATIONS
from fusepath.plan.limits.constrained import schedule_within
from fusepath.plan.limits.usage import TileUsage
from fusepath.schedule.budget import Budget
from fusepath.schedule.minimizing_waiting import minimizing_waiting
from fusepath.tiling import Tiles, check_tileable

if TYPE_CHECKING:
    from fusepath.arrays import FloatArray
    from fusepath.plan.limits.constraints import Constraints
    from fusepath.plan.search import Search
    from fusepath.plan.timing import Timing
    from fusepath.schedule.budget import Meter
    from fusepath.schedule.schedule import Schedule
    from fusepath.tiling import Sizes


class FusedLayers(Protocol):
    """What the swarm asks of a network and of the algorithm that schedules its tiles."""

    @property
    def last(self) -> int:
        """The largest fused layer (1-based); 0 when nothing can be tiled."""

    def size(self, tau: int) -> tuple[int, int]:
        """Rows and columns of fused layer ``tau``."""

    def schedule(self, tau: int, rows: Sizes, cols: Sizes) -> Schedule | None:
        """MW's schedule of a grid with these sizes; None if it may not be chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """Parameters of the search."""

    particles: int = 24
    rounds: int = 30
    inertia: float = 0.7298
    to_own_best: float = 1.4962
    to_best: float = 1.4962
    most_parts: int = 8
    """At most so many grid rows, and columns."""
    fastest: float = 0.25
    """Largest step along a coordinate."""


DEFAULT_SWARM = Swarm()


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmFound:
    """A strategy that the swarm met, with MW's schedule for it."""

    tau: int
    rows: Sizes
    cols: Sizes
    schedule: Schedule
    evaluated: int
    """Different strategies that MW was run on."""


_SEED = 0
_NEVER_NS = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class _Layers:
    """The fused layers of a setting; like MW's, their paths are offloaded before they end."""

    timing: Timing
    constraints: Constraints
    meter: Meter

    @property
    def last(self) -> int:
        return self.timing.setting.graph.tileable_layers

    def size(self, tau: int) -> tuple[int, int]:
        graph = self.timing.setting.graph
        return graph.fused_size(tau, 0), graph.fused_size(tau, 1)

    def schedule(self, tau: int, rows: Sizes, cols: Sizes) -> Schedule | None:
        tiles = Tiles(tau=tau, rows=rows, cols=cols)
        if not self.constraints.allows_paths(tiles.paths):
            return None
        self.meter.spend(SIZES_TRIED_EVALUATIONS + tiles.paths + len(rows) * len(cols) * tau)
        return schedule_within(
            self.timing.problem(tau, tiles.grid, tiles.sizes).restricted(tau),
            TileUsage(self.timing.prices.counts, tiles),
            self.constraints,
            lambda problem: (minimizing_waiting(problem), 0),
            self.meter,
        ).schedule


def search_swarm(timing: Timing, search: Search) -> Candidate:
    """PSO-MW with its default swarm and a fixed seed.

    Raises:
        InputError: a grid or a fused layer was asked for.
        UnsupportedOperatorError: the very first layer cannot be tiled.
    """
    if search.request.grid is not None or search.request.tau is not None:
        raise InputError("psomw chooses tiles and fused layer itself: leave out grid and tau")
    check_tileable(timing.setting.graph, 1)
    met = particle_swarm(
        _Layers(timing, search.request.constraints, search.meter),
        np.random.default_rng(_SEED),
        meter=search.meter,
    )
    return ranked((_found(swarm) for swarm in met), search.request.top)


def _found(swarm: SwarmFound) -> Candidate:
    return Candidate(
        arrangement=Tiles(tau=swarm.tau, rows=swarm.rows, cols=swarm.cols),
        schedule=swarm.schedule,
        lower_bound_ns=0,
        evaluated=swarm.evaluated,
    )


def particle_swarm(
    layers: FusedLayers,
    rng: np.random.Generator,
    swarm: Swarm = DEFAULT_SWARM,
    *,
    meter: Meter | None = None,
) -> list[SwarmFound]:
    """Search fused layers and tile sizes: all that was met, best first, on ties the first met.

    Args:
        layers: the network's fused layers and their costs.
        rng: the only source of chance.
        swarm: parameters.
        meter: what may be spent.

    Raises:
        InfeasibleError: no layer can be tiled, or nothing that was met may be chosen.
        UndecidedError: the budget ended before anything was met that may be.
    """
    meter = meter or Budget().begin()
    if layers.last < 1:
        raise InfeasibleError("psomw: no layer of this network can be tiled")
    met: dict[tuple[int, Sizes, Sizes], Schedule | None] = {}

    def makespan_ns(position: FloatArray) -> int:
        strategy = read_position(position, layers, swarm.most_parts)
        if strategy not in met and not meter.is_over:
            met[strategy] = layers.schedule(*strategy)
        schedule = met.get(strategy)
        return _NEVER_NS if schedule is None else schedule.makespan_ns

    shape = (swarm.particles, 3 + 2 * swarm.most_parts)
    position = rng.random(shape)
    position[::2, 3:] = 0.5  # half of them start with equal tiles
    velocity = rng.uniform(-swarm.fastest, swarm.fastest, shape)
    own, own_ns = position.copy(), np.array([makespan_ns(row) for row in position])
    for _ in range(swarm.rounds):
        if meter.is_over:
            break
        best = own[int(own_ns.argmin())]
        velocity = (
            swarm.inertia * velocity
            + swarm.to_own_best * rng.random(shape) * (own - position)
            + swarm.to_best * rng.random(shape) * (best - position)
        ).clip(-swarm.fastest, swarm.fastest)
        position = (position + velocity).clip(0.0, 1.0)
        reached_ns = np.array([makespan_ns(row) for row in position])
        better = reached_ns < own_ns
        own[better], own_ns[better] = position[better], reached_ns[better]
    found = [
        SwarmFound(tau=tau, rows=rows, cols=cols, schedule=schedule, evaluated=len(met))
        for (tau, rows, cols), schedule in met.items()
        if schedule is not None
    ]
    if not found and meter.cut_short:
        raise UndecidedError("psomw: the budget ended before the swarm met any tiles")
    if not found:
        raise InfeasibleError("psomw: the swarm met no tiles that keep to the constraints")
    return sorted(found, key=lambda item: item.schedule.makespan_ns)


def read_position(
    position: FloatArray, layers: FusedLayers, most_parts: int
) -> tuple[int, Sizes, Sizes]:
    """The strategy (τ, row sizes, column sizes) that a point of the unit cube means."""
    tau = 1 + _whole(position[0], layers.last)
    height, width = layers.size(tau)
    rows = 1 + _whole(position[1], min(most_parts, height))
    cols = 1 + _whole(position[2], min(most_parts, width))
    of_rows, of_cols = position[3 : 3 + most_parts], position[3 + most_parts :]
    return tau, in_proportion(height, of_rows[:rows]), in_proportion(width, of_cols[:cols])


def _whole(value: float, count: int) -> int:
    """One of ``0 … count − 1`` from a number in [0, 1]."""
    return min(int(value * count), count - 1)


def in_proportion(size: int, weights: FloatArray) -> Sizes:
    """Divide ``size`` into as many parts as there are weights, each at least 1.

    What is left over by rounding goes to the largest remainders, on ties to the first.
    """
    total = float(weights.sum())
    parts = len(weights)
    share = weights / total if total > 0 else np.full(parts, 1 / parts)
    wanted = share * (size - parts)
    sizes = 1 + np.floor(wanted).astype(np.int64)
    largest = np.argsort(np.floor(wanted) - wanted, kind="stable")
    sizes[largest[: size - int(sizes.sum())]] += 1
    return tuple(sizes.tolist())
