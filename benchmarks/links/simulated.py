"""A stream of frames over a link that changes, in simulated time.

The machine that decides (`fusepath.protocol.adapting`) and the plans are those of a session. Link,
device and edge server are played: each path is computed, carried and served in turn, by the times
of the plans, each time with a little noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from benchmarks.links.trace import DOWN, UP, Link, Phase
from fusepath.errors import NoPlanError
from fusepath.offload.adaptation import room_for
from fusepath.offload.observed import probed
from fusepath.offload.plan_map import PlanMap
from fusepath.offload.replanning import explore, hasty, setting_under
from fusepath.plan import DEFAULT_REQUEST, PlanRequest, make_plan, shortlist
from fusepath.protocol.adapting import (
    Adapting,
    Answered,
    Back,
    Conditions,
    Drop,
    Known,
    Prepare,
    Probe,
    ProbeFailed,
    Ready,
    Search,
    Use,
)
from fusepath.protocol.gauge import Taken

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.plan import Setting
    from fusepath.plan.book.steps import Steps
    from fusepath.protocol.adapting import Event

PREPARED_S = 1.0
"""What it takes to make a plan ready."""
SEARCHED_S = 2.0
SETTLED_S = 20.0
"""For so long frames have been answered before the first one that counts."""
_MATTERS, _UNCLEAR_S = 0.04, 0.0005
_LEAST_PATIENCE_S, _PATIENCE = 0.25, 3
_BACK_S, _TRIED_EVERY_S = 0.3, 0.5
"""From a failure to the edge server being used again, and between tries."""
_PROBE_WITHIN_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What became of one frame."""

    start_s: float
    latency_s: float
    plan: str
    phase: int
    alone: bool
    """Answered by the device in place of the plan in use."""
    burst_left_bytes: float


@dataclass(frozen=True, kw_only=True)
class Noise:
    """By how much times differ, as standard deviations of logarithms."""

    machines: float = 0.02
    link: float = 0.05


@dataclass(frozen=True, kw_only=True)
class _Spent:
    """What one frame took of everything."""

    end_s: float
    up_s: float
    down_s: float
    device_s: float
    edge_s: float


class Plans:
    """The plans of a setting, and what each of them takes while a link changes.

    Args:
        setting: for which a book is made.
        thorough: what may be spent on the best plans; a session spends less.
    """

    def __init__(self, setting: Setting, thorough: PlanRequest = DEFAULT_REQUEST) -> None:
        self.setting, self.thorough = setting, thorough
        self.request = hasty(thorough)
        self.map = PlanMap(setting)
        explore(self.map, self.request)
        self.map.add_plans(
            make_plan(setting, PlanRequest(algorithm=name, codecs="off")).best
            for name in ("device-only", "full-offload")
        )
        self.book = self.map.names
        self.alone = next(n for n in self.map.names if not self.steps(n).offloads)
        self._best: dict[Conditions, str] = {}

    def steps(self, name: str) -> Steps:
        """Of a plan."""
        return self.map.steps(name)

    def search(self, conditions: Conditions) -> tuple[str, ...]:
        """Plans for conditions, with little to spend, as a session looks for them."""
        try:
            found = shortlist(setting_under(self.map, conditions), self.request)
        except NoPlanError:
            return ()
        self.map.add_plans(found)
        return tuple(plan.recipe_sha256 for plan in found)

    def auto(self, conditions: Conditions) -> str:
        """The best plan under some conditions, with all that a search may spend."""
        if conditions not in self._best:
            best = make_plan(setting_under(self.map, conditions), self.thorough).best
            self.map.add_plans([best])
            self._best[conditions] = best.recipe_sha256
        name = self._best[conditions]
        return min(self.map.names, key=lambda other: self._s(other, conditions, name))

    def _s(self, name: str, conditions: Conditions, first: str) -> tuple[float, bool]:
        return self.map.predicted_s(name, conditions), name != first

    def conditions(self, phase: Phase) -> Conditions:
        """What holds once the burst of a phase is spent; only of one that carries something."""
        link = self.setting.link
        return Conditions(
            up=link.up_bytes_per_s / phase.up_bytes_per_s,
            down=link.down_bytes_per_s / phase.down_bytes_per_s,
        )


@dataclass(kw_only=True)
class Stream:
    """Frames one after the other, in simulated time.

    Args:
        plans: what may be used.
        link: carries them.
        first: the plan in use at the beginning.
        fixed: whether that plan stays.
        noise: of all times.
        seed: of the noise.
        device_slowness: how many times slower the device is at a time.
    """

    plans: Plans
    link: Link
    first: str
    fixed: bool = False
    noise: Noise = Noise()
    seed: int = 0
    device_slowness: Callable[[float], float] = lambda _now_s: 1.0
    now_s: float = 0.0
    frames: list[Frame] = field(default_factory=list)
    switches: list[tuple[float, str, str]] = field(default_factory=list)
    """When, to what, why."""
    probed_bytes: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311 - nothing secret
        self.machine = Adapting(
            self.plans.map.predicted_s,
            self.first,
            room_for(self.plans.setting.graph, self.plans.request.constraints),
            self.plans.setting.link.up_bytes_per_s,
            self.plans.setting.link.delay_s,
            kept=frozenset({self.plans.alone}),
        )
        self._later: list[tuple[float, int, Event]] = []
        self._count = 0
        self._away_until_s = 0.0
        self._away = self._looking = False
        if not self.fixed:
            self._tell(Known(self.plans.book))

    # ------------------------------------------------------------------ the machine

    def settle(self) -> None:
        """Let it find out what the first phase is like, and what is made ready ahead be ready."""
        first, link = self.link.phases[0], self.link
        quick = max(first.up_bytes_per_s, first.burst_bytes_per_s)
        steady = Phase(
            seconds=SETTLED_S, up_bytes_per_s=quick, down_bytes_per_s=first.down_bytes_per_s
        )
        self.link = Link((steady,))
        self.run(SETTLED_S)
        while self._later:
            self.now_s = max(self._later[0][0], self.now_s)
            self._happen()
        self.link, self.now_s, self.probed_bytes = link, 0.0, 0
        self.frames.clear()
        self.switches.clear()

    def _tell(self, event: Event) -> None:
        for command in self.machine.handle(event):
            match command:
                case Use(plan, why):
                    self.switches.append((self.now_s, plan, why))
                case Prepare(plan):
                    self._after(PREPARED_S, Ready(plan))
                case Search(conditions):
                    self._after(SEARCHED_S, Known(self.plans.search(conditions)))
                case Probe(size_bytes):
                    self._after(*self._probe(size_bytes))
                case Drop():
                    pass

    def _after(self, seconds: float, event: Event) -> None:
        self._count += 1
        self._later.append((self.now_s + seconds, self._count, event))
        self._later.sort()

    def _probe(self, size_bytes: int) -> tuple[float, Event]:
        """What is sent beside frames: it goes first."""
        self.probed_bytes += size_bytes
        link, delay_s = self.plans.setting.link, self.plans.setting.link.delay_s
        up_s = (self.link.carried_at(UP, size_bytes, self.now_s) - self.now_s) * self._jitter()
        back_s = self.now_s + up_s + 2 * delay_s
        down_s = (self.link.carried_at(DOWN, size_bytes, back_s) - back_s) * self._jitter()
        if max(up_s, down_s) > _PROBE_WITHIN_S:
            return _PROBE_WITHIN_S, ProbeFailed()
        empty_s = 2 * delay_s
        shown = probed(size_bytes, (empty_s, empty_s + up_s, empty_s + down_s), link)
        return 3 * empty_s + up_s + down_s, shown

    def _happen(self) -> None:
        """Everything that was to happen by now, when it was."""
        until_s = self.now_s
        while self._later and self._later[0][0] <= until_s:
            self.now_s, _, event = self._later.pop(0)
            self._tell(event)
        self.now_s = until_s

    # ------------------------------------------------------------------ frames

    def run(self, seconds: float) -> None:
        """Answer frames for so long."""
        while self.now_s < seconds:
            self._happen()
            self._come_back()
            self._answer()

    def _come_back(self) -> None:
        """Use the edge server again once it answers, and the link has been looked at."""
        if self._looking:
            self._away = self._looking = self.machine.is_probing
            return
        if not self._away or self.now_s < self._away_until_s:
            return
        if not self.link.phases[self.link.number_at(self.now_s)].carries:
            self._away_until_s = self.now_s + _TRIED_EVERY_S
            return
        self._away = not self.fixed
        if not self.fixed:
            self._looking = True
            self._tell(Back())

    def _answer(self) -> None:
        name = self.plans.alone if self._away else self.machine.current
        here = self.link.number_at(self.now_s)
        spent = self._spend(name)
        predicted_s = self.plans.map.predicted_s(name, self.machine.conditions)
        patience_s = max(_PATIENCE * predicted_s, _LEAST_PATIENCE_S)
        latency_s = spent.end_s - self.now_s
        alone = False
        if self.plans.steps(name).offloads and latency_s > patience_s:
            alone_s = patience_s + self._alone_s()
            if alone_s < latency_s:
                latency_s, alone = alone_s, True
        self.frames.append(
            Frame(
                start_s=self.now_s,
                latency_s=latency_s,
                plan=name,
                phase=here,
                alone=alone or self._away,
                burst_left_bytes=self.link.burst_left_bytes,
            )
        )
        answered = self._answered(name, spent, latency_s)
        self.now_s += latency_s
        if alone:
            self._away, self._away_until_s = True, self.now_s + _BACK_S
        elif not self.fixed and not self._away:
            self._tell(answered)

    def _alone_s(self) -> float:
        steps = self.plans.steps(self.plans.alone)
        return (sum(steps.device_ns) + steps.head_ns) / 1e9 * self._slowness()

    def _slowness(self) -> float:
        return self.device_slowness(self.now_s)

    def _answered(self, name: str, spent: _Spent, latency_s: float) -> Answered:
        steps, link = self.plans.steps(name), self.plans.setting.link
        unclear_s = (
            _MATTERS * self.plans.map.predicted_s(name, self.machine.conditions) + _UNCLEAR_S
        )
        returned = steps.result_bytes if steps.offloads else 0
        device_ns = sum(steps.device_ns) + steps.head_ns + steps.finish_ns
        planned = (
            sum(steps.sent_bytes) / link.up_bytes_per_s,
            (sum(steps.back_bytes or ()) + returned) / link.down_bytes_per_s,
            device_ns / 1e9,
            (sum(steps.edge_ns) + steps.tail_ns) / 1e9,
        )
        taken = (spent.up_s, spent.down_s, spent.device_s, spent.edge_s)
        up, down, device, edge = (
            Taken(*pair, unclear_s) for pair in zip(taken, planned, strict=True)
        )
        return Answered(name, latency_s, up, down, device, edge, further_s=math.inf, beside=False)

    def _jitter(self) -> float:
        return math.exp(self.random.gauss(0, self.noise.link))

    def _spend(self, name: str) -> _Spent:
        """Play a frame; each lane does one thing at a time, in the order of the plan."""
        steps, delay_s = self.plans.steps(name), self.plans.setting.link.delay_s
        order = [path - 1 for path in self.plans.map.plan(name).order]
        device = self._slowness() * math.exp(self.random.gauss(0, self.noise.machines))
        edge = math.exp(self.random.gauss(0, self.noise.machines))
        carried = self._jitter()
        device_free = self.now_s + steps.head_ns / 1e9 * device
        up_free = edge_free = down_free = 0.0
        up_s = down_s = 0.0
        arrived = 0.0
        for path in order:
            device_free += steps.device_ns[path] / 1e9 * device
            if not steps.offloads:
                continue
            start = max(device_free, up_free)
            up_free = self.link.carried_at(UP, steps.sent_bytes[path] * carried, start)
            up_s += up_free - start
            arrived = max(up_free + delay_s, edge_free)
            edge_free = arrived + steps.edge_ns[path] / 1e9 * edge
            if steps.back_bytes is not None:
                start = max(edge_free, down_free)
                down_free = self.link.carried_at(DOWN, steps.back_bytes[path], start)
                down_s += down_free - start
        end = device_free
        if steps.offloads:
            edge_free += steps.tail_ns / 1e9 * edge
            start = max(edge_free, down_free)
            down_free = self.link.carried_at(DOWN, steps.result_bytes, start)
            down_s += down_free - start
            end = max(end, down_free + delay_s)
        end += steps.finish_ns / 1e9 * device
        return _Spent(
            end_s=end,
            up_s=up_s,
            down_s=down_s,
            device_s=(sum(steps.device_ns) + steps.head_ns + steps.finish_ns) / 1e9 * device,
            edge_s=(sum(steps.edge_ns) + steps.tail_ns) / 1e9 * edge,
        )
