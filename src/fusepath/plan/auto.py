"""Auto: the best of all families of plans, each of which is searched once."""

from __future__ import annotations

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
from fusepath.plan.families.single_cut import no_fused_layers
from fusepath.plan.families.strips import search_stream
from fusepath.plan.families.tiles import improve_minimizing_waiting, search_minimizing_waiting
from fusepath.plan.fluid import fluid_bound_ns
from fusepath.plan.plan import MAX_PATHS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusepath.plan.search import Search
    from fusepath.plan.timing import Timing

_SIZES_EVALUATIONS = 30_000
"""Strips are mostly better than tiles of any sizes, so ``auto`` does not look long for those."""
_TO_STRIPS = 0.7
"""Share of the budget for strips where no single cut keeps to the constraints, and tiles may."""


def search_auto(timing: Timing, search: Search) -> Candidate:
    """The best of all families within a budget: never worse than the best single cut.

    Where no single cut keeps to the constraints, the others are tried until one does.

    Single cuts, then strips, then MW's equal tiles, then unequal ones around those.

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
    if families.single_cuts is not None:
        nfl, *later = families.single_cuts.all
        ends = ((timing.setting.graph.depth + 1,), (1,))
        beside += [nfl, *(item for item in later if item.cuts in ends)]
    if families.equal_tiles is not None and families.equal_tiles.arrangement.paths <= MAX_PATHS:
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
        self._found: list[Candidate] = []
        self._reasons: list[NoPlanError] = []

    @property
    def evaluated(self) -> int:
        """Plans that were looked at so far."""
        return sum(found.evaluated for found in self._found)

    @cached_property
    def best(self) -> Candidate:
        """The best plans of all families that there is time for."""
        bound_ns = fluid_bound_ns(self._timing.setting, self._search.meter)
        for _ in self._in_turn():
            proven = any(found.schedule.makespan_ns <= bound_ns for found in self._found)
            late = self._search.meter.is_over
            if self._found and (late or (proven and self._search.request.top == 1)):
                break
        if not self._found:
            raise self._nothing()
        return ranked(self._found, self._search.request.top).rated(bound_ns, self.evaluated)

    def _in_turn(self) -> Iterator[Candidate | None]:
        yield self.single_cuts
        yield self.strips
        yield self.equal_tiles
        yield self.unequal_tiles

    @cached_property
    def single_cuts(self) -> Candidate | None:
        """All of them, best first."""
        every = self._search.asking(top=self._timing.setting.graph.depth + 1)
        return self._searched(no_fused_layers, every)

    @cached_property
    def strips(self) -> Candidate | None:
        """Strips that reuse their halos."""
        share = 1.0 if self._found else _TO_STRIPS
        return self._searched(
            search_stream, self._search.within(self._search.meter.part(share=share))
        )

    @cached_property
    def equal_tiles(self) -> Candidate | None:
        """MW's best; as much is spent on it once more where strips have left nothing."""
        meter = self._search.meter
        search = self._search.within(meter.again()) if meter.is_over else self._search
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
            self._reasons.append(error)
            return None
        self._found.append(found)
        return found

    def _nothing(self) -> NoPlanError:
        """Why there is no plan: the reason of the first family, unless the budget ended."""
        first = self._reasons[0]  # single cuts can always be tried
        undecided = [error for error in self._reasons if isinstance(error, UndecidedError)]
        if undecided:
            return UndecidedError(f"{first}; {undecided[0]}")
        assert isinstance(first, InfeasibleError)
        return InfeasibleError(
            f"{first}; neither tiles nor strips were found that do", first.shortfalls
        )
