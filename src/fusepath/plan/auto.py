"""Auto: the best of all families of plans, each of which is searched once."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from fusepath.errors import InfeasibleError, InputError, UnsupportedOperatorError
from fusepath.plan.candidate import Candidate, ranked
from fusepath.plan.families.single_cut import no_fused_layers
from fusepath.plan.families.strips import search_stream
from fusepath.plan.families.tiles import improve_minimizing_waiting, search_minimizing_waiting
from fusepath.plan.fluid import fluid_bound_ns
from fusepath.plan.plan import MAX_PATHS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusepath.plan.request import PlanRequest
    from fusepath.plan.timing import Timing

AUTO_LIMIT_S = 1.0
"""Seconds that ``auto`` looks for better plans; the single cuts are always looked at."""
_MOST_SIZES = 400
"""Strips are mostly better than tiles of any sizes, so ``auto`` does not look long for those."""


def search_auto(timing: Timing, search: PlanRequest) -> Candidate:
    """The best of all families within a time limit: never worse than the best single cut.

    Where no single cut keeps to the constraints, the others are tried until one does.

    Single cuts, then strips, then MW's equal tiles, then unequal ones around those.

    Raises:
        InputError: a grid or a fused layer was asked for.
        InfeasibleError: nothing was found that keeps to the constraints.
    """
    return _Families(timing, search).best


def search_shortlist(timing: Timing, search: PlanRequest) -> Candidate:
    """What `search_auto` finds, then the best single cut, both ends and MW's equal tiles.

    These others need not be the next best.

    Raises:
        InputError: a grid or a fused layer was asked for.
        InfeasibleError: nothing was found that keeps to the constraints.
    """
    families = _Families(timing, search)
    best = families.best
    beside: list[Candidate] = []
    if families.single_cuts is not None:
        nfl, *later = families.single_cuts.all
        ends = ((timing.setting.graph.depth + 1,), (1,))
        beside += [nfl, *(item for item in later if item.cuts in ends)]
    if families.equal_tiles is not None and families.equal_tiles.grid.paths <= MAX_PATHS:
        beside.append(replace(families.equal_tiles, others=()))
    return replace(best, others=tuple(beside)).rated(best.lower_bound_ns, families.evaluated)


class _Families:
    """The families of plans of a setting: each is searched when first asked for, and never again.

    None stands for a family in which nothing was found.
    """

    def __init__(self, timing: Timing, search: PlanRequest) -> None:
        if search.grid is not None or search.tau is not None:
            raise InputError("auto chooses for itself: leave out --grid and --tau")
        self._timing, self._search = timing, search
        self._limit_s = AUTO_LIMIT_S if search.time_limit_s is None else search.time_limit_s
        self._until_s = time.perf_counter() + self._limit_s
        self._found: list[Candidate] = []
        self._reason: InfeasibleError | None = None

    @property
    def evaluated(self) -> int:
        """Plans that were looked at so far."""
        return sum(found.evaluated for found in self._found)

    @cached_property
    def best(self) -> Candidate:
        """The best plans of all families that there is time for."""
        bound_ns = fluid_bound_ns(self._timing.setting)
        for _ in self._in_turn():
            proven = any(found.schedule.makespan_ns <= bound_ns for found in self._found)
            late = time.perf_counter() >= self._until_s
            if self._found and (late or (proven and self._search.top == 1)):
                break
        if not self._found:
            assert self._reason is not None  # single cuts can always be tried
            raise InfeasibleError(f"{self._reason}; neither tiles nor strips were found that do")
        return ranked(self._found, self._search.top).rated(bound_ns, self.evaluated)

    def _in_turn(self) -> Iterator[Candidate | None]:
        yield self.single_cuts
        yield self.strips
        yield self.equal_tiles
        yield self.unequal_tiles

    @cached_property
    def single_cuts(self) -> Candidate | None:
        """All of them, best first."""
        every = replace(self._search, top=self._timing.setting.graph.depth + 1)
        return self._searched(no_fused_layers, every)

    @cached_property
    def strips(self) -> Candidate | None:
        """Strips that reuse their halos."""
        return self._searched(search_stream, self._search)

    @cached_property
    def equal_tiles(self) -> Candidate | None:
        """MW's best."""
        return self._searched(search_minimizing_waiting, self._search)

    @cached_property
    def unequal_tiles(self) -> Candidate | None:
        """Candidate from equal ones."""
        if self.equal_tiles is None:
            return None
        improve = partial(improve_minimizing_waiting, equal=self.equal_tiles)
        return self._searched(improve, replace(self._search, most_sizes=_MOST_SIZES))

    def _searched(
        self, family: Callable[[Timing, PlanRequest], Candidate], search: PlanRequest
    ) -> Candidate | None:
        left_s = self._until_s - time.perf_counter()
        # Until something is found, and for what is asked for later, the limit starts anew.
        limit_s = left_s if self._found and left_s > 0 else self._limit_s
        try:
            found = family(self._timing, replace(search, time_limit_s=limit_s))
        except UnsupportedOperatorError:
            return None  # a network that cannot be tiled at all still has its single cut
        except InfeasibleError as error:
            self._reason = self._reason or error
            return None
        self._found.append(found)
        return found
