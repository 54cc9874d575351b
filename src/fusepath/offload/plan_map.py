"""The plans that a session may use, and what each takes on any link and on slower machines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from fusepath.cancellation import check_cancelled
from fusepath.plan import BookEntry, Timing, load_of, steps_of
from fusepath.plan.book.book import without_timeline
from fusepath.protocol.adapting import Conditions
from fusepath.schedule.problem import NS_PER_S
from fusepath.timeline import Lane

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from fusepath.cost import Link
    from fusepath.offload.pairing import Prepared
    from fusepath.plan import FrameLoad, Plan, Setting
    from fusepath.plan.book.steps import Steps


@dataclass(frozen=True, slots=True)
class _Place:
    plan: Plan
    steps: Steps


class PlanMap:
    """Plans by the digests of their recipes.

    Args:
        setting: what they are made for; conditions are relative to its link.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._places: dict[str, _Place] = {}
        self._known_s: dict[str, dict[Conditions, float]] = {}

    def add(self, entries: Iterable[BookEntry]) -> None:
        """Take up the plans of a book, but for those that are known."""
        for entry in entries:
            place = _Place(entry.plan, entry.steps)
            self._places.setdefault(entry.plan.recipe_sha256, place)

    def add_plans(self, plans: Iterable[Plan]) -> None:
        """Take up plans that were made for these machines, on whatever link."""
        for plan in plans:
            timing = Timing(self.setting.coded_as(plan))
            place = _Place(without_timeline(plan), steps_of(timing, plan))
            self._places.setdefault(plan.recipe_sha256, place)

    def rehearsed(self, prepared: Prepared) -> None:
        """Take the times of a plan's very paths in place of what was planned."""
        if prepared.recipe_sha256 not in self._places:
            self.add_plans([prepared.plan])
        place, shown = self._places[prepared.recipe_sha256], prepared.predicted
        steps = place.steps
        planned_device_ns = steps.head_ns + sum(steps.device_ns) + steps.finish_ns
        planned_edge_ns = sum(steps.edge_ns) + steps.tail_ns
        self._places[prepared.recipe_sha256] = _Place(
            place.plan,
            steps.slowed(
                device=_ratio(shown.busy_s(Lane.DEVICE), planned_device_ns),
                edge=_ratio(shown.busy_s(Lane.EDGE), planned_edge_ns),
            ),
        )
        self._known_s.pop(prepared.recipe_sha256, None)

    def foresee(self, links: Iterable[Conditions]) -> None:
        """Work out what all plans take there, so that nobody has to wait for it later."""
        for conditions in links:
            check_cancelled()
            for name in self.names:
                self.predicted_s(name, conditions)

    @property
    def names(self) -> tuple[str, ...]:
        """All plans."""
        return tuple(self._places)

    def plan(self, name: str) -> Plan:
        """A plan, without a timeline."""
        return self._places[name].plan

    def steps(self, name: str) -> Steps:
        """What the paths of a plan take."""
        return self._places[name].steps

    def link_under(self, conditions: Conditions) -> Link:
        """The link when it is so many times slower, and longer."""
        link = self.setting.link
        return msgspec.structs.replace(
            link,
            up_bytes_per_s=link.up_bytes_per_s / conditions.up,
            down_bytes_per_s=link.down_bytes_per_s / conditions.down,
            delay_s=max(link.delay_s + conditions.further_s, 0.0),
        )

    def conditions_of(self, link: Link) -> Conditions:
        """How many times slower a link is that is as long."""
        return Conditions(
            up=self.setting.link.up_bytes_per_s / link.up_bytes_per_s,
            down=self.setting.link.down_bytes_per_s / link.down_bytes_per_s,
        )

    def furthest(self, links: Iterable[Conditions], planned: Collection[Conditions]) -> Conditions:
        """The link where the best of these plans may be furthest from the best that there is.

        What is slower each way takes no less: the best plan for a link takes at least what the best
        does on any that is quicker each way, and that is known of those that were planned.

        Args:
            links: to choose from.
            planned: links for which plans were looked for.
        """
        best_s = {link: self._best_s(link) for link in planned}

        def may_gain(link: Conditions) -> tuple[float, float]:
            at_least = (
                taken_s
                for there, taken_s in best_s.items()
                if max(there.up / link.up, there.down / link.down) < _QUICKER
            )
            most = max(at_least, default=0.0)
            gains = self._best_s(link) / most if most else math.inf
            return gains, 1 / (link.up * link.down)  # what is quick tells most of others

        return max((link for link in links if link not in best_s), key=may_gain)

    def _best_s(self, conditions: Conditions) -> float:
        return min(self.predicted_s(name, conditions) for name in self.names)

    def predicted_s(self, name: str, conditions: Conditions) -> float:
        """What a plan takes."""
        known_s = self._known_s.setdefault(name, {})
        taken_s = known_s.get(conditions)
        if taken_s is None:
            if len(known_s) > _REMEMBERED:
                known_s.popitem()  # the last: what was foreseen came before
            place = self._places[name]
            taken_s = known_s[conditions] = (
                place.steps.slowed(device=conditions.device, edge=conditions.edge)
                .schedule(place.plan.order, self.link_under(conditions), place.plan.convention)
                .makespan_ns
                / NS_PER_S
            )
        return taken_s

    def load(self, name: str, conditions: Conditions) -> FrameLoad:
        """What a frame of a plan asks of link and machines, where others are under way."""
        place = self._places[name]
        steps = place.steps.slowed(device=conditions.device, edge=conditions.edge)
        link, convention = self.link_under(conditions), place.plan.convention
        return load_of(steps, place.plan.order, link, convention)


_REMEMBERED = 512
_QUICKER = 1 + 1e-6
"""Or as quick, but for rounding."""


def _ratio(shown_s: float, planned_ns: int) -> float:
    return shown_s * NS_PER_S / planned_ns if planned_ns > 0 else 1.0
