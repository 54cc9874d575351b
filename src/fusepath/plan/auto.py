"""Auto: the best of all families of plans, each of which is searched once."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from fusepath.errors import (
    InfeasibleError,
    InputError,
    NoPlanError,
    UndecidedError,
    UnsupportedOperatorError,
)
from fusepath.plan.candidate import Candidate, ranked
from fusepath.plan.families.sections import search_behind
from fusepath.plan.families.single_cut import no_fused_layers
from fusepath.plan.families.strips import search_stream, search_streamed_cut
from fusepath.plan.families.tiles import improve_minimizing_waiting, search_minimizing_waiting
from fusepath.plan.fluid import later_bounds, section_bound
from fusepath.plan.plan import MAX_PATHS
from fusepath.schedule.problem import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusepath.plan.search import Search
    from fusepath.plan.timing import Timing

_SIZES_EVALUATIONS = 30_000
"""Strips are mostly better than tiles of any sizes, so ``auto`` does not look long for those."""
_STREAMED_CUT_EVALUATIONS = 60_000
"""What `streamed-cut` by itself usually takes."""
_OF_WHAT_IS_LEFT = 0.4
"""Share of the budget that is left for each search in a section, where there are several."""
_TO_ONE_SEGMENT = 0.05
"""Share of the budget for `streamed-cut` where there are several sections: strips look at one
segment as well."""
_TO_STRIPS = 0.7
"""Share of the budget for strips where no single cut keeps to the constraints, and tiles may."""


def search_auto(timing: Timing, search: Search) -> Candidate:
    """The best of all families within a budget: never worse than the best single cut.

    Where no single cut keeps to the constraints, the others are tried until one does.

    Single cuts, also streamed, then strips; then strips and equal tiles that begin in later
    sections, the one with the least bound first; then MW's equal tiles, and unequal ones around.

    Raises:
        InputError: a grid or a fused layer was asked for.
        InfeasibleError: nothing was found that keeps to the constraints.
        UndecidedError: the budget ended before anything was found.
    """
    return _Families(timing, search).best


def search_shortlist(timing: Timing, search: Search) -> Candidate:
    """What `search_auto` finds, then the best single cut, both ends and MW's equal tiles.

    These others need not be the next best.

    Raises:
        InputError: a grid or a fused layer was asked for.
        InfeasibleError: nothing was found that keeps to the constraints.
        UndecidedError: the budget ended before anything was found.
    """
    families = _Families(timing, search)
    best = families.best
    beside: list[Candidate] = []
    if not search.request.start and families.single_cuts is not None:
        nfl, *later = families.single_cuts.all
        ends = ((timing.setting.graph.depth + 1,), (1,))
        beside += [nfl, *(item for item in later if item.cuts in ends)]
    if (
        not search.request.start
        and families.equal_tiles is not None
        and families.equal_tiles.arrangement.paths <= MAX_PATHS
    ):
        beside.append(replace(families.equal_tiles, others=()))
    return replace(best, others=tuple(beside)).rated(best.lower_bound_ns, families.evaluated)


class _Families:
    """The families of plans of a setting: each is searched when first asked for, and never again.

    None stands for a family in which nothing was found.
    """

    def __init__(self, timing: Timing, search: Search) -> None:
        if search.request.grid is not None or search.request.tau is not None:
            raise InputError("auto chooses for itself: leave out grid and tau")
        self._timing, self._search = timing, search
        self._bounds_ns: dict[int, int] = {}
        """By the start of a section, what no plan that begins there beats."""
        self._found: list[Candidate] = []
        self._reasons: list[NoPlanError] = []

    @property
    def evaluated(self) -> int:
        """Plans that were looked at so far."""
        return sum(found.evaluated for found in self._found)

    @cached_property
    def best(self) -> Candidate:
        """The best plans of all families that there is time for."""
        for _ in self._in_turn():
            bound_ns = min(self._bounds_ns.values())
            proven = any(found.schedule.makespan_ns <= bound_ns for found in self._found)
            late = self._search.meter.is_over
            if self._found and (late or (proven and self._search.request.top == 1)):
                break
        if not self._found:
            raise self._nothing()
        least_ns = min(self._bounds_ns.values())
        return ranked(self._found, self._search.request.top).rated(least_ns, self.evaluated)

    def _in_turn(self) -> Iterator[Candidate | None]:
        setting, meter = self._timing.setting, self._search.meter
        start = self._search.request.start
        if start:
            self._bounds_ns[start] = (
                section_bound(setting.behind(start), meter=meter)
                .behind(self._timing.prices.head_ns(start) / NS_PER_S)
                .bound_ns
            )
            yield from self._begun_at(start)
            return
        self._bounds_ns[0] = section_bound(setting, meter=meter).bound_ns
        singles = self.single_cuts
        if start is None:
            below_s = math.inf if singles is None else singles.schedule.makespan_ns / NS_PER_S
            later = later_bounds(setting, below_s=below_s, meter=meter)
            self._bounds_ns |= {at: bound.bound_ns for at, bound in later.items()}
        yield singles
        yield self.streamed_cut
        yield self.strips
        for at in self._promising:  # before tiles, which seldom win and prepare much
            if self._bounds_ns[at] < self._best_ns:
                yield from self._begun_at(at)
        yield self.equal_tiles
        yield self.unequal_tiles

    @property
    def _best_ns(self) -> float:
        """The makespan of the best plan so far."""
        return min((item.schedule.makespan_ns for item in self._found), default=math.inf)

    @property
    def _promising(self) -> list[int]:
        """Later sections in which something better may be found, least bound first."""
        starts = sorted(self._bounds_ns, key=lambda start: self._bounds_ns[start])
        return [at for at in starts if at > 0 and self._bounds_ns[at] < self._best_ns]

    def _begun_at(self, start: int) -> Iterator[Candidate | None]:
        """Strips and equal tiles of the rest of the network behind layer ``start``."""
        for family in (search_stream, search_minimizing_waiting):
            find = partial(search_behind, family, start=start)
            meter = self._search.meter.part(share=_OF_WHAT_IS_LEFT)
            yield self._searched(find, self._search.within(meter))

    @cached_property
    def single_cuts(self) -> Candidate | None:
        """All of them, best first."""
        every = self._search.asking(top=self._timing.setting.graph.depth + 1)
        return self._searched(no_fused_layers, every)

    @cached_property
    def streamed_cut(self) -> Candidate | None:
        """The best single cut, streamed."""
        share = _TO_ONE_SEGMENT if self._promising else _OF_WHAT_IS_LEFT
        meter = self._search.meter.part(evaluations=_STREAMED_CUT_EVALUATIONS, share=share)
        return self._searched(search_streamed_cut, self._search.within(meter))

    @cached_property
    def strips(self) -> Candidate | None:
        """Strips that reuse their halos."""
        share = _OF_WHAT_IS_LEFT if self._promising else 1.0
        if not self._found:
            share *= _TO_STRIPS
        return self._searched(
            search_stream, self._search.within(self._search.meter.part(share=share))
        )

    @cached_property
    def equal_tiles(self) -> Candidate | None:
        """MW's best; as much is spent on it once more where strips have left nothing."""
        meter = self._search.meter
        if self._promising:
            meter = meter.part(share=_OF_WHAT_IS_LEFT)
        search = self._search.within(meter.again()) if meter.is_over else self._search.within(meter)
        found = self._searched(search_minimizing_waiting, search)
        if search.meter is not meter:
            meter.spend(search.meter.spent)
        return found

    @cached_property
    def unequal_tiles(self) -> Candidate | None:
        """Candidate from equal ones."""
        if self.equal_tiles is None:
            return None
        improve = partial(improve_minimizing_waiting, equal=self.equal_tiles)
        meter = self._search.meter.part(evaluations=_SIZES_EVALUATIONS)
        return self._searched(improve, self._search.within(meter))

    def _searched(
        self, family: Callable[[Timing, Search], Candidate], search: Search
    ) -> Candidate | None:
        try:
            found = family(self._timing, search)
        except UnsupportedOperatorError:
            return None  # a network that cannot be tiled at all still has its single cut
        except NoPlanError as error:
            self._reasons.append(error.with_traceback(None))  # which holds all of the search
            return None
        self._found.append(found)
        return found

    def _nothing(self) -> NoPlanError:
        """Why there is no plan: the reason of the first family, unless the budget ended."""
        first = self._reasons[0]
        undecided = [error for error in self._reasons if isinstance(error, UndecidedError)]
        if undecided:
            return UndecidedError(f"{first}; {undecided[0]}")
        assert isinstance(first, InfeasibleError)
        return InfeasibleError(
            f"{first}; neither tiles nor strips were found that do", first.shortfalls
        )
