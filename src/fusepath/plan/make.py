"""From a setting to its best plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.errors import InputError
from fusepath.plan.algorithms import ALGORITHMS
from fusepath.plan.front import search_by_energy
from fusepath.plan.objective import LATENCY, Energy, Weighted
from fusepath.plan.origin import UNKNOWN
from fusepath.plan.planner import answer, check_request
from fusepath.plan.request import DEFAULT_REQUEST
from fusepath.plan.timing import Timing

if TYPE_CHECKING:
    from fusepath.plan.origin import Origin
    from fusepath.plan.request import PlanRequest
    from fusepath.plan.result import PlanResult
    from fusepath.plan.setting import Setting


def make_plan(
    setting: Setting, request: PlanRequest = DEFAULT_REQUEST, origin: Origin = UNKNOWN
) -> PlanResult:
    """The best plans that an algorithm finds, with codecs and without.

    An algorithm keeps one plan per single cut, tiling or, of strips, fused layer and number of
    segments. Where nothing keeps to the constraints, or the budget ends before anything is found,
    the result has no plans and says which of the two it was.

    Args:
        setting: network, machines, link and convention.
        request: what the planner may choose, and what it must keep to.
        origin: what is written into the plans besides.

    Raises:
        InputError: no such algorithm or codec, or it does not tile.
        GeometryError: ``tau`` or ``grid`` do not fit the network.
        UnsupportedOperatorError: ``tau`` lies behind an operator that needs whole maps.
    """
    return plan_with(Timing(setting), request, origin)


def plan_with(
    timing: Timing, request: PlanRequest = DEFAULT_REQUEST, origin: Origin = UNKNOWN
) -> PlanResult:
    """`make_plan` for a setting whose prices other settings share, as those at other links do."""
    check_request(request)
    by_energy = isinstance(request.objective, Energy | Weighted)
    if not by_energy and request.objective != LATENCY:
        raise InputError("plans for streams of frames are made by make_rotation: this makes one")
    if by_energy or request.constraints.device_energy_j is not None:
        return search_by_energy(timing, request, origin)
    return answer(timing, request, origin, ALGORITHMS[request.algorithm].search)
