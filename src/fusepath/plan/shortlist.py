"""What is worth preparing and trying: plans that could turn out best once they are measured."""

from __future__ import annotations

import sys
from operator import attrgetter
from typing import TYPE_CHECKING

from fusepath.plan.algorithms import ALGORITHMS
from fusepath.plan.auto import search_shortlist
from fusepath.plan.origin import UNKNOWN
from fusepath.plan.planner import answer, check_request
from fusepath.plan.request import DEFAULT_REQUEST
from fusepath.plan.timing import Timing

if TYPE_CHECKING:
    from fusepath.plan.origin import Origin
    from fusepath.plan.plan import Plan
    from fusepath.plan.request import PlanRequest
    from fusepath.plan.setting import Setting

_WORTH_A_REHEARSAL = 1.3


def shortlist(
    setting: Setting, request: PlanRequest = DEFAULT_REQUEST, origin: Origin = UNKNOWN
) -> list[Plan]:
    """What to prepare and try, with codecs and without, most promising first.

    Costs of layers add up only nearly to those of sub-models, so beside ``auto``'s plan those of
    other kinds that are predicted to take not much longer are worth rehearsing
    (`offload.trials.choose`). Of any other algorithm, it is what `make_plan` finds.

    One plan without codecs is always there, and one that forwards the file if there is one.

    Raises:
        InputError: as of `make_plan`.
        InfeasibleError: nothing was found that keeps to the constraints.
        UndecidedError: the budget ended before anything was found.
    """
    check_request(request)
    find = ALGORITHMS[request.algorithm].search
    if request.algorithm == "auto":
        find = search_shortlist
    result = answer(Timing(setting), request, origin, find, most=sys.maxsize)
    limit_s = result.best.makespan_s * _WORTH_A_REHEARSAL
    different: dict[str, Plan] = {}
    for plan in result.plans:
        different.setdefault(plan.recipe_sha256, plan)
    plans = [plan for plan in different.values() if plan.makespan_s <= limit_s]
    # An edge server may lack codecs; and how large the next file is, nobody knows yet.
    for is_wanted in (attrgetter("is_plain"), attrgetter("recipe.forwards")):
        if not any(map(is_wanted, plans)):
            plans += [plan for plan in different.values() if is_wanted(plan)][:1]
    return plans
