"""Which of the plans that are known is used, as links and machines turn out to be.

What frames take shows how many times slower each way of the link and each machine is than plans
were made for (`Gauge`). Of plans that are ready the one that is predicted to be best then answers
from the next frame on, if it is better by enough: more where frames differ by chance. Plans that
would be best if the link were some times quicker or slower are made ready ahead, as far as there is
room. A plan that turns out worse than the one before it, by what both were predicted to take, is
given up for that one, and is not tried again for a while, which doubles each time. Where plan after
plan is given up, others that promise as much are not tried for a while either. Where all has
been as it is for some frames, and nothing was planned for that, plans for it are looked for. What
machines take while they do that, or make plans ready, is not believed: it will not last, and a plan
that leaves a machine out does not show when it ends.

A plan that sends little does not show whether the link has become quicker. Where another plan would
gain by that, a little is sent beside frames to see. That also shows how far away the edge server
has become, which frames cannot tell from a slower link: nothing of theirs is in the way then. That
it is nearer frames show, for none of their messages is under way for less.

No clock, socket or thread is in here: events in, commands out. Plans go by names.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from fusepath.protocol.covering import WORTH, Covering
from fusepath.protocol.distance import Distance
from fusepath.protocol.gauge import Gauge, Taken
from fusepath.protocol.given_up import GivenUp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TRIAL = 3
"""Frames that show whether a plan is what it was predicted to be."""
_WORSE = 1.1
SETTLED = 10
"""Frames without a change."""
_LASTS = 3
"""Frames without a change after which a plan for just this is worth making ready."""
_NOTICEABLE = (1.1, 1.25)
"""A change is worth looking at plans again if it is by more than frames usually differ: at least by
the first factor, and by the second in any case."""
_LEAST_WORTH, _BY_CHANCE = 0.97, 0.2
"""Noise makes plans seem better than they are: another one is used if it is better by this part of
the noise, and by `WORTH`, but need not take less than the first part of the time."""
_ELSEWHERE = 1.25
"""Conditions that differ by this factor are others."""
_IF_QUICKER = 1e-3
PROBES_BYTES = (1 << 11, 1 << 18)
"""The least and the most that is sent to see how quick a link is."""
_PROBE_S = 0.008
"""What is sent takes about so long, as far as is known."""
_LONG_S = 0.25
"""Where so much has taken so long one way, no more is sent to see the other."""
_PROBE_EVERY_S, _PROBE_EVERY = 0.05, 4
"""Of frames' time, or so many times what the last probe took."""
_IN_A_ROW = 12
"""So many probes follow one another at most; frames show what is not clear then."""
_WAITS = (4, 256)
"""So many frames it is waited after a plan could not be made ready yet: at first, and at most, for
a machine works on it even where the other one does not answer."""
_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Conditions:
    """How many times slower everything is than plans were made for."""

    up: float = 1.0
    down: float = 1.0
    device: float = 1.0
    edge: float = 1.0
    further_s: float = 0.0
    """For so much longer every message is under way besides, each way."""

    def differs(self, other: Conditions, factor: float) -> bool:
        """Whether anything is so many times slower or quicker than in others, wherever it is."""
        pairs = (
            (self.up, other.up),
            (self.down, other.down),
            (self.device, other.device),
            (self.edge, other.edge),
        )
        return any(not 1 / factor < one / two < factor for one, two in pairs)


LINKS = tuple(
    Conditions(up=2.0 ** (half / 2), down=2.0**octave)
    for half in range(-8, 13)
    for octave in range(-4, 7, 2)
)
"""What a link may become: from 16 times quicker each way than plans were made for to 64 times
slower. Of how quick they can be sent to, plans depend more."""


# ---------------------------------------------------------------------------- what happened


@dataclass(frozen=True, slots=True)
class Known:
    """Plans that may be used from now on, beside those known before; an answer to `Search`."""

    plans: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ready:
    """A plan is ready, whoever wanted it."""

    plan: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """A plan cannot be made ready."""

    plan: str


@dataclass(frozen=True, slots=True)
class NotNow:
    """A plan could not be made ready for a reason that passes: nobody answered, or had room."""

    plan: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A frame was answered as planned: what it took of everything."""

    plan: str
    latency_s: float
    up: Taken
    down: Taken
    device: Taken
    edge: Taken
    further_s: float
    """As of `Conditions`, at most."""
    beside: bool
    """Whether the machines did other work for this session meanwhile, such as making plans ready:
    what they took then will not last."""


@dataclass(frozen=True, slots=True)
class Probed:
    """So many bytes were sent each way, for `Probe`."""

    size_bytes: int
    up: Taken
    down: Taken
    further_s: float
    """As of `Conditions`, if nothing else was on the link."""


@dataclass(frozen=True, slots=True)
class ProbeFailed:
    """They were not."""


@dataclass(frozen=True, slots=True)
class Crowded:
    """They were, beside so much of frames that it shows nothing."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Told:
    """The edge server says how many times longer work takes there, for it waits for others'."""

    edge: float


@dataclass(frozen=True, slots=True)
class Back:
    """The link was down, and may be another now."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The edge server is another, and has none of the plans but the one in use."""


Event = (
    Known
    | Ready
    | Unfit
    | NotNow
    | Answered
    | Probed
    | ProbeFailed
    | Crowded
    | Told
    | Back
    | Forgotten
)

# ---------------------------------------------------------------------------- what is to be done


@dataclass(frozen=True, slots=True)
class Use:
    """Answer frames with a plan that is ready."""

    plan: str
    why: str


@dataclass(frozen=True, slots=True)
class Prepare:
    """Make a plan ready: `Ready`, `Unfit` or `NotNow`."""

    plan: str


@dataclass(frozen=True, slots=True)
class Drop:
    """A plan need not be ready any more."""

    plan: str


@dataclass(frozen=True, slots=True)
class Probe:
    """Send so many bytes each way: `Probed`, `ProbeFailed` or `Crowded`."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Search:
    """Look for plans for these conditions: `Known`."""

    conditions: Conditions


Command = Use | Prepare | Drop | Probe | Search


@dataclass(slots=True)
class Adapting:
    """Chooses between plans.

    Args:
        predicted_s: what a plan takes under some conditions, in seconds; inf for one that is not
            known any more.
        current: the plan in use.
        room: how many plans may be ready at a time, beside those that are kept.
        up_bytes_per_s: of the link that plans were made for.
        delay_s: likewise.
        kept: plans that are ready whatever happens, such as that of the device alone; they need no
            room.
    """

    predicted_s: Callable[[str, Conditions], float]
    current: str
    room: int
    up_bytes_per_s: float
    delay_s: float
    kept: frozenset[str] = frozenset()
    story: deque[tuple[Event, tuple[Command, ...]]] = field(
        default_factory=lambda: deque(maxlen=_REMEMBERED)
    )
    """What led to something of late, and to what."""
    up: Gauge = field(default_factory=Gauge)
    down: Gauge = field(default_factory=Gauge)
    device: Gauge = field(default_factory=partial(Gauge, is_probed=False))
    edge: Gauge = field(default_factory=partial(Gauge, is_probed=False))
    distance: Distance = field(init=False)
    _known: dict[str, None] = field(init=False)
    _ready: dict[str, None] = field(init=False)
    """The one that was used last comes last."""
    _half_ready: dict[str, None] = field(default_factory=dict)
    """Plans that the edge server has forgotten."""
    _covering: Covering = field(init=False)
    _chosen: list[str] = field(default_factory=list)
    """Plans that are ready or will be."""
    _preparing: str | None = None
    _not_now: str | None = None
    """The last one that could not be made ready yet."""
    _waits: int = 0
    """For so many frames it was waited after that,"""
    _waits_until: int = 0
    """and until this one."""
    _chosen_for: Conditions = Conditions()
    _before: str | None = None
    """The last plan that was not on trial, while the one in use is."""
    _trial_s: list[float] = field(default_factory=list)
    _frames: int = 0
    _given_up: GivenUp = field(default_factory=GivenUp)
    _steady: int = 0
    """Frames since anything changed."""
    _restless: int = 0
    """Frames until a change has lasted."""
    _searched: list[Conditions] = field(default_factory=lambda: [Conditions()])
    _is_searching: bool = False
    _probing: bool = False
    _is_stale: bool = False
    """Whether what is under way for a probe was sent before the link was back."""
    _in_a_row: int = 0
    """Probes since frames had the link for themselves."""
    _unanswered: bool = False
    """Whether the last probe failed."""
    _shown: bool = False
    """Whether the last frame would show that the link becomes quicker."""
    _probe_took_s: float = 0.0
    _unprobed_s: float = math.inf

    def __post_init__(self) -> None:
        self.distance = Distance(self.delay_s)
        self._known = dict.fromkeys((*sorted(self.kept - {self.current}), self.current))
        self._ready = dict(self._known)
        self._covering = Covering(lambda plan: [self.predicted_s(plan, link) for link in LINKS])

    @property
    def conditions(self) -> Conditions:
        """As they are believed to be."""
        return Conditions(
            up=self.up.slowness,
            down=self.down.slowness,
            device=self.device.slowness,
            edge=self.edge.slowness,
            further_s=self.distance.further_s,
        )

    @property
    def _gauges(self) -> tuple[Gauge, ...]:
        return self.up, self.down, self.device, self.edge

    @property
    def is_probing(self) -> bool:
        """Whether it is not known yet what a `Probe` shows."""
        return self._probing

    def handle(self, event: Event) -> Sequence[Command]:
        """Take in what has happened; what is to be done for it."""
        commands = tuple(self._handle(event))
        if any(not isinstance(item, Probe) for item in commands):
            self.story.append((event, commands))
        return commands

    def _handle(self, event: Event) -> Iterator[Command]:
        match event:
            case Known(plans):
                self._is_searching = False
                self._known |= dict.fromkeys(plans)
                yield from self._choose()
            case Ready(plan):
                self._known[plan] = None
                self._half_ready.pop(plan, None)
                self._ready.setdefault(plan)
                self._covering.forget(plan)  # what it takes has been seen
                self._waits = self._waits_until = 0
                self._prepared(plan)
                yield from self._choose()
            case Unfit(plan):
                self._known.pop(plan, None)
                self._half_ready.pop(plan, None)
                self._prepared(plan)
                yield from self._choose()
            case Answered():
                yield from self._answered(event)
            case Probed() | ProbeFailed() | Crowded() if self._is_stale:
                self._is_stale = False
                yield self._first_probe()
            case Probed():
                yield from self._probed(event)
            case ProbeFailed() | Crowded():
                yield from self._unprobed(event)
            case NotNow(plan):
                self._put_off(plan)
            case Told(edge):
                yield from self._told(edge)
            case Back():
                yield from self._look_again()
            case Forgotten():
                self._forget()

    def _told(self, edge: float) -> Iterator[Command]:
        self.edge.tell(edge)
        if self._has_changed:
            yield from self._change()

    def _put_off(self, plan: str) -> None:
        """Make nothing ready for some frames, and then another plan first, if one is wanted."""
        least, most = _WAITS
        self._prepared(plan)
        self._not_now = plan
        self._waits = min(max(2 * self._waits, least), most)
        self._waits_until = self._frames + self._waits

    def _look_again(self) -> Iterator[Command]:
        for gauge in (self.up, self.down, self.edge):
            gauge.forget()
        self._given_up = GivenUp()
        self._shown = False
        self._is_stale = self._probing
        if not self._probing:
            yield self._first_probe()

    def _forget(self) -> None:
        """What was ready takes its room until it is again, or is not wanted any more."""
        self.edge.forget()
        self._given_up = GivenUp()
        self._steady, self._restless = 0, _LASTS
        self._waits = self._waits_until = 0
        needed = {*self.kept, self.current}
        self._half_ready |= dict.fromkeys(plan for plan in self._ready if plan not in needed)
        self._ready = {plan: None for plan in self._ready if plan in needed}
        self._before = None

    def _prepared(self, plan: str) -> None:
        if self._preparing == plan:
            self._preparing = None

    # ------------------------------------------------------------------ frames and probes

    def _answered(self, event: Answered) -> Iterator[Command]:
        self._frames += 1
        self._unprobed_s += event.latency_s
        if self.distance.bound(event.further_s):
            self._look_anew()
        else:
            self.up.handle(event.up)
            self.down.handle(event.down)
        if not event.beside:
            self.device.handle(event.device)
            self.edge.handle(event.edge)
        if self._has_changed:
            yield from self._change()
        else:
            yield from self._settle()
        if event.plan == self.current and not event.beside:
            yield from self._judge(event.latency_s)
        self._shown = self.up.tells(event.up.planned_s, event.up.unclear_s)
        if self._wants_probe:
            self._unprobed_s = 0.0
            yield self._first_probe()

    @property
    def _noise(self) -> float:
        """How much frames differ without a reason, as a logarithm."""
        return max(gauge.noise for gauge in self._gauges)

    @property
    def _has_changed(self) -> bool:
        least, most = _NOTICEABLE
        factor = min(max(math.exp(self._noise), least), most)
        here = self.conditions
        moved = here.further_s != self._chosen_for.further_s
        return moved or here.differs(self._chosen_for, factor)

    def _look_anew(self) -> None:
        """What messages took before tells nothing of a link to a server that is elsewhere."""
        self.up.forget()
        self.down.forget()

    def _change(self) -> Iterator[Command]:
        self._steady, self._restless = 0, _LASTS
        yield from self._choose()

    def _settle(self) -> Iterator[Command]:
        """Look for plans for just this, once it has been so for a while."""
        self._steady += 1
        if self._restless:
            self._restless -= 1
            if not self._restless:
                yield from self._prepare(self._chosen_for)
        if self._given_up.ends(self._frames):
            yield from self._choose()
        if self._frames == self._waits_until:
            yield from self._prepare(self._chosen_for)
        here = self.conditions
        if (
            self._steady >= SETTLED
            and not self._is_searching
            and all(here.differs(there, _ELSEWHERE) for there in self._searched)
        ):
            self._searched.append(here)
            self._is_searching = True
            yield Search(here)

    @property
    def _wants_probe(self) -> bool:
        """Whether the link might be quicker, and nothing shows it."""
        pause_s = max(_PROBE_EVERY_S, _PROBE_EVERY * self._probe_took_s)
        if self._probing or self._shown or self._unprobed_s < pause_s:
            return False
        here = self._chosen_for  # stays, so that what plans take there is known from before
        quicker = replace(
            here,
            up=here.up * _IF_QUICKER,
            down=here.down * _IF_QUICKER,
            further_s=min(here.further_s, 0.0),
        )
        return self._best(self._known, quicker) < WORTH * self.predicted_s(self.current, quicker)

    def _first_probe(self) -> Probe:
        """Of those that may follow one another."""
        self._in_a_row = 0
        least, most = PROBES_BYTES
        size_bytes = _PROBE_S * self.up_bytes_per_s / self.up.slowness
        return self._probe(round(min(max(size_bytes, least), most)))

    def _probe(self, size_bytes: int) -> Probe:
        self._probing = True
        self._in_a_row += 1
        return Probe(size_bytes)

    def _probed(self, event: Probed) -> Iterator[Command]:
        self._probing = False
        if self._unanswered:
            self._unanswered = False
            self._waits, self._waits_until = 0, min(self._waits_until, self._frames + _LASTS)
        self._probe_took_s = event.up.measured_s + event.down.measured_s
        if self.distance.show(event.further_s):
            self._look_anew()
        ways = ((self.up, event.up), (self.down, event.down))
        too_little = any(
            gauge.is_quicker(taken) or not gauge.tells(taken.planned_s, taken.unclear_s)
            for gauge, taken in ways
        )
        short = all(taken.measured_s < max(_PROBE_S, 2 * taken.unclear_s) for _, taken in ways)
        unseen = any(not gauge.is_shown_by(taken) for gauge, taken in ways)
        soon = all(taken.measured_s < _LONG_S for _, taken in ways)
        if (too_little and short) or (unseen and soon):  # so little does not tell how quick
            yield from self._probe_more(event.size_bytes)
            if self._probing:
                return
        self.up.handle(event.up)
        self.down.handle(event.down)
        if self._has_changed:
            yield from self._change()
        unsure = any(gauge.is_unsure and gauge.is_trusted for gauge in (self.up, self.down))
        if unsure and self._in_a_row < _IN_A_ROW:
            yield self._probe(event.size_bytes)

    def _unprobed(self, event: ProbeFailed | Crowded) -> Iterator[Command]:
        """Leave it to frames to show the link, unless they send too little for that."""
        self._probing = False
        self._unanswered |= isinstance(event, ProbeFailed)
        if isinstance(event, Crowded) and not self._shown:
            yield from self._probe_more(event.size_bytes)

    def _probe_more(self, size_bytes: int) -> Iterator[Probe]:
        _, most = PROBES_BYTES
        if size_bytes < most:
            yield self._probe(min(8 * size_bytes, most))

    # ------------------------------------------------------------------ choosing

    def _best(self, plans: Sequence[str] | dict[str, None], conditions: Conditions) -> float:
        return min(self.predicted_s(plan, conditions) for plan in plans)

    def _allowed(self, plans: dict[str, None]) -> list[str]:
        """Those that are not left alone, as the one in use never is."""
        return [plan for plan in plans if not self._given_up.holds(plan, self._frames)]

    def _choose(self) -> Iterator[Command]:
        here = self._chosen_for = self.conditions
        best = min(self._allowed(self._ready), key=lambda plan: self.predicted_s(plan, here))
        worth = min(max(1 - _BY_CHANCE * self._noise, _LEAST_WORTH), WORTH)
        if self.predicted_s(best, here) < worth * self.predicted_s(self.current, here):
            if best == self._before:
                self._before = None
            elif self._before is None:
                self._before = self.current
            yield self._use(best, "predicted to be quicker")
        yield from self._prepare(here)

    def _use(self, plan: str, why: str) -> Use:
        self.current = plan
        self._trial_s = []
        del self._ready[plan]
        self._ready[plan] = None
        return Use(plan, why)

    def _judge(self, latency_s: float) -> Iterator[Command]:
        """Give the plan in use up if it is worse than the one before."""
        if self._before is None:  # while there is one it stays ready
            return
        if any(gauge.is_unsure for gauge in self._gauges):
            self._trial_s = []
            return
        self._trial_s.append(latency_s)
        if len(self._trial_s) < TRIAL:
            return
        taken_s, here = statistics.median(self._trial_s), self.conditions
        before, self._before = self._before, None
        if taken_s > _WORSE * self.predicted_s(self.current, here) and taken_s > self.predicted_s(
            before, here
        ):
            self._given_up.add(self.current, self._frames, lambda: self._promising(before, here))
            yield self._use(before, "the other took longer than predicted")
            yield from self._choose()  # there may be one whose trial was broken off
            return
        self._given_up.keep()
        yield from self._prepare(self._chosen_for)  # the other need not stay ready

    def _promising(self, before: str, here: Conditions) -> Iterator[str]:
        """Plans that are predicted to be quicker than another."""
        enough_s = WORTH * self.predicted_s(before, here)
        for plan in self._known:
            if plan not in self.kept and self.predicted_s(plan, here) < enough_s:
                yield plan

    def _prepare(self, here: Conditions) -> Iterator[Command]:
        """Make ready what is best now, or is good where the link is another."""
        if self._preparing is not None or self._frames < self._waits_until:
            return
        wanted = self._wanted(here)
        lacking = [plan for plan in wanted if plan not in self._ready]
        if not lacking:
            return
        missing = next((plan for plan in lacking if plan != self._not_now), lacking[0])
        held = (*self._half_ready, *self._ready)
        in_room = [plan for plan in held if plan not in self.kept]
        if missing not in self._half_ready and len(in_room) >= self.room:
            spare = next((plan for plan in in_room if plan not in wanted), None)
            if spare is None:
                return
            self._half_ready.pop(spare, None)
            self._ready.pop(spare, None)
            yield Drop(spare)
        self._preparing = missing
        yield Prepare(missing)

    def _wanted(self, here: Conditions) -> list[str]:
        """What is to be ready, most needed first.

        Of links as they may become, machines are taken to be as planned: plans are not all looked
        at anew whenever one of them pauses.
        """
        known = self._allowed(self._known)
        needed = dict.fromkeys((self.current, self._before, *sorted(self.kept)))
        wanted = [plan for plan in needed if plan in known]  # and ready
        chosen = self._cover(known, wanted)
        best = min(known, key=lambda plan: self.predicted_s(plan, here))
        least_s = self.predicted_s(best, here)
        near = [plan for plan in chosen if WORTH * self.predicted_s(plan, here) <= least_s]
        if not any(plan in self._ready for plan in near):
            if best in self._ready or not (near or self._restless):
                chosen = self._cover(known, [*wanted, best])
            elif not self._restless:
                first = min(near, key=lambda plan: self.predicted_s(plan, here))
                chosen = list(dict.fromkeys([*wanted, first, *chosen]))
        self._chosen = chosen
        return chosen

    def _cover(self, known: Sequence[str], wanted: Sequence[str]) -> list[str]:
        room = self.room + len(self.kept.intersection(wanted))
        held = self._ready | self._half_ready
        return self._covering.plans(known, wanted, held, room, self._chosen)
