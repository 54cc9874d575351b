"""How many plans must be ready for one of them to be right on any link, whoever chooses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.links.summary import NEAR
from fusepath.offload.adaptation import room_for
from fusepath.protocol.adapting import LINKS
from fusepath.protocol.covering import Covering

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.links.simulated import Plans


@dataclass(frozen=True, kw_only=True)
class Needed:
    """Of the plans that were found for all links, each link searched as thoroughly as may be."""

    plans: int
    links: int
    book_off: float
    """Part of the links on which no plan of the book is right."""
    fewest: int
    """Plans beside that of the device alone, for one of them to be right on every link."""
    room: int
    """So many are ready."""
    most_links: int
    """On so many links one is right, if those that are ready are the best choice."""
    chosen_links: int
    """And of those that a session chooses, which knows its own plans."""


def needed(plans: Plans) -> Needed:
    """What is needed of the plans for links from 16 times quicker to 64 times slower each way."""
    for link in LINKS:
        plans.auto(link)
    names = plans.map.names
    taken_s = {name: [plans.map.predicted_s(name, link) for link in LINKS] for name in names}
    least_s = [min(times) for times in zip(*taken_s.values(), strict=True)]
    right = {
        name: [time_s <= NEAR * best_s for time_s, best_s in zip(times, least_s, strict=True)]
        for name, times in taken_s.items()
    }
    room = room_for(plans.setting.graph, plans.request.constraints)
    kept = [plans.alone]
    chosen = Covering(taken_s.__getitem__).plans(plans.book, kept, kept, room + 1)
    by_book = [any(right[name][at] for name in plans.book) for at in range(len(LINKS))]
    return Needed(
        plans=len(names),
        links=len(LINKS),
        book_off=1 - sum(by_book) / len(LINKS),
        fewest=_fewest(right, plans.alone),
        room=room,
        most_links=_most_links(right, plans.alone, room),
        chosen_links=sum(map(any, zip(*(right[name] for name in chosen), strict=True))),
    )


def _fewest(right: Mapping[str, Sequence[bool]], alone: str) -> int:
    """How many plans beside that of the device alone cover all links."""
    solver = _solver()
    taken = {name: solver.addBinary() for name in right}
    for covers in zip(*right.values(), strict=True):
        able = [taken[name] for name, covered in zip(right, covers, strict=True) if covered]
        solver.addConstr(sum(able) >= 1)
    solver.minimize(sum(x for name, x in taken.items() if name != alone))
    return round(solver.getObjectiveValue())


def _most_links(right: Mapping[str, Sequence[bool]], alone: str, room: int) -> int:
    """How many links so many plans, and that of the device alone, cover at most."""
    solver = _solver()
    taken = {name: solver.addBinary() for name in right}
    solver.addConstr(sum(x for name, x in taken.items() if name != alone) <= room)
    covered = []
    for covers in zip(*right.values(), strict=True):
        able = [taken[name] for name, covered in zip(right, covers, strict=True) if covered]
        covered.append(solver.addBinary())
        solver.addConstr(sum(able) >= covered[-1])
    solver.maximize(sum(covered))
    return round(solver.getObjectiveValue())


def _solver() -> Any:
    import highspy  # noqa: PLC0415 - an extra

    solver = highspy.Highs()
    solver.silent()
    return solver
