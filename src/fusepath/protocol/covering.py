"""Which plans to have ready: few that together are near to the best of all plans on many links.

Few plans are good for a whole octave of a link's rate, and what a link becomes nobody knows. So
plans are taken one after the other, each time the one that gains most, over all links together, on
those that were taken before it.

No clock, socket or thread is in here. Plans go by names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

WORTH = 0.99
"""Another plan is worth it that takes less than this part of the time: no more, for plans that are
known may themselves be slower than others that are not."""
_MOST = 0.3
"""Where nothing that is ready is as near to the best as this part of its time, anything is bad."""
_GAINS = 0.05
"""What another plan gains at least, over all links: a twentieth of the time on a single one."""
_INSTEAD = 0.8
"""One that is ready does in place of another that gains more, if it gains this part of that."""


def covering(
    taken_s: Mapping[str, Sequence[float]],
    wanted: Sequence[str],
    ready: Collection[str],
    room: int,
) -> list[str]:
    """Plans to have ready, those that are wanted anyway first.

    Args:
        taken_s: by plan, what it is predicted to take on each of several links; the same links for
            all.
        wanted: plans that are ready or will be, whatever they are good for.
        ready: plans that need not be made ready.
        room: for so many plans; what is wanted anyway may be more.
    """
    least_s = [min(times) for times in zip(*taken_s.values(), strict=True)]
    lost = {
        plan: [
            max(time_s / best_s - 1 / WORTH, 0.0)
            for time_s, best_s in zip(times, least_s, strict=True)
        ]
        for plan, times in taken_s.items()
    }
    taken = list(wanted)
    left = [min(_MOST, *each) for each in zip(*(lost[plan] for plan in taken), strict=True)]
    while len(taken) < room:
        gains = {
            plan: sum(max(now - then, 0.0) for now, then in zip(left, losses, strict=True))
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
