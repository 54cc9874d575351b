"""The algorithms there are: those of fusepath, and those that other packages add to them.

An algorithm is an `Algorithm`. Packages announce theirs as entry points of the group
``fusepath.algorithms``; those of fusepath are announced in the same form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from fusepath.errors import AlgorithmError
from fusepath.schedule.budget import Budget

if TYPE_CHECKING:
    from fusepath.plan.candidate import Candidate
    from fusepath.plan.search import Search
    from fusepath.plan.timing import Timing

    Find = Callable[[Timing, Search], Candidate]
    """Finds the best schedule that the search's request allows.

    Spends its meter, one for every schedule that is looked at, and stops where `Meter.is_over`.
    Raises InfeasibleError where nothing keeps to the request's constraints, UndecidedError where
    the budget ended before anything was found. What it returns has a bound of what it may choose,
    or 0 where it knows none.
    """

GROUP = "fusepath.algorithms"
_UNLIMITED = Budget()


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A way to plan; ``tiles`` says whether a grid and a fused layer mean anything to it."""

    search: Find
    tiles: bool
    unequal: bool = False
    """Whether it can choose the sizes of tiles."""
    budget: Budget = _UNLIMITED
    """What it usually takes."""
    forwards: bool = False
    """Whether it sends the input as the file that it comes in, and so needs there to be one."""


def _own(name: str, attribute: str) -> EntryPoint:
    return EntryPoint(name=name, value=f"fusepath.plan.built_in:{attribute}", group=GROUP)


BUILT_IN = {
    point.name: point
    for point in (
        _own("device-only", "DEVICE_ONLY"),
        _own("full-offload", "FULL_OFFLOAD"),
        _own("nfl", "NFL"),
        _own("forward", "FORWARD"),
        _own("mw", "MW"),
        _own("bf", "BF"),
        _own("jps", "JPS"),
        _own("psomw", "PSOMW"),
        _own("exact", "EXACT"),
        _own("streamed-cut", "STREAMED_CUT"),
        _own("stream", "STREAM"),
        _own("auto", "AUTO"),
    )
}


class _Registry(Mapping[str, Algorithm]):
    """Algorithms by name, fusepath's first; imported when they are asked for.

    A package that takes the name of one of fusepath's is not heard.
    """

    def __getitem__(self, name: str) -> Algorithm:
        """One algorithm.

        Raises:
            KeyError: there is none of that name.
            AlgorithmError: a package announces it, but it cannot be loaded or is none.
        """
        point = BUILT_IN.get(name) or self._added[name]
        try:
            found = point.load()
        except Exception as error:  # whatever a package of others raises
            raise AlgorithmError(
                f"algorithm '{name}' ({point.value}) cannot be loaded: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not isinstance(found, Algorithm):
            raise AlgorithmError(
                f"algorithm '{name}' ({point.value}) is no fusepath.plan.Algorithm, but a "
                f"{type(found).__name__}"
            )
        return found

    def __contains__(self, name: object) -> bool:
        return name in BUILT_IN or name in self._added

    def __iter__(self) -> Iterator[str]:
        return iter([*BUILT_IN, *self._added])

    def __len__(self) -> int:
        return len(BUILT_IN) + len(self._added)

    @cached_property
    def _added(self) -> dict[str, EntryPoint]:
        """Those of other packages; asked for once, since it takes some milliseconds."""
        found = sorted(entry_points(group=GROUP), key=lambda point: point.name)
        return {point.name: point for point in found if point.name not in BUILT_IN}


ALGORITHMS: Mapping[str, Algorithm] = _Registry()
