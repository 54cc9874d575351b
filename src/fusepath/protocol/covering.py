"""Which plans to have ready: few that together are near to the best of all plans on many links.

Few plans are good for a whole octave of a link's rate, and what a link becomes nobody knows. So
plans are taken one after the other, each time the one that gains most, over all links together, on
those that were taken before it: first what keeps them from being far from the best anywhere, and
then, with the room that is left, what brings them nearer.

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
_INSTEAD = 0.8
"""One that is ready does in place of another that gains more, if it gains this part of that."""


@dataclass(frozen=True, slots=True)
class _Loss:
    """How far plans are from the best on a link, as a part of its time."""

    beyond: float
    """What they take for each second of the best, and does not matter."""
    most: float
    """Where nothing that is ready is as near as this, anything is as bad."""
    gains: float
    """What another plan gains at least, over all links together."""

    def of(self, ratio: float) -> float:
        """What is lost where so many seconds are taken for each of the best."""
        return min(max(ratio - self.beyond, 0.0), self.most)


_FAR = _Loss(beyond=1.05, most=0.3, gains=0.2)
_NEAR = _Loss(beyond=1 / WORTH, most=0.03, gains=0.02)


@dataclass(slots=True)
class Covering:
    """Knows what plans take on many links, since that stays while the link at hand changes.

    Args:
        taken_s: what a plan is predicted to take on each of several links, the same for all.
    """

    taken_s: Callable[[str], Sequence[float]]
    _taken_s: dict[str, Sequence[float]] = field(default_factory=dict)
    _of: list[str] = field(default_factory=list)
    """Plans that were known last."""
    _lost: dict[_Loss, dict[str, list[float]]] = field(default_factory=dict)
    """What each of them loses on each link."""

    def forget(self, plan: str) -> None:
        """What a plan takes is not what it was."""
        self._taken_s.pop(plan, None)
        self._of = []

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
        taken = list(wanted)
        for loss, lost in self._lost_of(known).items():
            self._take(taken, lost, loss.gains, ready, room)
        return taken

    @staticmethod
    def _take(
        taken: list[str],
        lost: dict[str, list[float]],
        least: float,
        ready: Collection[str],
        room: int,
    ) -> None:
        """Take more plans, as long as they gain enough."""
        left = [min(each) for each in zip(*(lost[plan] for plan in taken), strict=True)]
        while len(taken) < room:
            links = [link for link, loss in enumerate(left) if loss]
            gains = {
                plan: sum([left[at] - losses[at] for at in links if losses[at] < left[at]])
                for plan, losses in lost.items()
                if plan not in taken
            }
            most = max(gains.values(), default=0.0)
            if most < least:
                break
            there = [plan for plan in gains if plan in ready and gains[plan] >= _INSTEAD * most]
            plan = max(there or gains, key=lambda one: gains[one])
            taken.append(plan)
            left = [min(each) for each in zip(left, lost[plan], strict=True)]

    def _lost_of(self, known: Sequence[str]) -> dict[_Loss, dict[str, list[float]]]:
        if self._of != list(known):
            self._of = list(known)
            for plan in known:
                if plan not in self._taken_s:
                    self._taken_s[plan] = self.taken_s(plan)
            taken_s = {plan: self._taken_s[plan] for plan in known}
            least_s = [min(times) for times in zip(*taken_s.values(), strict=True)]
            ratios = {
                plan: [time_s / best_s for time_s, best_s in zip(times, least_s, strict=True)]
                for plan, times in taken_s.items()
            }
            self._lost = {
                loss: {plan: [loss.of(ratio) for ratio in each] for plan, each in ratios.items()}
                for loss in (_FAR, _NEAR)
            }
        return self._lost
