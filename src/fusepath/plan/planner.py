"""From a setting to a plan: each algorithm searches fused layers, grids, orders and cuts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict, Unpack

from fusepath.errors import InputError
from fusepath.plan.auto import search_auto
from fusepath.plan.build import build_plan
from fusepath.plan.families.single_cut import device_only, full_offload, no_fused_layers
from fusepath.plan.families.strips import search_stream
from fusepath.plan.families.swarm import search_swarm
from fusepath.plan.families.tiles import (
    search_brute_force,
    search_exact,
    search_johnson,
    search_minimizing_waiting,
)
from fusepath.plan.fluid import fluid_bound_ns
from fusepath.plan.plan import InputFormat, Plan
from fusepath.plan.request import PlanRequest, SearchOptions
from fusepath.plan.timing import Prices, Timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.plan.candidate import Candidate
    from fusepath.plan.setting import Setting


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A way to plan; ``tiles`` says whether a grid and a fused layer mean anything to it."""

    search: Callable[[Timing, PlanRequest], Candidate]
    tiles: bool
    unequal: bool = False
    """Whether it can choose the sizes of tiles."""


ALGORITHMS = {
    "device-only": Algorithm(device_only, tiles=False),
    "full-offload": Algorithm(full_offload, tiles=False),
    "nfl": Algorithm(no_fused_layers, tiles=False),
    "mw": Algorithm(search_minimizing_waiting, tiles=True, unequal=True),
    "bf": Algorithm(search_brute_force, tiles=True),
    "jps": Algorithm(search_johnson, tiles=True, unequal=True),
    "psomw": Algorithm(search_swarm, tiles=False),
    "exact": Algorithm(search_exact, tiles=True, unequal=True),
    "stream": Algorithm(search_stream, tiles=False),
    "auto": Algorithm(search_auto, tiles=False),
}


class Described(TypedDict, total=False):
    """What is written into a plan and not planned by."""

    source: str
    """Where the model came from."""
    mean: tuple[float, ...]
    """Subtracted from the pixels of a uint8 image, per channel or once for all; 0 without."""
    std: tuple[float, ...]
    """Divides them; 255 without."""


class PlanOptions(SearchOptions, Described, total=False):
    """What can be asked of the planner beside setting and algorithm."""

    prices: Prices | None
    """What is known of the same network and machines on other links."""


def make_plan(setting: Setting, algorithm: str, **options: Unpack[PlanOptions]) -> Plan:
    """The best plan that an algorithm finds.

    Args:
        setting: network, machines, link and convention.
        algorithm: a key of `ALGORITHMS`.
        options: `PlanOptions`, by keyword; all of them can be left out.

    Raises:
        InputError: no such algorithm, or it does not tile.
        GeometryError: ``tau`` or ``grid`` do not fit the network.
        UnsupportedOperatorError: ``tau`` lies behind an operator that needs whole maps.
        InfeasibleError: no tiling fits, or none keeps to the constraints.
    """
    return make_plans(setting, algorithm, **options)[0]


def make_plans(
    setting: Setting, algorithm: str, *, top: int = 1, **options: Unpack[PlanOptions]
) -> tuple[Plan, ...]:
    """The best plans that an algorithm meets, best first; fewer than ``top`` where it meets fewer.

    An algorithm keeps one plan per single cut, tiling or, of strips, fused layer and number of
    segments. Options and errors are those of `make_plan`.
    """
    if algorithm not in ALGORITHMS:
        raise InputError(
            f"there is no algorithm '{algorithm}'; known ones are {', '.join(ALGORITHMS)}"
        )
    return plans_of(setting, algorithm, ALGORITHMS[algorithm].search, top=top, **options)


def plans_of(
    setting: Setting,
    algorithm: str,
    find: Callable[[Timing, PlanRequest], Candidate],
    *,
    top: int = 1,
    source: str = "",
    mean: tuple[float, ...] = (0.0,),
    std: tuple[float, ...] = (255.0,),
    prices: Prices | None = None,
    **choices: Unpack[SearchOptions],
) -> tuple[Plan, ...]:
    """All that a search finds, as plans of an algorithm."""
    search = PlanRequest(top=top, **choices)
    if search.unequal and not ALGORITHMS[algorithm].unequal:
        able = ", ".join(name for name, item in ALGORITHMS.items() if item.unequal)
        raise InputError(
            f"algorithm '{algorithm}' does not choose the sizes of tiles; these do: {able}"
        )
    search.constraints.check(setting.graph)
    started_s = time.perf_counter()
    timing = Timing(setting, prices)
    found = find(timing, search)
    if found.lower_bound_ns == 0:  # where nothing else is known, what holds for all plans does
        found = found.rated(fluid_bound_ns(setting), found.evaluated)
    search_s = time.perf_counter() - started_s
    form = InputFormat(
        dtype="uint8" if setting.convention.input_bytes_per_element == 1 else "float32",
        mean=mean,
        std=std,
    )
    return tuple(
        build_plan(timing, algorithm, item, search, source=source, form=form, search_s=search_s)
        for item in found.all
    )
