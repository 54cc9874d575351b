"""The worked examples of Figs. 2 and 3: five layers, three paths, times in the paper's units.

The figures' couples (d, c) survive in the text only in part. This instance is a reconstruction
that satisfies every number the text states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fusepath.errors import VerificationError
from fusepath.schedule import (
    NS_PER_S,
    Problem,
    Schedule,
    brute_force,
    evaluate,
    minimizing_waiting,
    play,
    problem_of_paths,
    violations,
)

PATHS = (
    ((2, 2), (2, 2), (2, 2)),
    ((1, 4), (1, 3), (2, 2)),
    ((2, 4), (2, 2), (2, 2)),
)
"""(amount of computation d, transmission size c) of layers 1-3, 4-6 and 7-9."""
TAIL = (6, 4)
"""d of layers 10 and 11."""
DEVICE, EDGE, LINK = 1, 2, 1
"""Operations per unit of time on device and edge server; sizes per unit of time on the link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A number of the text, and ours."""

    name: str
    published: Any
    ours: Any
    sentence: str

    @property
    def holds(self) -> bool:
        """Ours is the published one."""
        return bool(self.published == self.ours)


@dataclass(frozen=True, kw_only=True)
class Example:
    """One of the two figures."""

    name: str
    title: str
    problem: Problem
    schedule: Schedule
    statements: tuple[Statement, ...]
    more: dict[str, Any]
    """What the paper does not say."""

    def document(self) -> dict[str, Any]:
        """The figure for the command line: times in the paper's units."""
        return {
            "inference_time": units(self.schedule.makespan_ns),
            "layer10": layer_10(self.schedule),
            "order": [path + 1 for path in self.schedule.order],
            "cuts": list(self.schedule.cuts),
            "statements": [
                {
                    "name": item.name,
                    "published": item.published,
                    "ours": item.ours,
                    "holds": item.holds,
                    "sentence": item.sentence,
                }
                for item in self.statements
            ],
            **self.more,
            "instance": {
                "paths": PATHS,
                "tail": TAIL,
                "device_per_s": DEVICE,
                "edge_per_s": EDGE,
                "link_per_s": LINK,
                "origin": "reconstructed: it satisfies every number of the text",
            },
        }


def units(time_ns: int) -> float:
    """Nanoseconds as the paper's units of time (one second here)."""
    value = time_ns / NS_PER_S
    return int(value) if value.is_integer() else value


def layer_10(schedule: Schedule) -> float:
    """When the first layer behind the paths is done."""
    return units(schedule.tail[0] + TAIL[0] * NS_PER_S // EDGE)


def five_layers() -> Problem:
    """The network of Figs. 2 and 3 cut into three paths."""
    return problem_of_paths(
        PATHS, device_per_s=DEVICE, edge_per_s=EDGE, bytes_per_s=LINK, tail=TAIL
    )


def example(name: str) -> Example:
    """Fig. 2 or Fig. 3, computed and checked.

    Raises:
        VerificationError: checker or engine disagree with the schedule; a defect.
    """
    figure = _figure_2() if name == "fig2" else _figure_3()
    wrong = violations(figure.problem, figure.schedule)
    played = play(figure.problem, figure.schedule.order, figure.schedule.cuts)
    if wrong or set(played.spans) != set(figure.schedule.timeline().spans):
        raise VerificationError(f"{name}: {wrong or 'the event engine sees other times'}")
    return figure


def _figure_2() -> Example:
    problem = five_layers()
    schedule = evaluate(problem, (0, 1, 2), (3, 2, 2))
    first = schedule.paths[0]
    return Example(
        name="fig2",
        title="Fig. 2: order 1, 2, 3 with cuts (3, 2, 2)",
        problem=problem,
        schedule=schedule,
        statements=(
            Statement(
                name="T_1(2)",
                published=4,
                ours=units(first.device[1]),
                sentence="the task completion time of layer 2 is "
                "T_1(2) = T_1(1) + t_2^end = 2 + 2 = 4",
            ),
            Statement(
                name="T_1(3)",
                published=7,
                ours=units(first.edge[1]),
                sentence="T_1(3) = T_1(2) + t_3^tr + t_3^es = 4 + 2 + 1 = 7",
            ),
            Statement(
                name="inference_time",
                published=18,
                ours=units(schedule.makespan_ns),
                sentence="it can be seen that the DNN inference time is 18",
            ),
        ),
        more={},
    )


def _figure_3() -> Example:
    problem = five_layers()
    schedule = minimizing_waiting(problem)
    optimum = brute_force(problem)
    earliest = [
        units(int((problem.device_ns[kind] + problem.link_ns[kind]).min()))
        for kind in problem.class_of
    ]
    return Example(
        name="fig3",
        title="Fig. 3: what Minimizing Waiting finds",
        problem=problem,
        schedule=schedule,
        statements=(
            Statement(
                name="minimal transmission completion",
                published=[2, 4, 4],
                ours=earliest,
                sentence="The minimal transmission completion time of the three FL paths are "
                "2, 4, 4, respectively.",
            ),
            Statement(
                name="order",
                published=[1, 2, 3],
                ours=[path + 1 for path in schedule.order],
                sentence="path 1 is the first scheduling path … path 2 as the second scheduling "
                "path … path 3 is the third scheduling path",
            ),
            Statement(
                name="cuts",
                published=[1, 3, 2],
                ours=list(schedule.cuts),
                sentence="Therefore, o_1 = 1. … layer 6 is offloaded to the ES … layer 8 is the "
                "offloaded layer. That is, o_3 = 2.",
            ),
            Statement(
                name="layer10",
                published=11,
                ours=layer_10(schedule),
                sentence="the task completion time of layer 10 is 8 + 3 = 11",
            ),
        ),
        more={
            "brute_force": units(optimum.makespan_ns),
            "not_in_the_text": "the text stops at layer 10; the inference time adds layer 11",
        },
    )
