"""Another plan, while frames are answered with the one in use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from fusepath.offload.machines import Machines, measured_setting
from fusepath.plan import Budget, PlanRequest, Setting, shortlist
from fusepath.profiling.cache import remembered_profile

if TYPE_CHECKING:
    from fusepath.cost import Link
    from fusepath.offload.order import Order
    from fusepath.offload.pairing import Pairing, Prepared
    from fusepath.offload.remembered import LastTime
    from fusepath.pictures.frame import Frame

_SOON = Budget(evaluations=40_000, seconds=3.0)
"""What may be spent on a plan that is soon made again. A quarter of it loses a few per cent."""
_WORTH_CHANGING = 0.97
"""A plan for a link that has changed is predicted to take this part of the time or less."""


def hasty(request: PlanRequest) -> PlanRequest:
    """The same request with little to spend."""
    budget = _SOON if request.budget is None else request.budget.within(_SOON)
    return msgspec.structs.replace(request, budget=budget)


@dataclass(kw_only=True)
class Replanning:
    """Plans for another link than the plan in use is for.

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

    async def better(self, link: Link, shown: Prepared) -> Prepared:
        """The best plan for a link: the one in use, if no other is better by enough.

        Raises:
            FusepathError: no plan was found, or the edge server failed.
        """
        request = self.order.plan
        assert isinstance(request, PlanRequest)  # a plan that is given stays
        setting = replace(await self._setting(), link=link)
        self.learned = setting
        found = await self.pairing.background.do(
            shortlist, setting, hasty(request), self.order.origin
        )
        known = [item for item in (shown, self.pairing.reserve) if item is not None]
        quickest = min(known, key=lambda item: item.predicted_on(link).end_s)
        if found[0].recipe_sha256 not in {item.recipe_sha256 for item in known}:
            prepared = await self.pairing.prepare(found[0], self.sample)
            if prepared.predicted.end_s < quickest.predicted_on(link).end_s * _WORTH_CHANGING:
                quickest = prepared
        if quickest is not shown:
            self.order.say("the link has changed: another plan is better")
        return quickest

    async def _setting(self) -> Setting:
        last = self.learned
        if isinstance(last, Setting):
            return last
        machines = Machines(device=self.order.machines.device, edge=last.edge, link=last.link)
        dtype = last.plan.input.dtype
        setting = await measured_setting(self.pairing, machines, dtype, remembered_profile)
        return replace(setting, offered=last.offered, source=last.plan.source or None)
