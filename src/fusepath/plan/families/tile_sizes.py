"""Tiles of unequal sizes: found from equal ones by moving, joining and splitting rows and columns.

A tile in the middle needs halos on both sides, one at the border does not; the first path makes the
link wait, the last one the edge server. So the best tiles are not equal. Nothing is known of how
the makespan depends on the sizes, so this is a descent: as long as one change is better, take the
best change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fusepath.cost import cut_bytes
from fusepath.plan.limits.constrained import schedule_within
from fusepath.plan.limits.usage import TileUsage
from fusepath.tiling import Grid, Tiles, TileSizes, even_sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusepath.plan.candidate import Candidate
    from fusepath.plan.limits.constraints import Constraints
    from fusepath.plan.search import Search
    from fusepath.plan.setting import Setting
    from fusepath.schedule.budget import Meter
    from fusepath.schedule.problem import Problem
    from fusepath.schedule.schedule import Schedule
    from fusepath.tiling import Sizes

    Solve = Callable[[Problem, int | None, Meter], tuple[Schedule | None, int]]

SIZES_EVALUATIONS = 500_000
"""What descents may spend where nobody says."""
SIZES_TRIED_EVALUATIONS = 100
_STEPS = (8, 4, 2, 1)
_SHAPES = (Grid(1, 1), Grid(2, 1), Grid(4, 1), Grid(8, 1), Grid(2, 2), Grid(3, 3))
"""Grids that a descent starts from at every fused layer worth it; strips have the least halo."""
_MOST_TAUS = 6
_MOST_PARTS = 24


@dataclass(slots=True)
class _Descent:
    """The best sizes so far, and how many were tried."""

    setting: Setting
    constraints: Constraints
    solve: Solve
    last_cut: bool
    meter: Meter
    keeps_grid: bool
    best: Candidate
    tried: int = 0

    @property
    def is_over(self) -> bool:
        return self.meter.is_over

    def try_sizes(self, tau: int, sizes: TileSizes, limit_ns: int | None) -> int | None:
        """Makespan of the schedule of these sizes; None if it would exceed a limit."""
        tiles = Tiles.of(tau, sizes)
        problem = self.setting.problem(tau, tiles.grid, sizes)
        if not self.last_cut:
            problem = problem.restricted(tau)
        self.tried += 1
        self.meter.spend(SIZES_TRIED_EVALUATIONS + len(problem.device_ns) * tau)
        schedule = schedule_within(
            problem,
            TileUsage(self.setting, tiles),
            self.constraints,
            lambda problem: self.solve(problem, limit_ns, self.meter),
            self.meter,
        ).schedule
        if schedule is None:
            return None
        if schedule.makespan_ns < self.best.schedule.makespan_ns:
            self.best = replace(self.best, arrangement=tiles, schedule=schedule)
        return schedule.makespan_ns

    def descend(self, tau: int, start: TileSizes) -> None:
        """Change one row or column at a time for as long as that is better."""
        here, here_ns = start, self.try_sizes(tau, start, None)
        while here_ns is not None:
            moves = [
                sizes
                for sizes in _neighbours(here, keeps_grid=self.keeps_grid)
                if self.constraints.allows_paths(Grid(*sizes.grid).paths)
            ]
            self.meter.spend(len(moves))
            self.setting.tile_costs(tau).meet(moves)
            best = None
            for sizes in moves:
                if self.is_over:
                    return
                limit_ns = here_ns - 1 if best is None else best[0] - 1
                reached_ns = self.try_sizes(tau, sizes, limit_ns)
                if reached_ns is not None and reached_ns <= limit_ns:
                    best = (reached_ns, sizes)
            if best is None:
                return
            here_ns, here = best


def improve_sizes(
    setting: Setting, search: Search, equal: Candidate, solve: Solve, *, last_cut: bool
) -> Candidate:
    """The best tiles found by descents from equal ones; never worse than those.

    ``evaluated`` counts what the descents tried, and no bound is known.

    Args:
        setting: network, machines and link.
        search: a grid keeps the numbers of rows and columns that it starts from; a fused layer is
            kept.
        equal: the best equal tiles.
        solve: schedules one tiling within a makespan.
        last_cut: whether cut ``tau + 1`` may be chosen.
    """
    descent = _Descent(
        setting=setting,
        constraints=search.request.constraints,
        solve=solve,
        last_cut=last_cut,
        meter=search.meter,
        keeps_grid=search.request.grid is not None,
        best=equal,
    )
    for tau in _worthwhile(setting, search, equal):
        height, width = setting.graph.fused_size(tau, 0), setting.graph.fused_size(tau, 1)
        shapes = {equal.grid, *_SHAPES} if search.request.grid is None else {search.request.grid}
        for grid in sorted(shapes):
            fits = grid.rows <= height and grid.cols <= width
            if fits and search.request.constraints.allows_paths(grid.paths) and not descent.is_over:
                sizes = TileSizes(even_sizes(height, grid.rows), even_sizes(width, grid.cols))
                descent.descend(tau, sizes)
    return replace(descent.best, others=(), lower_bound_ns=0, evaluated=descent.tried)


def _worthwhile(setting: Setting, search: Search, equal: Candidate) -> list[int]:
    """Fused layers to look at: that of the best equal tiles, and those that send least."""
    if search.request.tau is not None:
        return [search.request.tau]
    graph = setting.graph
    taus = range(max(search.request.constraints.keep_on_device, 1), graph.tileable_layers + 1)
    others = sorted(taus, key=lambda tau: (cut_bytes(graph, tau + 1, setting.convention), tau))
    return [equal.tau, *(tau for tau in others if tau != equal.tau)][:_MOST_TAUS]


def _neighbours(sizes: TileSizes, *, keeps_grid: bool) -> Iterator[TileSizes]:
    for rows in _changed(sizes.rows, keeps_grid=keeps_grid):
        yield TileSizes(rows, sizes.cols)
    for cols in _changed(sizes.cols, keeps_grid=keeps_grid):
        yield TileSizes(sizes.rows, cols)


def _changed(sizes: Sizes, *, keeps_grid: bool) -> Iterator[Sizes]:
    """One border moved; without ``keeps_grid`` also two neighbours joined, or one part halved."""
    for at in range(len(sizes) - 1):
        one, other = sizes[at], sizes[at + 1]
        for step in (*_STEPS, *(-step for step in _STEPS)):
            if one + step >= 1 and other - step >= 1:
                yield (*sizes[:at], one + step, other - step, *sizes[at + 2 :])
        if not keeps_grid:
            yield (*sizes[:at], one + other, *sizes[at + 2 :])
    if not keeps_grid and len(sizes) < _MOST_PARTS:
        for at, size in enumerate(sizes):
            if size > 1:
                yield (*sizes[:at], size // 2, size - size // 2, *sizes[at + 1 :])
