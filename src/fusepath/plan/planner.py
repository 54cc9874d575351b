"""From a setting to a plan: each algorithm searches fused layers, grids, orders and cuts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict, Unpack

from fusepath.errors import InfeasibleError, InputError
from fusepath.plan.auto import search_auto, search_shortlist
from fusepath.plan.compressed import plans_with_and_without
from fusepath.plan.fluid import fluid_bound_ns
from fusepath.plan.found import Found, Search, SearchOptions
from fusepath.plan.offload import MAX_PATHS, InputFormat, ModelReference, Plan
from fusepath.plan.problem import NS_PER_S
from fusepath.plan.psomw import search_swarm
from fusepath.plan.single_cut import device_only, full_offload, no_fused_layers
from fusepath.plan.stream import search_stream
from fusepath.plan.tilings import (
    search_brute_force,
    search_exact,
    search_johnson,
    search_minimizing_waiting,
)
from fusepath.plan.work import work_of
from fusepath.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fusepath.cost import Compression
    from fusepath.plan.setting import Setting


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A way to plan; ``tiles`` says whether a grid and a fused layer mean anything to it."""

    search: Callable[[Setting, Search], Found]
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
    return _plans(setting, algorithm, ALGORITHMS[algorithm].search, top=top, **options)


def _plans(
    setting: Setting,
    algorithm: str,
    find: Callable[[Setting, Search], Found],
    *,
    top: int = 1,
    source: str = "",
    mean: tuple[float, ...] = (0.0,),
    std: tuple[float, ...] = (255.0,),
    **choices: Unpack[SearchOptions],
) -> tuple[Plan, ...]:
    """All that a search finds, as plans of an algorithm."""
    search = Search(top=top, **choices)
    if search.unequal and not ALGORITHMS[algorithm].unequal:
        able = ", ".join(name for name, item in ALGORITHMS.items() if item.unequal)
        raise InputError(
            f"algorithm '{algorithm}' does not choose the sizes of tiles; these do: {able}"
        )
    search.constraints.check(setting.graph)
    started_s = time.perf_counter()
    found = find(setting, search)
    if found.lower_bound_ns == 0:  # where nothing else is known, what holds for all plans does
        found = found.rated(fluid_bound_ns(setting), found.evaluated)
    search_s = time.perf_counter() - started_s
    form = InputFormat(
        dtype="uint8" if setting.convention.input_bytes_per_element == 1 else "float32",
        mean=mean,
        std=std,
    )
    return tuple(
        _plan(setting, algorithm, item, search, source=source, form=form, search_s=search_s)
        for item in found.all
    )


def _plan(
    setting: Setting,
    algorithm: str,
    found: Found,
    search: Search,
    *,
    source: str,
    form: InputFormat,
    search_s: float,
) -> Plan:
    if found.grid.paths > MAX_PATHS:
        raise InfeasibleError(
            f"the best plan has {found.grid.paths} paths, but machines take at most {MAX_PATHS}; "
            f"use a smaller grid"
        )
    graph = setting.graph
    work = work_of(setting, found)
    return Plan(
        fusepath_version=VERSION,
        model=ModelReference(
            name=graph.name, sha256=graph.sha256, source=source, input_shape=graph.input.shape
        ),
        algorithm=algorithm,
        convention=setting.convention,
        device=setting.device,
        edge=setting.edge,
        link=setting.link,
        input=form,
        constraints=search.constraints,
        tau=found.tau,
        grid=(found.grid.rows, found.grid.cols),
        tile_rows=found.sizes.rows if found.sizes is not None else (),
        tile_cols=found.sizes.cols if found.sizes is not None else (),
        order=tuple(path + 1 for path in found.schedule.order),
        cuts=found.cuts,
        segments=found.segments,
        compression={
            name: setting.compression[name]
            for name in sorted({name for cut in found.cuts for name in graph.sent(cut)})
            if name in setting.compression
        },
        makespan_s=found.schedule.makespan_ns / NS_PER_S,
        lower_bound_s=found.lower_bound_ns / NS_PER_S,
        device_macs=work.device_macs,
        edge_macs=work.edge_macs,
        up_bytes=work.up_bytes,
        plans_evaluated=found.evaluated,
        search_s=search_s,
        timeline=found.schedule.timeline(),
    )


_WORTH_A_REHEARSAL = 1.3


def shortlist(setting: Setting, **options: Unpack[PlanOptions]) -> list[Plan]:
    """``auto``'s plan and what could turn out better once measured, most promising first.

    Costs of layers add up only nearly to those of sub-models, so plans of other kinds that are
    predicted to take not much longer are worth rehearsing beside it (`execute.rehearsal.choose`).

    Args:
        setting: network, machines, link and convention.
        options: of `make_plan`; grid and fused layer are left to the algorithms.

    Raises:
        InfeasibleError: nothing was found that keeps to the constraints.
    """
    different: dict[tuple[object, ...], Plan] = {}
    for plan in _plans(setting, "auto", search_shortlist, **options):
        different.setdefault(plan.arrangement, plan)
    return _promising(different.values())


def worth_trying(
    setting: Setting,
    offered: Mapping[str, Iterable[Compression]],
    make: Callable[[Setting], Iterable[Plan]],
) -> list[Plan]:
    """What to prepare and try, with codecs and without, most promising first.

    One without codecs is always there: an edge server may lack them.

    Args:
        setting: network, machines and link.
        offered: what codecs save and cost, by tensor; without any no plan encodes.
        make: the planner, `shortlist` for instance.

    Raises:
        InfeasibleError: there are no plans of either kind.
    """
    every = plans_with_and_without(setting, offered, make)
    plans = _promising(every)
    if all(plan.compression for plan in plans):
        plans += [plan for plan in every if not plan.compression][:1]
    return plans


def _promising(plans: Iterable[Plan]) -> list[Plan]:
    """The best plan, and those that are predicted to take not much longer, in order."""
    found = sorted(plans, key=lambda plan: plan.makespan_s)
    limit_s = found[0].makespan_s * _WORTH_A_REHEARSAL
    return [plan for plan in found if plan.makespan_s <= limit_s]
