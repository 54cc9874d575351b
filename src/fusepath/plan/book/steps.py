"""What the paths of a plan compute and send: all that its schedule needs besides the link."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fusepath.errors import SettingError
from fusepath.schedule.problem import NS_PER_S, Problem, nanoseconds, ns
from fusepath.schedule.schedule import evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.arrays import FloatArray
    from fusepath.cost import Convention, Link
    from fusepath.plan.plan import Plan
    from fusepath.plan.timing import Timing
    from fusepath.schedule.schedule import Schedule


class Steps(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times and sizes of a plan's paths, in the order of their numbers."""

    device_ns: tuple[int, ...]
    sent_bytes: tuple[int, ...]
    edge_ns: tuple[int, ...]
    head_ns: int = 0
    tail_ns: int
    result_bytes: int
    """What returns after all paths; 0 where the convention does not count the way back."""
    finish_ns: int = 0
    """What the device does once all is there."""
    back_bytes: tuple[int, ...] | None = None
    """What every path returns; None where nothing returns in parts."""
    chained: bool
    """Whether every path goes on from the one before."""

    def __post_init__(self) -> None:
        times = [self.device_ns, self.sent_bytes, self.edge_ns]
        if self.back_bytes is not None:
            times.append(self.back_bytes)
        if not self.device_ns or len({len(item) for item in times}) != 1:
            raise SettingError(
                "steps need device_ns, sent_bytes, edge_ns and back_bytes, if any, of every path"
            )
        times.append((self.head_ns, self.tail_ns, self.result_bytes, self.finish_ns))
        if min(map(min, times)) < 0:
            raise SettingError("steps hold a time or a size below zero")

    @property
    def offloads(self) -> bool:
        """Whether the edge server has any part in it."""
        shares = (self.sent_bytes, self.edge_ns, self.back_bytes or ())
        return self.tail_ns > 0 or any(map(any, shares))

    def slowed(self, *, device: float, edge: float) -> Steps:
        """The same on machines so many times slower."""
        return msgspec.structs.replace(
            self,
            device_ns=_times(self.device_ns, device),
            edge_ns=_times(self.edge_ns, edge),
            head_ns=round(self.head_ns * device),
            tail_ns=round(self.tail_ns * edge),
            finish_ns=round(self.finish_ns * device),
        )

    def problem(self, link: Link, convention: Convention) -> Problem:
        """The scheduling problem on a link: a class per path, which has one cut."""
        sent_s = link.up_s(np.array(self.sent_bytes))
        down_s = link.down_s(self.result_bytes) + link.delay_s
        back_ns = None
        if self.back_bytes is not None and convention.counts_result:
            back_ns = nanoseconds(link.down_s(np.array(self.back_bytes)))[:, None]
        return Problem(
            class_of=tuple(range(len(self.device_ns))),
            device_ns=np.array(self.device_ns)[:, None],
            link_ns=np.rint(sent_s * NS_PER_S).astype(np.int64)[:, None],
            edge_ns=np.array(self.edge_ns)[:, None],
            back_ns=back_ns,
            head_ns=self.head_ns,
            tail_ns=self.tail_ns,
            finish_ns=self.finish_ns,
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


def steps_of(timing: Timing, plan: Plan) -> Steps:
    """What the paths of a plan take on the machines of a setting, whatever its link's rates."""
    problem, cuts = timing.problem_of_plan(plan)
    sent_bytes, back_bytes = timing.wire_bytes(plan)
    convention, result = timing.setting.convention, timing.prices.result
    returns_whole = convention.counts_result and back_bytes is None
    chosen = (np.array(problem.class_of), np.array(cuts) - 1)
    return Steps(
        device_ns=tuple(problem.device_ns[chosen].tolist()),
        sent_bytes=_whole(sent_bytes),
        edge_ns=tuple(problem.edge_ns[chosen].tolist()),
        back_bytes=None if back_bytes is None else _whole(back_bytes),
        head_ns=problem.head_ns,
        tail_ns=problem.tail_ns,
        finish_ns=problem.finish_ns + (ns(result.decode_s) if returns_whole else 0),
        result_bytes=round(result.sent_bytes) if returns_whole else 0,
        chained=problem.chained,
    )


def _whole(sizes: FloatArray) -> tuple[int, ...]:
    return tuple(np.rint(sizes).astype(np.int64).tolist())


def _times(durations_ns: tuple[int, ...], factor: float) -> tuple[int, ...]:
    return tuple(round(duration * factor) for duration in durations_ns)
