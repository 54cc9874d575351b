"""Which plans to have ready: few that together are near to the best of all plans on many links.

Few plans are good for a whole octave of a link's rate, and what a link becomes nobody knows. So
plans are taken one after the other, each time the one that gains most, over all links together, on
those that were taken before it.

No clock, socket or thread is in here. Plans go by names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

WORTH = 0.99
"""Another plan is worth it that takes less than this part of the time: no more, for plans that are
known may themselves be slower than others that are not."""
_MOST = 0.3
"""Where nothing that is ready is as near to the best as this part of its time, anything is bad."""
_GAINS = 0.05
"""What another plan gains at least, over all links: a twentieth of the time on a single one."""
_INSTEAD = 0.8
"""One that is ready does in place of another that gains more, if it gains this part of that."""


@dataclass(slots=True)
class Covering:
    """Knows what plans take on many links, since that stays while the link at hand changes.

    Args:
        taken_s: what a plan is predicted to take on each of several links, the same for all.
    """

    taken_s: Callable[[str], Sequence[float]]
    _taken_s: dict[str, Sequence[float]] = field(default_factory=dict)
    _lost: dict[str, list[float]] = field(default_factory=dict)
    """By plan, of those that were known last: how far it is from the best of them on each link, as
    a part of that one's time, beyond what does not matter."""

    def forget(self, plan: str) -> None:
        """What a plan takes is not what it was."""
        self._taken_s.pop(plan, None)
        self._lost = {}

    def plans(
        self, known: Sequence[str], wanted: Sequence[str], ready: Collection[str], room: int
    ) -> list[str]:
        """Plans to have ready, those that are wanted anyway first.

        Args:
            known: all that there are.
            wanted: plans that are ready or will be, whatever they are good for.
            ready: plans that need not be made ready.
            room: for so many plans; what is wanted anyway may be more.
        """
        lost = self._lost_of(known)
        taken = list(wanted)
        left = [min(_MOST, *each) for each in zip(*(lost[plan] for plan in taken), strict=True)]
        while len(taken) < room:
            links = [link for link, loss in enumerate(left) if loss]
            gains = {
                plan: sum([left[at] - losses[at] for at in links if losses[at] < left[at]])
                for plan, losses in lost.items()
                if plan not in taken
            }
            most = max(gains.values(), default=0.0)
            if most < _GAINS:
                break
            there = [plan for plan in gains if plan in ready and gains[plan] >= _INSTEAD * most]
            plan = max(there or gains, key=lambda one: gains[one])
            taken.append(plan)
            left = [min(each) for each in zip(left, lost[plan], strict=True)]
        return taken

    def _lost_of(self, known: Sequence[str]) -> dict[str, list[float]]:
        if list(self._lost) != list(known):
            for plan in known:
                if plan not in self._taken_s:
                    self._taken_s[plan] = self.taken_s(plan)
            taken_s = {plan: self._taken_s[plan] for plan in known}
            least_s = [min(times) for times in zip(*taken_s.values(), strict=True)]
            self._lost = {
                plan: [
                    max(time_s / best_s - 1 / WORTH, 0.0)
                    for time_s, best_s in zip(times, least_s, strict=True)
                ]
                for plan, times in taken_s.items()
            }
        return self._lost
