"""What an `Adapting` must say, told from all that has happened: beside the machine, word for word.

Frames and probes are taken in by gauges of its own, so what is believed is compared as well.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from fusepath.faults.clock import require
from fusepath.protocol.adapting import (
    LINKS,
    Adapting,
    Answered,
    Back,
    Conditions,
    Crowded,
    Drop,
    Forgotten,
    Known,
    NotNow,
    Prepare,
    Probe,
    Probed,
    ProbeFailed,
    Ready,
    Search,
    Told,
    Unfit,
    Use,
)
from fusepath.protocol.gauge import Gauge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from fusepath.protocol.adapting import Command, Event

WORTH, WORSE, NOTICEABLE, ELSEWHERE = 0.99, 1.1, 1.1, 1.25
WORTH_IN_NOISE, NOISE_COUNTS, ALWAYS_NOTICEABLE = 0.97, 0.2, 1.25
BAD, EFFORT = 0.35, 0.05
"""The most that is lost on a link, and what a plan must gain to be made ready."""
TRIAL, COOL_DOWN, SETTLED = 3, 50, 10
IN_VAIN, MOST_IN_VAIN = 3, 5
LEAST, MOST, PROBE_S, EVERY_S, EVERY = 2**11, 2**18, 0.008, 0.05, 4
LONG_S, LASTS, IN_A_ROW = 0.25, 3, 12
WAITS, MOST_WAITS = 4, 256
UNCLEAR_S, JITTER = 0.0005, 0.25
AS_PLANNED = Conditions(up=1.0, down=1.0, device=1.0, edge=1.0)


def differ(one: Conditions, other: Conditions, factor: float) -> bool:
    """Whether anything is so many times slower or quicker."""
    pairs = zip(_values(one), _values(other), strict=True)
    return any(max(here / there, there / here) >= factor for here, there in pairs)


def _values(at: Conditions) -> tuple[float, ...]:
    return at.up, at.down, at.device, at.edge


@dataclass
class CheckedAdapting:
    """An `Adapting`, every word of which is checked.

    Args:
        machine: that nothing has happened to.
    """

    machine: Adapting
    current: str = field(init=False)
    known: list[str] = field(init=False)
    ready: list[str] = field(init=False)
    """The one that was used last comes last."""
    forgotten: list[str] = field(default_factory=list)
    """By the edge server alone."""
    up: Gauge = field(default_factory=Gauge)
    down: Gauge = field(default_factory=Gauge)
    device: Gauge = field(default_factory=partial(Gauge, is_probed=False))
    edge: Gauge = field(default_factory=partial(Gauge, is_probed=False))
    frames: int = 0
    restless: bool = False
    """Whether what was chosen for has not lasted yet."""
    changed: int = 0
    """The frame at which conditions were others than those that were chosen for."""
    further_s: float = 0.0
    _probes_further_s: list[float] = field(default_factory=lambda: [0.0])
    """What probes have shown of that."""
    _chosen_for: Conditions = AS_PLANNED
    chosen: list[str] = field(default_factory=list)
    """To be ready."""
    _preparing: str | None = None
    _last_put_off: str | None = None
    """That could not be made ready yet."""
    _put_off: list[int] = field(default_factory=list)
    """The frames at which that was so, since one could, or the edge server answers again,"""
    _again_at: int = 0
    """and the one at which one is, after that."""
    _answers: bool = True
    """Whether it did, when it was probed last."""
    _before: str | None = None
    _trial_s: list[float] = field(default_factory=list)
    _given_up: dict[str, list[int]] = field(default_factory=dict)
    """Until which frames a plan is not used, for each time that it was given up;"""
    _left_alone: dict[str, int] = field(default_factory=dict)
    """and for others were."""
    _trials: list[bool] = field(default_factory=list)
    """Whether the plans that were tried were as good as predicted."""
    _searched: list[Conditions] = field(default_factory=lambda: [AS_PLANNED])
    _searching: bool = False
    _probing: bool = False
    _to_probe_anew: bool = False
    """Once it is known what the probe shows that began before the link was back."""
    _in_a_row: int = 0
    """Probes that followed the one that was sent for a frame, or as the link was back."""
    _frames_tell: bool = False
    """Whether the last one would show that the link becomes quicker."""
    _pause_s: float = EVERY_S
    _unprobed_s: float = math.inf

    def __post_init__(self) -> None:
        self.current = self.machine.current
        kept = sorted(plan for plan in self.machine.kept if plan != self.current)
        self.known, self.ready = [*kept, self.current], [*kept, self.current]

    @property
    def predicted_s(self) -> Callable[[str, Conditions], float]:
        """What a plan takes."""
        return self.machine.predicted_s

    @property
    def conditions(self) -> Conditions:
        """What is believed."""
        times = [gauge.slowness for gauge in self._gauges]
        return replace(Conditions(*times), further_s=self.further_s)

    @property
    def _gauges(self) -> tuple[Gauge, ...]:
        return self.up, self.down, self.device, self.edge

    @property
    def _noise(self) -> float:
        return max(gauge.noise for gauge in self._gauges)

    @property
    def _are_others(self) -> bool:
        """Whether conditions differ from those that were chosen for, by more than by chance."""
        chance = sorted((NOTICEABLE, math.exp(self._noise), ALWAYS_NOTICEABLE))[1]
        elsewhere = self.further_s != self._chosen_for.further_s
        return elsewhere or differ(self.conditions, self._chosen_for, chance)

    def handle(self, event: Event) -> Sequence[Command]:
        """Let the machine know.

        Raises:
            Violation: it says anything else than it must.
        """
        machine, told = self.machine, len(self.machine.story)
        commands = machine.handle(event)
        expected = tuple(self._expected(event))
        require(commands == expected, "{}, not {}, for {}", commands, expected, event)
        require(machine.conditions == self.conditions, "{} are believed", machine.conditions)
        require(machine.current == self.current, "{} is used", machine.current)
        require(machine.is_probing is self._probing, "probing: {}", machine.is_probing)
        if any(not isinstance(item, Probe) for item in commands):
            require(machine.story[-1] == (event, commands), "the story is another one")
            told = min(told + 1, 256)
        require(len(machine.story) == told, "the story lacks something, or has too much")
        return commands

    def _expected(self, event: Event) -> Iterator[Command]:
        match event:
            case Known(plans):
                self._searching = False
                self.known += [plan for plan in plans if plan not in self.known]
                yield from self._choose()
            case Ready(plan) | Unfit(plan) | NotNow(plan):
                self._preparing = None if plan == self._preparing else self._preparing
                yield from self._after_preparing(event)
            case Answered():
                yield from self._after_frame(event)
            case Probed() | ProbeFailed() | Crowded():
                if self._to_probe_anew:
                    self._to_probe_anew = False
                    yield self._usual_probe()
                elif isinstance(event, Probed):
                    yield from self._after_probe(event)
                else:
                    yield from self._after_none(event)
            case Told(slowness):
                self.edge.tell(slowness)
                if self._are_others:
                    self.changed, self.restless = self.frames, True
                    yield from self._choose()
            case Back():
                for gauge in (self.up, self.down, self.edge):
                    gauge.forget()
                self._frames_tell = False
                self._try_all_again()
                if self._probing:
                    self._to_probe_anew = True
                else:
                    yield self._usual_probe()
            case Forgotten():
                self.edge.forget()
                self._try_all_again()
                here = [*self.machine.kept, self.current]
                self.forgotten += [plan for plan in self.ready if plan not in here]
                self.ready = [plan for plan in self.ready if plan in here]
                self._before = None
                self._put_off.clear()
                self._again_at = 0
                self.changed, self.restless = self.frames, True

    def _after_preparing(self, event: Ready | Unfit | NotNow) -> Iterator[Command]:
        plan = event.plan
        if isinstance(event, NotNow):
            self._last_put_off = plan
            self._put_off.append(self.frames)
            return
        self.forgotten = [other for other in self.forgotten if other != plan]
        if isinstance(event, Ready):
            self.known += [plan] if plan not in self.known else []
            self.ready += [plan] if plan not in self.ready else []
            self._put_off.clear()
            self._again_at = 0
        else:
            self.known = [other for other in self.known if other != plan]
        yield from self._choose()

    def _try_all_again(self) -> None:
        for told in (self._given_up, self._left_alone, self._trials):
            told.clear()

    # ------------------------------------------------------------------ frames and probes

    def _after_frame(self, event: Answered) -> Iterator[Command]:
        self.frames += 1
        self._unprobed_s += event.latency_s
        before_s, most_s = self.further_s, event.further_s
        if most_s < before_s:
            self._believe_further(most_s)
        if self.further_s == before_s:
            self.up.handle(event.up)
            self.down.handle(event.down)
        if not event.beside:
            self.device.handle(event.device)
            self.edge.handle(event.edge)
        if self._are_others:
            self.changed, self.restless = self.frames, True
            yield from self._choose()
        else:
            if self.restless and self.frames - self.changed >= LASTS:
                self.restless = False
                if self._preparing is None:
                    yield from self._prepare(self._chosen_for)
            if any(self._barred_until(plan) == self.frames for plan in self._barred):
                yield from self._choose()
            if self._preparing is None and self.frames == self._again_after:
                yield from self._prepare(self._chosen_for)
            yield from self._search()
        if event.plan == self.current and not event.beside:
            yield from self._judge(event.latency_s)
        due = not self._probing and self._unprobed_s >= self._pause_s
        self._frames_tell = self.up.tells(event.up.planned_s, event.up.unclear_s)
        if due and not self._frames_tell and self._would_gain:
            yield self._usual_probe()
            self._unprobed_s = 0.0

    def _search(self) -> Iterator[Command]:
        settled = self.frames - self.changed >= SETTLED
        elsewhere = all(differ(self.conditions, there, ELSEWHERE) for there in self._searched)
        if settled and elsewhere and not self._searching:
            self._searching = True
            self._searched.append(self.conditions)
            yield Search(self.conditions)

    @property
    def _would_gain(self) -> bool:
        """Whether another plan would be better on a link that takes next to no time."""
        here = self._chosen_for
        near_s = here.further_s if here.further_s < 0 else 0.0
        quick = replace(here, up=here.up / 1000, down=here.down / 1000, further_s=near_s)
        return self._least_s(self.known, quick) < WORTH * self.predicted_s(self.current, quick)

    def _usual_probe(self) -> Probe:
        """What takes 8 ms, as far as is known."""
        self._probing, self._in_a_row = True, 0
        size_bytes = PROBE_S * self.machine.up_bytes_per_s / self.up.slowness
        return Probe(round(min(max(size_bytes, LEAST), MOST)))

    def _after_probe(self, event: Probed) -> Iterator[Command]:
        ways = ((self.up, event.up), (self.down, event.down))
        taken_s = [taken.measured_s for _, taken in ways]
        self._pause_s = max(EVERY_S, EVERY * sum(taken_s))
        self._probing = False
        if not self._answers:
            self._answers = True
            self._again_at = min(self._again_after, self.frames + LASTS)
            self._put_off.clear()
        self._probes_further_s.append(event.further_s)
        low_s, high_s = sorted(self._probes_further_s[-2:])
        if not low_s <= self.further_s <= high_s:
            self._believe_further(low_s if self.further_s < low_s else high_s)
        quicker = any(gauge.is_quicker(taken) for gauge, taken in ways)
        blind = any(gauge.slowness * way.planned_s <= 2 * way.unclear_s for gauge, way in ways)
        late = any(way.measured_s >= max(PROBE_S, 2 * way.unclear_s) for _, way in ways)
        dark = any(
            way.measured_s <= 2 * way.unclear_s >= gauge.slowness * way.planned_s
            for gauge, way in ways
        )
        more = ((quicker or blind) and not late) or (dark and max(taken_s) < LONG_S)
        if more and event.size_bytes != MOST:
            self._probing = True
            self._in_a_row += 1
            yield Probe(min(8 * event.size_bytes, MOST))
            return
        for gauge, taken in ways:
            gauge.handle(taken)
        if self._are_others:
            self.changed, self.restless = self.frames, True
            yield from self._choose()
        if any(gauge.is_unsure and gauge.is_trusted for gauge, _ in ways):
            self._probing = self._in_a_row < IN_A_ROW - 1
            self._in_a_row += 1
            yield from [Probe(event.size_bytes)] if self._probing else []

    def _after_none(self, event: ProbeFailed | Crowded) -> Iterator[Command]:
        more = isinstance(event, Crowded) and not self._frames_tell and event.size_bytes != MOST
        self._probing = more
        self._answers = self._answers and isinstance(event, Crowded)
        if more:
            self._in_a_row += 1
            yield Probe(min(8 * event.size_bytes, MOST))

    def _believe_further(self, further_s: float) -> None:
        """Unless that is by chance."""
        delay_s = self.machine.delay_s + max(further_s, self.further_s)
        if not -1 <= (further_s - self.further_s) / (UNCLEAR_S + JITTER * delay_s) <= 1:
            self.further_s = further_s
            for gauge in (self.up, self.down):
                gauge.forget()

    # ------------------------------------------------------------------ plans

    def _least_s(self, plans: Iterable[str], at: Conditions) -> float:
        return min(self.predicted_s(plan, at) for plan in plans)

    def _best(self, plans: Iterable[str], at: Conditions) -> str:
        """Of those that may be used now."""
        allowed = [plan for plan in plans if self._is_allowed(plan)]
        require(self.current in allowed or self.current not in plans, "a plan is barred and used")
        return min(allowed, key=self._at(at))

    def _is_allowed(self, plan: str) -> bool:
        return self._barred_until(plan) <= self.frames

    def _barred_until(self, plan: str) -> int:
        return max(self._given_up.get(plan, [0])[-1], self._left_alone.get(plan, 0))

    @property
    def _barred(self) -> set[str]:
        return {*self._given_up, *self._left_alone}

    def _at(self, conditions: Conditions) -> Callable[[str], float]:
        """What plans take there."""
        return lambda plan: self.predicted_s(plan, conditions)

    def _choose(self) -> Iterator[Command]:
        self._chosen_for = here = self.conditions
        best = self._best(self.ready, here)
        gain = sorted((1 - WORTH, self._noise * NOISE_COUNTS, 1 - WORTH_IN_NOISE))[1]
        if self.predicted_s(best, here) < (1 - gain) * self.predicted_s(self.current, here):
            proven = self.current if self._before is None else self._before
            self._before = None if best == proven else proven
            yield self._use(best, "predicted to be quicker")
        if self._preparing is None:
            yield from self._prepare(here)

    def _use(self, plan: str, why: str) -> Use:
        self.current, self._trial_s = plan, []
        self.ready.remove(plan)
        self.ready.append(plan)
        return Use(plan, why)

    @property
    def _again_after(self) -> int:
        """Before so many frames nothing is made ready."""
        if not self._put_off:
            return self._again_at
        return self._put_off[-1] + min(WAITS * 2 ** (len(self._put_off) - 1), MOST_WAITS)

    def _prepare(self, here: Conditions) -> Iterator[Command]:
        if self.frames < self._again_after:
            return
        wanted = self._wanted(here)
        lacking = [plan for plan in wanted if plan not in self.ready]
        if not lacking:
            return
        best = lacking[1] if lacking[0] == self._last_put_off and lacking[1:] else lacking[0]
        held = [*self.forgotten, *self.ready]
        if best not in self.forgotten and self._without_kept(held) >= self.machine.room:
            spare = next((plan for plan in held if plan not in {*wanted, *self.machine.kept}), None)
            if spare is None:
                return
            (self.ready if spare in self.ready else self.forgotten).remove(spare)
            yield Drop(spare)
        self._preparing = best
        yield Prepare(best)

    def _wanted(self, here: Conditions) -> list[str]:
        """What is in use, kept, best here, or gains most on links as they may become."""
        wanted = [plan for plan in (self.current, self._before) if plan in self.ready]
        wanted += [
            plan
            for plan in sorted(self.machine.kept)
            if plan not in wanted and self._is_allowed(plan)
        ]
        chosen = self._chosen_together(wanted)
        best = self._best(self.known, here)
        near = [
            plan
            for plan in chosen
            if WORTH * self.predicted_s(plan, here) <= self.predicted_s(best, here)
        ]
        if not set(near) & set(self.ready):
            if best in self.ready or not (near or self.restless):
                chosen = self._chosen_together([*wanted, best])
                near = [best]
            if near and not (self.restless and near[0] not in self.ready):
                first = self._best(near, here)
                rest = [plan for plan in chosen if plan not in {*wanted, first}]
                chosen = [*wanted, *([] if first in wanted else [first]), *rest]
        self.chosen = chosen
        return chosen

    def _chosen_together(self, wanted: list[str]) -> list[str]:
        """Those that were chosen last, changed one by one for as long as anything is gained."""
        allowed = [plan for plan in self.known if self._is_allowed(plan)]
        took_s = {plan: [self.predicted_s(plan, link) for link in LINKS] for plan in allowed}
        best_s = [min(times) for times in zip(*took_s.values(), strict=True)]
        lost = {
            plan: [
                min(max(time_s / least_s - 1 / WORTH, 0), BAD)
                for time_s, least_s in zip(times, best_s, strict=True)
            ]
            for plan, times in took_s.items()
        }

        def cost(plans: list[str]) -> float:
            """What is lost with some plans, and what is left to be made ready."""
            left = sum(map(min, *(lost[plan] for plan in plans), [BAD] * len(LINKS)))
            return left + EFFORT * sum(plan not in {*self.ready, *self.forgotten} for plan in plans)

        plans = list(dict.fromkeys([*wanted, *(plan for plan in self.chosen if plan in allowed)]))
        while True:
            may_go = [plan for plan in plans if plan not in wanted]
            others = [plan for plan in allowed if plan not in plans]
            fewer = {plan: [one for one in plans if one != plan] for plan in may_go}
            too_many = self._without_kept(plans) - self.machine.room
            if too_many > 0:
                choices = list(fewer.values())
                if not choices:
                    return plans
            else:
                choices = []
                for other in others:
                    choices += [[*fewer[plan], other] for plan in may_go]
                    choices += [[*plans, other]] if too_many < 0 else []
            costs = [round(cost(plans) - cost(choice), 9) for choice in choices]
            if too_many <= 0 and max(costs, default=0) <= 0:
                return plans
            plans = choices[costs.index(max(costs))]

    def _without_kept(self, plans: Iterable[str]) -> int:
        return sum(plan not in self.machine.kept for plan in plans)

    def _judge(self, latency_s: float) -> Iterator[Command]:
        if self._before not in self.ready:
            return
        if any(gauge.is_unsure for gauge in self._gauges):
            self._trial_s = []
            return
        self._trial_s.append(latency_s)
        if len(self._trial_s) < TRIAL:
            return
        plan, before, here = self.current, self._before, self.conditions
        self._before = None
        least_s = max(WORSE * self.predicted_s(plan, here), self.predicted_s(before, here))
        self._trials.append(statistics.median(self._trial_s) <= least_s)
        if not self._trials[-1]:
            bars = self._given_up.setdefault(plan, [])
            bars.append(self.frames + COOL_DOWN * 2 ** len(bars))
            self._leave_alone(before)
            yield self._use(before, "the other took longer than predicted")
            yield from self._choose()
        elif self._preparing is None:
            yield from self._prepare(self._chosen_for)

    def _leave_alone(self, before: str) -> None:
        """After some plans in a row that were not as good as predicted, all that promise more."""
        in_vain = [*reversed(self._trials), True].index(True)
        more = min(in_vain - IN_VAIN, MOST_IN_VAIN)
        here, until = self.conditions, self.frames + round(COOL_DOWN * 2.0**more)
        for plan in self.known if more >= 0 else ():
            promises = self.predicted_s(plan, here) < WORTH * self.predicted_s(before, here)
            if promises and plan not in self.machine.kept:
                self._left_alone[plan] = max(until, self._left_alone.get(plan, 0))
