"""A good order for paths whose cuts are chosen."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fusepath.schedule.exact.choices import Choices, Pick

_MOST_PATHS_TO_MOVE = 40


def good_order(choices: Choices, picks: Sequence[Pick], *, moves: bool = True) -> tuple[Pick, ...]:
    """The best of a few orders: as given, Johnson's rule for either pair of machines.

    Johnson's rule is optimal for two machines; for three, device + link and link + edge are taken
    as one machine each (Campbell, Dudek and Smith), or the edge server is left out. Then single
    paths are moved as long as that helps.

    Args:
        choices: the times.
        picks: every path once.
        moves: whether to move single paths afterwards.
    """
    times = {pick: tuple(int(t) for t in choices.tables[pick[0]][pick[1]]) for pick in set(picks)}
    first_two = sorted(picks, key=lambda pick: johnson_key(times[pick][0], times[pick][1]))
    both = sorted(picks, key=lambda pick: johnson_key(sum(times[pick][:2]), sum(times[pick][1:])))
    end = partial(_end_ns, choices, times)
    best = min((tuple(picks), tuple(first_two), tuple(both)), key=end)
    if moves and len(picks) <= _MOST_PATHS_TO_MOVE:
        best = _moved(best, end)
    return best


def johnson_key(first: int, second: int) -> tuple[bool, int]:
    """Sort key of Johnson's rule for two machines: short first stages first, short second last."""
    return (True, -second) if first > second else (False, first)


def _moved(order: tuple[Pick, ...], end: Callable[[tuple[Pick, ...]], int]) -> tuple[Pick, ...]:
    """Move single paths as long as the end comes earlier."""
    best_ns = end(order)
    improved = True
    while improved:
        improved = False
        for source in range(len(order)):
            rest = order[:source] + order[source + 1 :]
            for target in range(len(order)):
                moved = (*rest[:target], order[source], *rest[target:])
                moved_ns = end(moved)
                if moved_ns < best_ns:
                    order, best_ns, improved = moved, moved_ns, True
                    break
    return order


def _end_ns(
    choices: Choices, times: Mapping[Pick, tuple[int, ...]], order: tuple[Pick, ...]
) -> int:
    """When the last path ends; the schedule is only made where paths can overtake each other."""
    problem = choices.problem
    if not problem.shared_link or problem.edge_workers > 1:
        return choices.schedule(order).tail[0]
    device_free = link_free = edge_free = 0
    queues = problem.edge_workers == 1
    for pick in order:
        device_ns, link_ns, edge_ns = times[pick]
        device_free += device_ns
        link_free = max(link_free, device_free) + link_ns
        arrived = link_free + problem.delay_ns
        if queues:
            edge_free = max(edge_free, arrived) + edge_ns
        else:
            edge_free = max(edge_free, arrived + edge_ns)
    return edge_free
