"""Making a plan book: plans at some rates, exact makespans of all of them at every rate."""

from __future__ import annotations

import heapq
import math
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fusepath.cancellation import check_cancelled
from fusepath.errors import InfeasibleError, InputError
from fusepath.plan.book.book import BookEntry, PlanBook, PlannedRate, without_timeline
from fusepath.plan.book.envelope import fewest, lower_envelope
from fusepath.plan.book.rate_curve import crossing, follows_lines, rate_curve
from fusepath.plan.book.steps import steps_of
from fusepath.plan.fluid import fluid_bound_s
from fusepath.plan.make import plan_with
from fusepath.plan.origin import UNKNOWN
from fusepath.plan.request import DEFAULT_REQUEST, PlanRequest
from fusepath.plan.timing import Timing
from fusepath.schedule.budget import Budget
from fusepath.schedule.problem import NS_PER_S
from fusepath.units import format_bytes_per_s
from fusepath.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.cost import Link
    from fusepath.plan.book.rate_curve import Line, RateCurve
    from fusepath.plan.book.steps import Steps
    from fusepath.plan.origin import Origin
    from fusepath.plan.plan import Plan
    from fusepath.plan.setting import Setting

    Progress = Callable[[int, int, str], None]

_FIRST_STEP = 1.35
"""Rates planned first grow by this factor; whoever needs more of them gets them between these."""
_LEAST_STEP = 1.02
_BOUND_STEP = 1.04
_GOLDEN = (math.sqrt(5) - 1) / 2


def make_book(
    setting: Setting,
    rates: tuple[float, float],
    request: PlanRequest = DEFAULT_REQUEST,
    origin: Origin = UNKNOWN,
    *,
    tolerance: float = 0.005,
    most: int = 64,
    probes: int = 8,
    progress: Progress | None = None,
) -> PlanBook:
    """A book of the best plans found for a range of link rates.

    The range is planned at some rates, growing by a factor. Every plan's makespan is known at every
    rate (`rate_curve`), and the book is the least of all. Where one plan takes over from another,
    or halfway between two planned rates, it is planned again; where that gains more than half the
    tolerance, between these rates once more. Of the plans found, the fewest are kept whose best is
    within the other half of the best of all. The best single cut (NFL) of every rate is known
    exactly and is never beaten by what the book says.

    Plans of a book send tensors as they are, with the codecs chosen for the setting, or, of those
    that it offers, with the ones that suit a rate. Where the input comes as files, ``auto`` has a
    plan beside them that forwards these: whether it is the quicker one depends on the file.

    Both rates of the setting's link scale together; its delay stays. So the rate up is the only
    thing to look up, and how a radio link gets worse is met better than by a fixed rate down.

    Args:
        setting: network, machines, and a link for the ratio of its rates and its delay.
        rates: lowest and highest rate up, bytes per second.
        request: of `make_plan`, for every rate; its budget is that of one rate.
        origin: what is written into the plans besides.
        tolerance: how much slower than the best plan known the book may be, relative.
        most: settings to plan, but for the probes.
        probes: settings to plan afterwards, only to report how far the book is from them.
        progress: called with settings planned, at most to plan, and the rate at hand.

    Raises:
        InputError: the range is empty, the convention lets paths overtake each other, or the
            network takes no time.
        InfeasibleError: nothing keeps to the constraints.
        UndecidedError: the budget of a rate ended before anything was found.
    """
    low, high = rates
    if not (0 < low < high < math.inf):
        raise InputError(
            f"a book needs a lowest rate above zero and a higher one, not "
            f"{format_bytes_per_s(low)} and {format_bytes_per_s(high)}"
        )
    if not (tolerance >= 0 and most >= 2 and probes >= 0):
        raise InputError(
            f"tolerance {tolerance:g}, most {most} and probes {probes}: a book needs at least "
            f"0, 2 and 0"
        )
    if not follows_lines(setting.convention):
        raise InputError(
            f"convention '{setting.convention.name}' lets paths overtake each other at the edge "
            f"server, so makespans over the rate are not known as a whole; use one with "
            f"edge_workers = 1 on a shared link"
        )
    meter = Budget().begin()
    shelf = _Shelf(
        setting=setting.at(setting.link.at(low)),
        fastest=1 / high,
        slowest=1 / low,
        request=request,
        origin=origin,
        most=most + probes,
        progress=progress,
    )
    shelf.add_single_cuts()
    shelf.add_forwarding()
    unbeaten = setting.unbeaten
    settled = _search(shelf, low, high, tolerance / 2, most)
    for rate in _probe_rates(low, high, probes):
        shelf.plan(rate, probe=True)
    return PlanBook(
        fusepath_version=VERSION,
        algorithm=request.algorithm,
        tolerance=tolerance,
        settled=settled,
        search_s=meter.seconds,
        link=shelf.setting.link,
        planned=tuple(sorted(shelf.planned, key=lambda item: item.up_bytes_per_s)),
        nfl=tuple((line.seconds, line.sent_bytes) for line in shelf.single_cut_lines()),
        bounds=tuple(
            (rate, shelf.bound_s(unbeaten.at(shelf.link_at(rate))))
            for rate in _geometric(low, high, _BOUND_STEP)
        ),
        entries=shelf.entries(low, high, tolerance / 2),
        forwarding=shelf.forwarding_entry(low, high),
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    """A plan with all that its makespan depends on."""

    plan: Plan
    steps: Steps
    curve: RateCurve


@dataclass(kw_only=True)
class _Shelf:
    """The plans found so far, and the settings that were planned to find them."""

    setting: Setting
    fastest: float
    """Seconds per byte at the highest rate."""
    slowest: float
    request: PlanRequest
    origin: Origin
    most: int
    progress: Progress | None
    kept: list[_Kept] = field(default_factory=list)
    planned: list[PlannedRate] = field(default_factory=list)
    single_cuts: list[int] = field(default_factory=list)
    """Places of the plans of NFL."""
    forwarding: _Kept | None = None
    """What forwards the file."""

    def __post_init__(self) -> None:
        self.timing = Timing(self.setting)

    def link_at(self, rate: float) -> Link:
        """The link at a rate up, bytes per second."""
        return self.setting.link.at(rate)

    def plan(self, rate: float, *, probe: bool = False) -> float:
        """Plan a rate, and keep the plan unless it is a probe; what it gains, relative."""
        if self.progress is not None:
            self.progress(len(self.planned), self.most, format_bytes_per_s(rate))
        timing = self.timing.at(self.link_at(rate))
        found = plan_with(timing, self.wanted, self.origin).plans
        plan = found[0]
        self.setting.check_takes_time(plan.makespan_s)
        if self.forwarding is not None:
            plan = next(item for item in found if not item.recipe.forwards)
        known_s = min(float(item.curve.at(np.array(1 / rate))) for item in self.kept)
        self.planned.append(
            PlannedRate(up_bytes_per_s=rate, makespan_s=found[0].makespan_s, probe=probe)
        )
        if not probe:
            self._keep(plan)
        return known_s / plan.makespan_s - 1

    @property
    def wanted(self) -> PlanRequest:
        """Of a rate: the best plan, and where a file may be forwarded, the best that does not."""
        if self.forwarding is None:
            return self.request
        return msgspec.structs.replace(self.request, top=2)

    def add_forwarding(self) -> None:
        """Set aside what forwards the file, where ``auto`` may do so."""
        if self.setting.source is None or self.request.algorithm != "auto":
            return
        request = PlanRequest(algorithm="forward", constraints=self.request.constraints)
        with suppress(InfeasibleError):
            plan = plan_with(self.timing, request, self.origin).best
            self.forwarding = self._as_kept(plan)

    def forwarding_entry(self, low: float, high: float) -> BookEntry | None:
        """What forwards the file, for the whole range."""
        return None if self.forwarding is None else self._entry(self.forwarding, low, high)

    def bound_s(self, setting: Setting) -> float:
        """A time that no plan beats on the link of a setting; there are many to work out."""
        check_cancelled()
        bound_s = fluid_bound_s(setting) + setting.decode_s
        if self.forwarding is None:
            return bound_s
        plan, steps = self.forwarding.plan, self.forwarding.steps
        schedule = steps.schedule(plan.order, setting.link, plan.convention)
        return min(bound_s, schedule.makespan_ns / NS_PER_S)

    def _keep(self, plan: Plan) -> int:
        """The place of a plan, which is a new one unless it is known."""
        digest = plan.recipe_sha256
        for place, item in enumerate(self.kept):
            if item.plan.recipe_sha256 == digest:
                return place
        self.kept.append(self._as_kept(plan))
        return len(self.kept) - 1

    def _as_kept(self, plan: Plan) -> _Kept:
        steps = steps_of(self._timing_of(plan), plan)
        curve = rate_curve(
            lambda rate: steps.schedule(plan.order, self.link_at(rate), plan.convention),
            steps,
            self.link_at,
            fastest=self.fastest,
            slowest=self.slowest,
        )
        return _Kept(without_timeline(plan), steps, curve)

    def _timing_of(self, plan: Plan) -> Timing:
        """With the codecs of a plan."""
        chosen = self.setting.compression or self.setting.back_compression
        if chosen or not (plan.compression or plan.back_compression):
            return self.timing
        return Timing(self.setting.coded_as(plan))

    def add_single_cuts(self) -> None:
        """Keep the best single cut of every rate: one line each, so their crossings show all."""

        def between(fast: int, slow: int) -> None:
            if fast == slow:
                return
            pace = crossing(self._line(fast), self._line(slow))
            middle = self._single_cut(1 / pace)
            if middle not in {fast, slow}:
                between(fast, middle)
                between(middle, slow)

        between(self._single_cut(1 / self.fastest), self._single_cut(1 / self.slowest))
        self.single_cuts = list(range(len(self.kept)))

    def _single_cut(self, rate: float) -> int:
        nfl = PlanRequest(algorithm="nfl", constraints=self.request.constraints, codecs="off")
        return self._keep(plan_with(self.timing.at(self.link_at(rate)), nfl, self.origin).best)

    def _line(self, place: int) -> Line:
        (line,) = self.kept[place].curve.lines
        return line

    def single_cut_lines(self) -> list[Line]:
        """What NFL is the least of."""
        return [self._line(place) for place in self.single_cuts]

    def takeover(self, below: float, above: float) -> float | None:
        """The rate nearest to the middle of two at which one plan takes over from another."""
        pieces = lower_envelope([item.curve for item in self.kept], 1 / above, 1 / below)
        middle = math.sqrt(below * above)
        rates = [1 / pace for pace, _ in pieces[1:]]
        inside = [rate for rate in rates if below * _LEAST_STEP < rate < above / _LEAST_STEP]
        return min(inside, key=lambda rate: abs(math.log(rate / middle)), default=None)

    def entries(self, low: float, high: float, slack: float) -> tuple[BookEntry, ...]:
        """The lower envelope of the plans that are needed, by rising rate."""
        curves = [item.curve for item in self.kept]
        needed = fewest(curves, self.single_cuts, self.fastest, self.slowest, slack)
        pieces = lower_envelope([curves[place] for place in needed], self.fastest, self.slowest)
        rates = [low, *(1 / pace for pace, _ in reversed(pieces[1:])), high]
        return tuple(
            self._entry(self.kept[needed[piece]], start, stop)
            for (start, stop), (_, piece) in zip(pairwise(rates), reversed(pieces), strict=True)
        )

    def _entry(self, kept: _Kept, start: float, stop: float) -> BookEntry:
        link = self.link_at(start)
        plan = kept.plan
        makespan_ns = kept.steps.schedule(plan.order, link, plan.convention).makespan_ns
        makespan_s = makespan_ns / NS_PER_S
        bound_s = min(self.bound_s(self.setting.at(link).unbeaten), makespan_s)
        return BookEntry(
            from_bytes_per_s=start,
            to_bytes_per_s=stop,
            plan=msgspec.structs.replace(plan, link=link).predicting(
                makespan_s=makespan_s, lower_bound_s=bound_s
            ),
            steps=kept.steps,
        )


def _search(shelf: _Shelf, low: float, high: float, slack: float, most: int) -> bool:
    """Plan rates until more of them would gain nothing; False if it ends before."""
    rates = _geometric(low, high, _FIRST_STEP)
    if len(rates) > most:
        rates = np.geomspace(low, high, most).tolist()
    for rate in rates:
        shelf.plan(rate)
    gaps = [(below / above, below, above) for below, above in pairwise(rates)]
    heapq.heapify(gaps)
    while gaps and len(shelf.planned) < most:
        _, below, above = heapq.heappop(gaps)  # the widest
        if above / below < _LEAST_STEP**2:
            continue
        rate = shelf.takeover(below, above) or math.sqrt(below * above)
        if shelf.plan(rate) > slack:
            heapq.heappush(gaps, (below / rate, below, rate))
            heapq.heappush(gaps, (rate / above, rate, above))
    return not gaps


def _geometric(low: float, high: float, step: float) -> list[float]:
    """Rates from one to the other, both included, at most a factor apart."""
    count = max(2, math.ceil(math.log(high / low) / math.log(step)) + 1)
    inner: list[float] = np.geomspace(low, high, count)[1:-1].tolist()
    return [low, *inner, high]


def _probe_rates(low: float, high: float, count: int) -> list[float]:
    """Rates spread over the range that have nothing to do with those planned before."""
    return [low * (high / low) ** (number * _GOLDEN % 1) for number in range(1, count + 1)]
