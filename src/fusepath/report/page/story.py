"""What a page tells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fusepath.tiling import layout
from fusepath.timeline import HEAD, Lane, critical_path

if TYPE_CHECKING:
    from fusepath.graph import ModelGraph
    from fusepath.plan import ComparedPlan, Plan
    from fusepath.report.page.rates import RateCurves
    from fusepath.tiling import Box
    from fusepath.timeline import Timeline

# Okabe and Ito's palette from cold to warm, told apart with any colour vision.
_COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#F0E442", "#E69F00", "#D55E00")
_WHITE_ON = {"#0072B2"}
OTHER_COLOUR = "#BBBBBB"
"""Of what belongs to no path."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """What a path (1-based) holds of the picture, as parts of its height and width."""

    path: int
    own: tuple[float, float, float, float]
    """Top, left, bottom, right of its own share."""
    held: tuple[float, float, float, float]
    """The same with the halo."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """A plan, what became of it, and what it is to be compared with."""

    plan: Plan
    graph: ModelGraph
    predicted: Timeline
    """By the cost model, or by what a run rehearsed."""
    measured: Timeline | None = None
    compared: tuple[ComparedPlan, ...] = ()
    curves: RateCurves | None = None
    picture: bytes | None = None
    """A JPEG of the input, as the model sees it."""

    @property
    def latency_s(self) -> float:
        """As measured, where it was."""
        return self.shown.end_s

    @property
    def shown(self) -> Timeline:
        """What happened, or what will."""
        return self.predicted if self.measured is None else self.measured

    @property
    def bound_s(self) -> float:
        """What no plan beats; of all families where several were compared."""
        return self.compared[0].lower_bound_s if self.compared else self.plan.lower_bound_s

    @property
    def best_single_cut(self) -> Plan | None:
        """The quickest of those compared, with codecs or without."""
        plans = [row.plan for row in self.compared if row.plan.algorithm == "nfl"]
        return min(plans, key=lambda plan: plan.makespan_s, default=None)

    def speed_up(self, plan: Plan) -> float | None:
        """How many times as fast as the best single cut a plan is, if anything takes time."""
        nfl = self.best_single_cut
        return None if nfl is None or not plan.makespan_s else nfl.makespan_s / plan.makespan_s

    @property
    def coded(self) -> str:
        """What a bound takes for granted: the codecs of the plan, where it has any."""
        return " with these codecs" if self.plan.codecs or self.plan.back_codecs else ""

    @cached_property
    def critical_s(self) -> dict[Lane, float]:
        """Seconds of the critical path by lane."""
        path = critical_path(self.shown)
        found = {lane: sum(s.duration_s for s in path if s.lane is lane) for lane in Lane}
        return {lane: seconds for lane, seconds in found.items() if seconds > 0}

    @cached_property
    def colours(self) -> dict[int, str]:
        """A colour for every cut: cold where it is early, warm where it is late."""
        cuts = sorted(set(self.plan.cuts))
        if len(cuts) == 1:
            return {cuts[0]: _COLOURS[1]}
        last = len(_COLOURS) - 1
        return {cut: _COLOURS[place * last // (len(cuts) - 1)] for place, cut in enumerate(cuts)}

    def colour(self, path: int | None) -> str:
        """That of a path (1-based); of the head, the tail and the result, grey."""
        return OTHER_COLOUR if path in {None, HEAD} else self.colours[self.plan.cut_of(path)]

    def ink(self, path: int | None) -> str:
        """What can be read on a path's colour."""
        return "#ffffff" if self.colour(path) in _WHITE_ON else "#000000"

    def where(self, cut: int) -> str:
        """Where a path with a cut runs, in words."""
        if cut > self.plan.tau:
            return "all on the device"
        if cut == 1:
            return "all on the edge server"
        name = self.graph.layers[cut - 1].name
        return f"on the edge server from layer {cut} ({name}) on"

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """Every path that holds some of the picture."""
        recipe = self.plan.recipe
        rest = recipe.rest.divided(self.graph.behind(recipe.start))
        arranged = layout(rest, recipe.rest.arrangement)
        source = rest.tensors[rest.source]
        if not source.is_map:
            return ()
        size = source.size(0), source.size(1)
        found = []
        for path in range(recipe.paths):
            held, own = arranged.box(path, rest.source), arranged.own_box(path, rest.source)
            if held is not None and own is not None:
                parts = _parts(own, size), _parts(held, size)
                found.append(Region(path=path + 1, own=parts[0], held=parts[1]))
        return tuple(found)


def _parts(box: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
    return (
        box.rows.start / size[0],
        box.cols.start / size[1],
        box.rows.stop / size[0],
        box.cols.stop / size[1],
    )
