"""Is a schedule right? Written from the rules, sharing no code with what makes schedules."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fusepath.schedule.problem import Problem
    from fusepath.schedule.schedule import PathTimes, Schedule


def violations(problem: Problem, schedule: Schedule) -> list[str]:
    """Everything wrong with a schedule; empty when it obeys the rules.

    The rules: every path once, in the order in which the device computes them; durations are those
    of its cut; on device and shared link no two paths at the same time; at most ``edge_workers``
    paths at the edge; the device begins with paths once what comes before all of them is done;
    chained paths by their numbers on the device, and no one of them taken up at
    the edge before the one before is done; a path is sent after it is computed and taken up after
    it has arrived; a part of the result returns after its path is done, one at a time on a shared
    link; the tail waits for all; what returns in the end returns last; and the device finishes when
    that has returned and all its paths are computed.
    """
    problems: list[str] = []
    if sorted(item.path for item in schedule.paths) != list(range(problem.paths)):
        problems.append("not every path is scheduled exactly once")
    for item in schedule.paths:
        problems += _path(problem, item)
    problems += _in_order(problem, schedule)
    if min(item.device[0] for item in schedule.paths) < problem.head_ns:
        problems.append(f"a path is computed before {problem.head_ns}, when the head is done")

    problems += _at_most(1, [item.device for item in schedule.paths], "device")
    if problem.shared_link:
        problems += _at_most(1, [item.link for item in schedule.paths], "link")
        problems += _at_most(1, [item.back for item in schedule.paths], "way back")
    workers = problem.edge_workers if problem.edge_workers > 0 else problem.paths
    problems += _at_most(workers, [item.edge for item in schedule.paths], "edge server")

    last = max(item.edge[1] for item in schedule.paths)
    sent_any = any(item.link != (item.link[0], item.link[0]) for item in schedule.paths)
    if sent_any and schedule.tail[0] < last:
        problems.append(f"the tail starts at {schedule.tail[0]} before {last}, when paths are done")
    if schedule.tail[1] - schedule.tail[0] != problem.tail_ns:
        problems.append(f"the tail takes {schedule.tail[1] - schedule.tail[0]} ns")
    if schedule.down[0] < schedule.tail[1]:
        problems.append("the result is sent before the tail ends")
    if sent_any and schedule.down[0] < max(item.back[1] for item in schedule.paths):
        problems.append("the result ends before its last part has returned")
    if sent_any and schedule.down[1] - schedule.down[0] != problem.down_ns:
        problems.append(f"the result takes {schedule.down[1] - schedule.down[0]} ns")
    begin, end = schedule.finish
    if end - begin != problem.finish_ns:
        problems.append(f"finishing takes {end - begin} ns")
    if begin < max(item.device[1] for item in schedule.paths):
        problems.append("the device finishes before all its paths are computed")
    if sent_any and begin < schedule.down[1]:
        problems.append("the device finishes before all has returned")
    return problems


def _path(problem: Problem, item: PathTimes) -> list[str]:
    kind = problem.class_of[item.path]
    problems = []
    for name, (start, end), table in (
        ("device", item.device, problem.device_ns),
        ("link", item.link, problem.link_ns),
        ("edge server", item.edge, problem.edge_ns),
        ("way back", item.back, problem.back_ns),
    ):
        duration = 0 if table is None else table[kind, item.cut - 1]
        if start < 0 or end - start != duration:
            problems.append(f"path {item.path}: {name} takes {end - start} ns from {start}")
    if item.link[0] < item.device[1]:
        problems.append(f"path {item.path}: sent at {item.link[0]} before it is computed")
    if item.edge[0] < item.link[1] + problem.delay_ns:
        problems.append(f"path {item.path}: taken up at {item.edge[0]} before it has arrived")
    if item.back[0] < item.edge[1]:
        problems.append(f"path {item.path}: returned at {item.back[0]} before it is done")
    return problems


def _in_order(problem: Problem, schedule: Schedule) -> list[str]:
    """Paths that come before one that they have to follow."""
    problems = []
    for before, after in pairwise(schedule.paths):
        if after.device[0] < before.device[1]:
            problems.append(f"path {after.path}: computed before path {before.path} is")
        if not problem.chained:
            continue
        if after.path < before.path:
            problems.append(f"path {after.path}: comes after path {before.path}, which follows it")
        if after.edge[0] < before.edge[1]:
            problems.append(f"path {after.path}: taken up before path {before.path} is done")
    return problems


def _at_most(limit: int, spans: list[tuple[int, int]], where: str) -> list[str]:
    """More spans than ``limit`` open at one moment? Counted at every start."""
    working = [(start, end) for start, end in spans if end > start]
    starts, ends = sorted(start for start, _ in working), sorted(end for _, end in working)
    for start in starts:
        running = bisect_right(starts, start) - bisect_right(ends, start)
        if running > limit:
            return [f"{where}: {running} paths at {start}, at most {limit} can run"]
    return []
