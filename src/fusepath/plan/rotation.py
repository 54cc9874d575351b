"""Plans that the frames of a stream take in turn."""

from __future__ import annotations

import math
import statistics
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fusepath.errors import InfeasibleError
from fusepath.plan.algorithms import ALGORITHMS
from fusepath.plan.compressed import variants
from fusepath.plan.fluid.period import period_bound_s
from fusepath.plan.objective import LATENCY, Latency, of_stream
from fusepath.plan.origin import UNKNOWN
from fusepath.plan.planner import WHOLE, answer, check_request
from fusepath.plan.timing import Timing
from fusepath.schedule import evaluate
from fusepath.schedule.alternation import alternations
from fusepath.schedule.problem import NS_PER_S
from fusepath.schedule.result import relative_gap
from fusepath.schedule.stream import Job, play_stream
from fusepath.timeline import Lane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.arrays import FloatArray
    from fusepath.cost import Convention, Link
    from fusepath.plan.book.steps import Steps
    from fusepath.plan.objective import StreamObjective
    from fusepath.plan.origin import Origin
    from fusepath.plan.plan import Plan
    from fusepath.plan.request import PlanRequest
    from fusepath.plan.setting import Setting
    from fusepath.schedule.alternation import Alternation
    from fusepath.timeline import Timeline

_BESIDE = 16
"""Plans of an algorithm that are candidates; of single cuts all are."""
_LISTED, _PLAYED = 400, 60
"""Alternations that are listed, and of them played, at most."""
_CYCLES = 8
"""That are played to see a period."""
_SAME = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """Frame ``n`` of a stream takes ``plans[turns[n % len(turns)]]``."""

    plans: tuple[Plan, ...]
    """The one that most frames take comes first."""
    turns: tuple[int, ...]
    """By frame of a cycle: its plan, 0-based."""
    in_flight: int
    """Frames under way at a time."""
    period_s: float
    """Mean time from one result to the next."""
    latency_s: float
    """Mean of what the frames would take alone."""
    lower_bound_s: float
    """A period that no plans beat, in whatever turns and however many frames are under way."""

    @property
    def frames_per_s(self) -> float:
        """Results per second."""
        return 1 / self.period_s

    @property
    def gap(self) -> float:
        """(period − lower bound) / period."""
        return relative_gap(self.period_s, self.lower_bound_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLoad:
    """What a frame of a plan asks of the machines."""

    job: Job
    busy_s: FloatArray
    """How long it keeps each machine from other frames, as `loads_of`."""
    alone_s: float
    """What it takes when no other is under way."""


def make_rotation(setting: Setting, request: PlanRequest, origin: Origin = UNKNOWN) -> Rotation:
    """The best plans for a stream of frames, with codecs and without.

    The candidates are all single cuts and what ``auto`` finds; for any other algorithm what that
    finds. One of them answers all frames, or two of them whole frames in turn. What seems best by
    the work of the machines is played event by event, until nothing that is left can be better.

    Args:
        setting: network, machines, link and convention.
        request: what the planner may choose, and what it must keep to. Of its objective
            `Throughput` has the least period; `Latency` the least latency of those with so many
            frames a second.
        origin: what is written into the plans besides.

    Raises:
        InputError: as of `make_plan`, or the network takes no time.
        InfeasibleError: nothing was found that keeps to the constraints, or to the rate.
        UndecidedError: the budget ended before anything was found.
    """
    check_request(request)
    timing, objective = Timing(setting), of_stream(request.objective)
    candidates = _candidates(timing, request, origin)
    turns, period_s = best_turns(
        [
            FrameLoad(job=_job(setting, plan), busy_s=loads_of(plan), alone_s=plan.makespan_s)
            for plan in candidates
        ],
        objective,
    )
    setting.check_takes_time(period_s)
    used = by_use(turns)
    return Rotation(
        plans=tuple(msgspec.structs.replace(candidates[at], request=request) for at in used),
        turns=tuple(used.index(at) for at in turns),
        in_flight=objective.in_flight,
        period_s=period_s,
        latency_s=statistics.fmean(candidates[at].makespan_s for at in turns),
        lower_bound_s=period_bound_s([item.setting for item in variants(timing, request)]),
    )


def best_turns(
    frames: Sequence[FrameLoad], objective: StreamObjective
) -> tuple[tuple[int, ...], float]:
    """Which of some plans every frame of a cycle takes, 0-based; and the period of that.

    Args:
        frames: a frame of each plan.
        objective: `Throughput` has the least period; `Latency` the least latency of those with so
            many frames a second.

    Raises:
        InfeasibleError: none have so many.
    """
    loads_s, alone_s = np.array([item.busy_s for item in frames]), [item.alone_s for item in frames]
    listed = partial(alternations, loads_s, alone_s, in_flight=objective.in_flight, most=_LISTED)
    quickest = partial(_quickest, [item.job for item in frames], objective.in_flight)
    if not isinstance(objective, Latency):
        return quickest(listed(by_latency=False))
    most_s = objective.most_period_s
    turns, period_s = quickest(listed(by_latency=True, within_s=most_s), enough_s=most_s)
    if period_s > most_s:
        turns, period_s = quickest(listed(by_latency=False), enough_s=most_s)
    if period_s > most_s:
        raise InfeasibleError(
            f"no plans have {1 / most_s:.4g} frames/s with {objective.in_flight} under way; "
            f"the most that was found is {1 / period_s:.4g}"
        )
    return turns, period_s


def by_use(turns: Sequence[int]) -> list[int]:
    """The plans of a cycle, the one that most frames take first."""
    return sorted(set(turns), key=lambda at: -turns.count(at))


def _quickest(
    jobs: Sequence[Job],
    in_flight: int,
    options: Sequence[Alternation],
    *,
    enough_s: float = 0.0,
) -> tuple[tuple[int, ...], float]:
    """The alternation of least period, or the first with one that is enough; and its period.

    Args:
        jobs: a frame of each plan.
        in_flight: frames under way at a time.
        options: are played in this order, while one that is left may be better.
        enough_s: seconds.
    """
    best: tuple[tuple[int, ...], float] = (), math.inf
    several = 0
    for option in options:
        if option.least_period_s >= best[1] * (1 - _SAME):
            continue
        several += len(option.turns) > 1
        if len(option.turns) > 1 and several > _PLAYED:
            continue  # but single plans are all looked at
        period_s = _period_s([jobs[at] for at in option.turns], in_flight)
        if period_s < best[1]:
            best = option.turns, period_s
        if period_s <= enough_s:
            break
    return best


def _candidates(timing: Timing, request: PlanRequest, origin: Origin) -> Sequence[Plan]:
    asked = msgspec.structs.replace(request, objective=LATENCY, top=max(request.top, _BESIDE))
    if request.algorithm in WHOLE:
        several = [msgspec.structs.replace(asked, top=sys.maxsize)]
    elif request.algorithm == "auto" and not request.start:
        several = [msgspec.structs.replace(asked, algorithm="nfl", top=sys.maxsize), asked]
    else:
        several = [asked]
    results = [
        answer(timing, item, origin, ALGORITHMS[item.algorithm].search, most=sys.maxsize)
        for item in several
    ]
    plans = [plan for result in results for plan in result.plans]
    return plans or [results[-1].best]  # which raises why there is none


def loads_of(plan: Plan) -> FloatArray:
    """Seconds that a frame of a plan keeps device, up link, edge server and way back from others.

    Where the edge server has several workers, their share; 0 for what is there as often as it is
    needed. A message is on its way for longer than it occupies the link.
    """
    return _busy_s(plan.timeline, plan.link, plan.convention)


def load_of(steps: Steps, order: Sequence[int], link: Link, convention: Convention) -> FrameLoad:
    """The same of a frame whose paths take what is known of them.

    Args:
        steps: what they take.
        order: of a plan, 1-based.
        link: that carries them.
        convention: how machines are counted.
    """
    problem = steps.problem(link, convention)
    job = Job(problem, [path - 1 for path in order], [1] * problem.paths)
    timeline = evaluate(problem, job.order, job.cuts).timeline()
    return FrameLoad(job=job, busy_s=_busy_s(timeline, link, convention), alone_s=timeline.end_s)


def _busy_s(timeline: Timeline, link: Link, convention: Convention) -> FloatArray:
    way = 1.0 if convention.shared_link else 0.0
    delays_s = sum(
        min(link.delay_s, span.duration_s)
        for span in timeline.on(Lane.DOWNLINK)
        if span.path is None
    )
    return np.array(
        [
            timeline.busy_s(Lane.DEVICE),
            timeline.busy_s(Lane.UPLINK) * way,
            timeline.busy_s(Lane.EDGE) / convention.edge_workers if convention.edge_workers else 0,
            (timeline.busy_s(Lane.DOWNLINK) - delays_s) * way,
        ]
    )


def played_period_s(
    setting: Setting, plans: Sequence[Plan], turns: Sequence[int], *, in_flight: int
) -> float:
    """Mean time from one result to the next, played event by event on the machines of a setting.

    Args:
        setting: network, machines and link.
        plans: that are taken in turn.
        turns: by frame of a cycle: its plan, 0-based.
        in_flight: frames under way at a time.
    """
    return _period_s([_job(setting, plans[at]) for at in turns], in_flight)


def _job(setting: Setting, plan: Plan) -> Job:
    problem, cuts = Timing(setting.coded_as(plan)).problem_of_plan(plan)
    return Job(problem, [path - 1 for path in plan.order], cuts)


def _period_s(cycle: Sequence[Job], in_flight: int) -> float:
    """Not of the first frames, which find machines idle, nor the last, which have none behind.

    Results may come in bursts, so what is averaged begins and ends at the same point of a burst:
    over what repeats, where anything does.
    """
    around = -(-2 * in_flight // len(cycle))
    played = play_stream([*cycle] * (4 * around + _CYCLES), in_flight=in_flight)
    first, last = (len(cycle) * number - 1 for number in (around, 3 * around + _CYCLES))
    steps_ns = np.diff(played.done_ns[first : last + 1])
    count = len(steps_ns)
    for lag in range(len(cycle), count // 2 + 1, len(cycle)):
        if np.array_equal(steps_ns[lag:], steps_ns[:-lag]):
            return float(steps_ns[:lag].mean()) / NS_PER_S
    return float(steps_ns.mean()) / NS_PER_S
