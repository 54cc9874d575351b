"""The makespan of a fixed plan as a function of the link rate, as a whole.

With order and cuts fixed, every step starts when the last of the steps that it waits for ends, so
the makespan is the longest of all chains of steps. A chain takes ``seconds + bytes / rate``: its
steps on the machines, and what it sends. So over ``1 / rate`` the makespan is the maximum of
straight lines: convex, piecewise linear, never falling. A few tangents give all of it.

That holds while nobody overtakes: on a shared link with one edge worker, or with a worker for every
path that need not queue for the way back. Elsewhere a slower link can change which path is served
first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from fusepath.schedule.problem import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.arrays import FloatArray
    from fusepath.cost import Convention, Link
    from fusepath.plan.book.steps import Steps
    from fusepath.schedule.schedule import Schedule

    Pace = TypeVar("Pace", float, FloatArray)

_ROUNDING = 1e-9
"""Relative; times are whole nanoseconds, so tangents of one line differ by this much."""


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """A chain of steps: it takes ``seconds + sent_bytes · s_per_byte``."""

    sent_bytes: float
    seconds: float

    def at(self, s_per_byte: Pace) -> Pace:
        """Seconds at one pace of the link, or at many."""
        return self.seconds + self.sent_bytes * s_per_byte


@dataclass(frozen=True, slots=True)
class RateCurve:
    """The maximum of lines, in the order of their bytes; seconds over seconds per byte."""

    lines: tuple[Line, ...]

    def at(self, s_per_byte: FloatArray) -> FloatArray:
        """Seconds at every pace."""
        values: FloatArray = self._values(s_per_byte).max(axis=0)
        return values

    def lines_at(self, s_per_byte: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Seconds and bytes of the line that is the makespan, at every pace."""
        longest = self._values(s_per_byte).argmax(axis=0)
        seconds = np.array([line.seconds for line in self.lines])
        sent_bytes = np.array([line.sent_bytes for line in self.lines])
        return seconds[longest], sent_bytes[longest]

    def _values(self, s_per_byte: FloatArray) -> FloatArray:
        return np.array([line.at(s_per_byte) for line in self.lines])

    @property
    def kinks(self) -> tuple[float, ...]:
        """Paces at which one line takes over from another."""
        pairs = zip(self.lines, self.lines[1:], strict=False)
        return tuple(crossing(left, right) for left, right in pairs)


def follows_lines(convention: Convention) -> bool:
    """Whether no path can overtake another at the edge server.

    Parts of the result then cannot overtake each other on the way back: only strips return any, and
    those are done in their order under every convention.
    """
    return convention.edge_workers == 0 or (convention.shared_link and convention.edge_workers == 1)


def rate_curve(
    schedule_at: Callable[[float], Schedule],
    steps: Steps,
    link_at: Callable[[float], Link],
    *,
    fastest: float,
    slowest: float,
) -> RateCurve:
    """All lines between two paces of the link (seconds per byte).

    Args:
        schedule_at: the schedule at a link rate.
        steps: what the schedule is made of.
        link_at: the link at a rate.
        fastest: the smaller pace.
        slowest: the larger pace.
    """

    def tangent(pace: float) -> Line:
        link = link_at(1 / pace)
        return _longest_chain(schedule_at(1 / pace), steps, link)

    lines = {}

    def between(left_pace: float, left: Line, right_pace: float, right: Line) -> None:
        if right.sent_bytes <= left.sent_bytes:
            return
        pace = crossing(left, right)
        if not left_pace < pace < right_pace:
            return
        middle = tangent(pace)
        if middle.at(pace) <= left.at(pace) * (1 + _ROUNDING * len(steps.device_ns)):
            return
        lines[middle.sent_bytes] = middle
        between(left_pace, left, pace, middle)
        between(pace, middle, right_pace, right)

    first, last = tangent(fastest), tangent(slowest)
    lines[first.sent_bytes] = first
    lines.setdefault(last.sent_bytes, last)
    between(fastest, first, slowest, last)
    return RateCurve(_needed(sorted(lines.values())))


def _needed(lines: list[Line]) -> tuple[Line, ...]:
    """Those that are the largest somewhere; rounding can leave tangents just below the others."""
    kept: list[Line] = []
    for line in lines:
        while len(kept) > 1 and crossing(kept[-2], line) <= crossing(kept[-2], kept[-1]):
            kept.pop()
        kept.append(line)
    return tuple(kept)


def _longest_chain(schedule: Schedule, steps: Steps, link: Link) -> Line:
    """The chain of steps without a gap that ends with the makespan."""
    makespan_s = schedule.makespan_ns / NS_PER_S
    if not steps.offloads:
        return Line(sent_bytes=0.0, seconds=makespan_s)
    paths = schedule.paths
    at = max(range(len(paths)), key=lambda index: paths[index].edge[1])
    returned, transfer_ns = steps.result_bytes, 0
    if steps.back_bytes is not None and schedule.down[0] > schedule.tail[1]:
        # All else is done, but parts of the result are still on their way.
        at = max(range(len(paths)), key=lambda index: paths[index].back[1])
        returned += steps.back_bytes[paths[at].path]
        transfer_ns += paths[at].back[1] - paths[at].back[0]
        while paths[at].back[0] > paths[at].edge[1]:
            at -= 1
            returned += steps.back_bytes[paths[at].path]
            transfer_ns += paths[at].back[1] - paths[at].back[0]
    arrival_ns = paths[at].link[1] + round(link.delay_s * NS_PER_S)
    while paths[at].edge[0] > arrival_ns:
        at -= 1
        arrival_ns = paths[at].link[1] + round(link.delay_s * NS_PER_S)
    sent = steps.sent_bytes[paths[at].path]
    transfer_ns += paths[at].link[1] - paths[at].link[0]
    while paths[at].link[0] > paths[at].device[1]:
        at -= 1
        sent += steps.sent_bytes[paths[at].path]
        transfer_ns += paths[at].link[1] - paths[at].link[0]
    transfer_s = transfer_ns / NS_PER_S + steps.result_bytes / link.down_bytes_per_s
    return Line(
        # What comes down counts as if it were sent up: both rates grow together.
        sent_bytes=sent + returned * link.up_bytes_per_s / link.down_bytes_per_s,
        seconds=makespan_s - transfer_s,
    )


def crossing(left: Line, right: Line) -> float:
    """The pace at which two lines are as long as each other; they send different amounts."""
    return (left.seconds - right.seconds) / (right.sent_bytes - left.sent_bytes)
