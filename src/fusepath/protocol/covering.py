"""Which plans to have ready: few that together are near to the best of all plans on many links.

Few plans are good for a whole octave of a link's rate, and what a link becomes nobody knows. So as
many as there is room for are chosen together, by what is lost over all links: the plans chosen
before take in another, or one in place of one of theirs, as long as that gains more than it takes
to make it ready (interchange: Teitz and Bart 1968; all exchanges are judged in one pass over links,
as Schubert and Rousseeuw 2019 do for medoids). Each change lessens what is lost and what is left to
be made ready, together, so they come to an end.

No clock, socket or thread is in here. Plans go by names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

WORTH = 0.99
"""Another plan is worth it that takes less than this part of the time: no more, for plans that are
known may themselves be slower than others that are not."""
_MOST = 0.35
"""Where nothing that is ready is as near to the best as this, anything is as bad."""
_EFFORT = 0.05
"""What a plan must gain to be made ready, over all links together: parts of their times."""
_DIGITS = 9
"""So many decimals of a gain are told apart: sums in another order are the same."""


class _Change(NamedTuple):
    """Of the plans that are chosen."""

    gains: float
    goes: str | None
    comes: str | None


class _Near(NamedTuple):
    """The nearest of some plans on a link, and what is lost with it, and without it."""

    plan: str
    lost: float
    otherwise: float


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
    _lost: dict[str, list[float]] = field(default_factory=dict)
    """What each of them loses on each link, as a part of its time."""

    def forget(self, plan: str) -> None:
        """What a plan takes is not what it was."""
        self._taken_s.pop(plan, None)
        self._of = []

    def plans(
        self,
        known: Sequence[str],
        wanted: Sequence[str],
        ready: Collection[str],
        room: int,
        before: Sequence[str] = (),
    ) -> list[str]:
        """Plans to have ready, those that are wanted anyway first.

        Args:
            known: all that there are.
            wanted: one at least, to be ready whatever they are good for.
            ready: plans that need not be made ready.
            room: for so many plans; what is wanted anyway may be more.
            before: what was chosen last.
        """
        self._know(known)
        taken = list(dict.fromkeys([*wanted, *(plan for plan in before if plan in self._lost)]))
        free = set(wanted)
        while (change := self._best_change(taken, free, ready, room)) is not None:
            if change.goes is not None:
                taken.remove(change.goes)
            if change.comes is not None:
                taken.append(change.comes)
        return taken

    def _best_change(
        self, taken: Sequence[str], wanted: Collection[str], ready: Collection[str], room: int
    ) -> _Change | None:
        """What is best to be done next; None where nothing is."""
        near = self._near(taken)
        goes = {plan: 0.0 if plan in ready else _EFFORT for plan in taken if plan not in wanted}
        for at in near:  # what is lost without the nearest
            if at.plan in goes:
                goes[at.plan] -= at.otherwise - at.lost
        if len(taken) > room:
            return _best([_Change(gains, plan, None) for plan, gains in goes.items()])
        changes: list[_Change] = []
        for plan, lost in self._lost.items():
            if plan not in taken:
                effort = 0.0 if plan in ready else _EFFORT
                changes += _changes(plan, lost, near, goes, effort, len(taken) < room)
        best = _best(changes)
        return best if best is not None and round(best.gains, _DIGITS) > 0 else None

    def _near(self, taken: Sequence[str]) -> list[_Near]:
        """By link."""
        found = []
        for losses in zip(*(self._lost[plan] for plan in taken), strict=True):
            (lost, first), *others = sorted(zip(losses, taken, strict=True))[:2]
            found.append(_Near(first, lost, others[0][0] if others else _MOST))
        return found

    def _know(self, known: Sequence[str]) -> None:
        if self._of == list(known):
            return
        self._of = list(known)
        for plan in known:
            if plan not in self._taken_s:
                self._taken_s[plan] = self.taken_s(plan)
        taken_s = {plan: self._taken_s[plan] for plan in known}
        least_s = [min(times) for times in zip(*taken_s.values(), strict=True)]
        self._lost = {
            plan: [
                min(max(time_s / best_s - 1 / WORTH, 0.0), _MOST)
                for time_s, best_s in zip(times, least_s, strict=True)
            ]
            for plan, times in taken_s.items()
        }


def _best(changes: Sequence[_Change]) -> _Change | None:
    """The first of those that gain most."""
    return max(changes, key=lambda change: round(change.gains, _DIGITS), default=None)


def _changes(
    plan: str,
    lost: Sequence[float],
    near: Sequence[_Near],
    goes: dict[str, float],
    effort: float,
    is_room: bool,
) -> list[_Change]:
    """What is gained if a plan comes, in place of each of those that may go or of none."""
    alone = -effort
    instead = dict(goes)
    for takes, at in zip(lost, near, strict=True):
        if takes < at.lost:
            alone += at.lost - takes
            kept = at.otherwise - at.lost  # for it was counted as lost with the one that goes
        elif takes < at.otherwise:
            kept = at.otherwise - takes
        else:
            continue
        if at.plan in instead:
            instead[at.plan] += kept
    changes = [_Change(alone + gains, other, plan) for other, gains in instead.items()]
    return [*changes, _Change(alone, None, plan)] if is_room else changes
