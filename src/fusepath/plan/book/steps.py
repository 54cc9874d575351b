"""What the paths of a plan compute and send: all that its schedule needs besides the link."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fusepath.plan.timing import problem_of_plan
from fusepath.schedule.problem import NS_PER_S, Problem, nanoseconds, ns
from fusepath.schedule.schedule import evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.cost import Convention, Link
    from fusepath.plan.plan import Plan
    from fusepath.plan.setting import Setting
    from fusepath.schedule.schedule import Schedule


class Steps(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times and sizes of a plan's paths, in the order of their numbers."""

    device_ns: tuple[int, ...]
    sent_bytes: tuple[int, ...]
    edge_ns: tuple[int, ...]
    tail_ns: int
    result_bytes: int
    """What returns after all paths; 0 where the convention does not count the way back."""
    back_bytes: tuple[int, ...] | None = None
    """What every path returns; None where nothing returns in parts."""
    chained: bool
    """Whether every path goes on from the one before."""

    def __post_init__(self) -> None:
        times = [self.device_ns, self.sent_bytes, self.edge_ns]
        if self.back_bytes is not None:
            times.append(self.back_bytes)
        if not self.device_ns or len({len(item) for item in times}) != 1:
            raise ValueError(
                "steps need device_ns, sent_bytes, edge_ns and back_bytes, if any, of every path"
            )
        if min(map(min, (*times, (self.tail_ns, self.result_bytes)))) < 0:
            raise ValueError("steps hold a time or a size below zero")

    @property
    def offloads(self) -> bool:
        """Whether the edge server has any part in it."""
        shares = (self.sent_bytes, self.edge_ns, self.back_bytes or ())
        return self.tail_ns > 0 or any(map(any, shares))

    def problem(self, link: Link, convention: Convention) -> Problem:
        """The scheduling problem on a link: a class per path, which has one cut."""
        sent_s = np.array(self.sent_bytes) / link.up_bytes_per_s
        down_s = self.result_bytes / link.down_bytes_per_s + link.delay_s
        back_ns = None
        if self.back_bytes is not None and convention.counts_result:
            back_s = np.array(self.back_bytes) / link.down_bytes_per_s
            back_ns = nanoseconds(back_s)[:, None]
        return Problem(
            class_of=tuple(range(len(self.device_ns))),
            device_ns=np.array(self.device_ns)[:, None],
            link_ns=np.rint(sent_s * NS_PER_S).astype(np.int64)[:, None],
            edge_ns=np.array(self.edge_ns)[:, None],
            back_ns=back_ns,
            tail_ns=self.tail_ns,
            down_ns=ns(down_s) if convention.counts_result else 0,
            delay_ns=ns(link.delay_s),
            edge_workers=convention.edge_workers,
            shared_link=convention.shared_link,
            chained=self.chained,
        )

    def schedule(self, order: Sequence[int], link: Link, convention: Convention) -> Schedule:
        """When everything starts and ends on a link; ``order`` is a plan's, 1-based."""
        cuts = [1] * len(self.device_ns)
        return evaluate(self.problem(link, convention), [path - 1 for path in order], cuts)


def steps_of(setting: Setting, plan: Plan) -> Steps:
    """What the paths of a plan take on the machines of a setting, whatever its link."""
    # On this link a transmission takes as many nanoseconds as it has bytes.
    byte_per_ns = msgspec.structs.replace(
        setting.link,
        up_bytes_per_s=float(NS_PER_S),
        down_bytes_per_s=float(NS_PER_S),
        delay_s=0.0,
    )
    problem, cuts = problem_of_plan(setting.at(byte_per_ns), plan)
    chosen = (np.array(problem.class_of), np.array(cuts) - 1)
    return Steps(
        device_ns=tuple(problem.device_ns[chosen].tolist()),
        sent_bytes=tuple(problem.link_ns[chosen].tolist()),
        edge_ns=tuple(problem.edge_ns[chosen].tolist()),
        back_bytes=None if problem.back_ns is None else tuple(problem.back_ns[chosen].tolist()),
        tail_ns=problem.tail_ns,
        result_bytes=problem.down_ns,
        chained=problem.chained,
    )
