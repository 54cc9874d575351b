"""Plans for other conditions than those at hand, while frames are answered."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from fusepath.errors import InputError, NoPlanError
from fusepath.offload.machines import Machines, measured_setting
from fusepath.plan import Budget, PlanRequest, Setting, make_book, shortlist
from fusepath.plan.book.rate_curve import follows_lines
from fusepath.plan.origin import UNKNOWN
from fusepath.profiling.cache import remembered_profile
from fusepath.protocol.adapting import LINKS, Conditions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusepath.offload.order import Order
    from fusepath.offload.pairing import Pairing
    from fusepath.offload.plan_map import PlanMap
    from fusepath.offload.remembered import LastTime
    from fusepath.pictures.frame import Frame
    from fusepath.plan import Origin, Plan, PlanBook

_SOON = Budget(evaluations=40_000)
"""What may be spent on a plan that is soon made again. A quarter of it loses a few per cent."""
_RANGE = (1 / 64, 16)
"""A book is for links from so many times to so many times as quick as now,"""
_PLANNED = 16
"""of which so many are planned,"""
_SLOW_BACK, _PLANNED_SLOW_BACK = 1 / 16, 8
"""and so many of those that are so much slower only on the way back,"""
_TOLERANCE = 0.02
"""and this is how much slower than the best its plans may be."""
_FURTHER = 8
"""Then so many links are planned where what was found may be furthest from the best."""
_NO_PLAN = (NoPlanError, InputError)
"""For some links: nothing keeps to the constraints there, or steps take longer than counts."""


def hasty(request: PlanRequest) -> PlanRequest:
    """The same request with little to spend."""
    budget = _SOON if request.budget is None else request.budget.within(_SOON)
    return msgspec.structs.replace(request, budget=budget)


@dataclass(kw_only=True)
class Replanning:
    """Looks for plans.

    Args:
        order: what is asked for, with a request to plan.
        pairing: the machines.
        learned: what the plan in use is for, or what is remembered of that.
        sample: a frame to prepare plans with.
    """

    order: Order
    pairing: Pairing
    learned: Setting | LastTime
    sample: Frame

    @property
    def request(self) -> PlanRequest:
        """What is asked for, with little to spend on it."""
        assert isinstance(self.order.plan, PlanRequest)  # a plan that is given stays
        return hasty(self.order.plan)

    async def setting(self) -> Setting:
        """What the plan in use is for.

        Raises:
            PeerError: it had to be found out anew, and the edge server does not answer.
        """
        last = self.learned
        if not isinstance(last, Setting):
            machines = Machines(device=self.order.machines.device, edge=last.edge, link=last.link)
            dtype = last.plan.input.dtype
            setting = await measured_setting(self.pairing, machines, dtype, remembered_profile)
            self.learned = last = replace(
                setting,
                offered=last.offered,
                offered_back=last.offered_back,
                source=last.plan.source or None,
            )
        return last

    async def explore(self, plans: PlanMap) -> None:
        """Take up plans for other links, as of `explore`."""
        await self.pairing.background.aside(explore, plans, self.request, self.order.origin)

    async def plans_for(self, plans: PlanMap, conditions: Conditions) -> Sequence[Plan]:
        """The most promising plans as everything is now.

        Raises:
            NoPlanError: nothing was found that keeps to the constraints.
        """
        now = setting_under(plans, conditions)
        return await self.pairing.background.aside(shortlist, now, self.request, self.order.origin)


def explore(plans: PlanMap, request: PlanRequest, origin: Origin = UNKNOWN) -> None:
    """Take up plans for links that are slower or quicker: two books, and what these may lack.

    There are none where there can be no book, nor for links on which nothing keeps to the
    constraints.
    """
    if not follows_lines(plans.setting.convention):
        return
    planned: list[Conditions] = []
    for book in _books(plans.setting, request, origin):
        plans.add(book.entries)
        planned += (plans.conditions_of(book.link_at(at.up_bytes_per_s)) for at in book.planned)
    planned = planned or [Conditions()]  # for which there is the plan at hand
    for _ in range(_FURTHER):
        here = plans.furthest(LINKS, planned)
        planned.append(here)
        with suppress(*_NO_PLAN):
            plans.add_plans(shortlist(setting_under(plans, here), request, origin))


def _books(setting: Setting, request: PlanRequest, origin: Origin) -> Iterator[PlanBook]:
    """For links slower or quicker both ways alike, and for those that are slow on the way back."""
    link = setting.link
    slow_back = msgspec.structs.replace(link, down_bytes_per_s=link.down_bytes_per_s * _SLOW_BACK)
    low, high = (link.up_bytes_per_s * times for times in _RANGE)
    for way, most in ((link, _PLANNED), (slow_back, _PLANNED_SLOW_BACK)):
        with suppress(*_NO_PLAN):
            yield make_book(
                replace(setting.at(way), source=None),  # what files take, no line tells
                (low, high),
                request,
                origin,
                tolerance=_TOLERANCE,
                most=most,
                probes=0,
            )


def setting_under(plans: PlanMap, conditions: Conditions) -> Setting:
    """What the plans of a map are for, so many times slower."""
    return replace(
        plans.setting,
        link=plans.link_under(conditions),
        device=plans.setting.device.slowed(conditions.device),
        edge=plans.setting.edge.slowed(conditions.edge),
    )
