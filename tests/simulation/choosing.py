"""An `Adapting` alone: links and machines that change, plans made ready, and plans that lie."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from fusepath.faults.clock import require
from fusepath.protocol.adapting import (
    Adapting,
    Answered,
    Back,
    Conditions,
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
from fusepath.protocol.gauge import HIDDEN, Taken
from tests.simulation.deciding import (
    AS_PLANNED,
    COOL_DOWN,
    EVERY,
    IN_A_ROW,
    LONG_S,
    MOST,
    NOTICEABLE,
    SETTLED,
    TRIAL,
    WORTH,
    CheckedAdapting,
    differ,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from fusepath.protocol.adapting import Command, Event

RATE, DELAY_S, UNCLEAR_S = 1e6, 0.002, 0.001
SOON = 3
"""Frames after which the best of what was ready is used."""


@dataclass(frozen=True)
class Plan:
    """Seconds of each machine, bytes each way."""

    device_s: float
    up_bytes: float
    down_bytes: float
    edge_s: float


def drawn(random: Random) -> dict[str, Plan]:
    """The whole network here, there, and what lies between."""
    work_s = 0.05 + 0.1 * random.random()
    plans = {"alone": Plan(work_s, 0, 0, 0.0)}
    for number in range(random.randint(2, 6)):
        here = random.random() * 0.8
        plans[f"plan {number}"] = Plan(
            work_s * here, 80_000 * (1 - here) * random.random(), 4_000, work_s * (1 - here) / 8
        )
    return plans


@dataclass
class Play:
    """What surrounds the machine."""

    random: Random
    plans: dict[str, Plan]
    machine: Adapting = field(init=False)
    here: Conditions = AS_PLANNED
    ready: set[str] = field(default_factory=lambda: {"alone"})
    forgotten: set[str] = field(default_factory=set)
    """Plans that only this machine is ready for."""
    known: set[str] = field(default_factory=lambda: {"alone"})
    preparing: str | None = None
    probing: int | None = None
    searching: bool = False
    searches: int = 0
    prepared_plans: int = 0
    liars: dict[str, float] = field(default_factory=dict)
    """Plans that take so many times longer than predicted."""
    barred: dict[str, int] = field(default_factory=dict)
    uses: list[str] = field(default_factory=list)
    frames: int = 0
    jitter: float = 0.0
    """By how much what messages are under way for differs, as a logarithm."""
    pause_s: float = 0.0
    """For so long the link is left alone, after what it was last probed with."""
    far_s: float = field(init=False)
    """How unclear it is what a probe takes, where the edge server is far away."""
    _checked: CheckedAdapting = field(init=False)

    def __post_init__(self) -> None:
        self.room = self.random.choice((2, 3, 9))
        self.kept = frozenset({"alone"} if self.random.random() < 0.5 else ())
        self.far_s = self.random.choice((0.0, 0.01, 0.04))
        self.machine = Adapting(self.predicted_s, "alone", self.room, RATE, DELAY_S, self.kept)
        self._checked = CheckedAdapting(self.machine)

    def predicted_s(self, name: str, at: Conditions) -> float:
        """What a plan takes, one thing after the other."""
        plan = self.plans[name]
        return (
            plan.device_s * at.device
            + plan.up_bytes / RATE * at.up
            + plan.down_bytes / RATE * at.down
            + plan.edge_s * at.edge
            + (2 * (DELAY_S + at.further_s) if plan.up_bytes else 0.0)
        )

    def tell(self, event: Event) -> Sequence[Command]:
        """Let the machine know, and see that what it says can be done."""
        if event == Forgotten():
            self.forgotten |= self.ready - self.kept - {self.machine.current}
            self.ready -= self.forgotten
        commands = self._checked.handle(event)
        for command in commands:
            self.do(command)
        in_room = (self.ready | self.forgotten) - self.kept
        require(len(in_room) <= max(self.room, 2), "more is ready than there is room for")
        return commands

    def do(self, command: Command) -> None:
        """One command."""
        match command:
            case Use(name, _):
                require(name in self.ready, "{} is used and not ready", name)
                require(self.barred.get(name, 0) <= self.frames, "{} is tried too soon", name)
                self.uses.append(name)
            case Prepare(name):
                require(self.preparing is None, "two are made ready at a time")
                require(name in self.known and name not in self.ready, "{} need not be ready", name)
                require(self.has_room or name in self.forgotten, "there is no room for it")
                self.preparing = name
                self.prepared_plans += 1
            case Drop(name):
                is_there = name in self.ready | self.forgotten
                require(is_there and name != self.machine.current, "{} is dropped", name)
                require(name not in self.kept, "{} is kept, and dropped", name)
                require(not self.has_room, "there is room")
                self.ready.discard(name)
                self.forgotten.discard(name)
            case Probe(size_bytes):
                require(self.probing is None, "two probes at a time")
                self.probing = size_bytes
            case Search():
                require(not self.searching, "two searches at a time")
                self.searching = True
                self.searches += 1

    @property
    def has_room(self) -> bool:
        """Whether one more may be ready."""
        return len((self.ready | self.forgotten) - self.kept) < self.room

    # ------------------------------------------------------------------ what happens

    def frame(
        self, name: str | None = None, noise: float = 0.0, *, beside: bool = False
    ) -> Sequence[Command]:
        """One more, with the plan in use or one that was, perhaps beside other work."""
        name, at = name or self.machine.current, self.here
        plan, slower = self.plans[name], self.liars.get(name, 1.0)
        pairs = (
            (plan.up_bytes / RATE, at.up),
            (plan.down_bytes / RATE, at.down),
            (plan.device_s, at.device),
            (plan.edge_s, at.edge),
        )
        self.frames += 1
        up, down, device, edge = (self.taken(planned_s, times, noise) for planned_s, times in pairs)
        latency_s = slower * sum(item.measured_s for item in (up, down, device, edge))
        most_s = math.inf
        if plan.up_bytes:  # what is not known of how far it is seems to be slowness
            latency_s += slower * 2 * (DELAY_S + at.further_s)
            most_s = at.further_s + (up.measured_s + down.measured_s) / 2
            up, down = (self._longer(way) for way in (up, down))
        self.pause_s -= latency_s
        return self.tell(
            Answered(name, latency_s, up, down, device, edge, further_s=most_s, beside=beside)
        )

    def _longer(self, way: Taken) -> Taken:
        """What is seen of one way while it is believed to be as far as it is."""
        longer_s = self.here.further_s - self.machine.distance.further_s
        return replace(way, measured_s=max(way.measured_s + longer_s, 0.0))

    def taken(self, planned_s: float, times: float, noise: float = 0.0) -> Taken:
        """What something takes; sometimes much more or less, where there is noise at all."""
        if noise:
            times *= math.exp(self.random.gauss(0, noise))
            if self.random.random() < 0.04:
                times *= self.random.choice((0.4, 3.0))
        return Taken(planned_s * times, planned_s, UNCLEAR_S)

    def answer(self) -> None:
        """Whatever was asked for."""
        if self.probing is not None:
            self.probed()
        if self.preparing is not None:
            self.prepared()
        if self.searching:
            self.searching = False
            self.tell(Known(()))

    def probed(self, noise: float = 0.0) -> None:
        """What a probe has shown."""
        assert self.probing is not None
        size_bytes, self.probing = self.probing, None
        ways = (self.here.up, self.here.down)
        taken = [self.taken(size_bytes / RATE, times, noise) for times in ways]
        self.pause_s = EVERY * sum(item.measured_s for item in taken)
        far_s = self.far_s + 0.5 * max(self.here.further_s, 0.0)
        up, down = (replace(item, unclear_s=item.unclear_s + far_s) for item in taken)
        jitter = math.exp(self.random.gauss(0, noise or self.jitter))
        further_s = (DELAY_S + self.here.further_s) * jitter - DELAY_S
        if noise and self.random.random() < 0.04:
            further_s += 0.1  # something is on the link
        self.tell(Probed(size_bytes, up, down, further_s))

    def prepared(self) -> None:
        """A plan is ready."""
        assert self.preparing is not None
        name, self.preparing = self.preparing, None
        self.ready.add(name)
        self.forgotten.discard(name)
        self.tell(Ready(name))

    def offered(self, name: str) -> None:
        """A plan is ready that nobody here has asked for, and that need not be known."""
        self.known.add(name)
        self.ready.add(name)
        self.forgotten.discard(name)
        self.tell(Ready(name))

    def unfit(self) -> None:
        """A plan cannot be made ready."""
        assert self.preparing is not None
        name, self.preparing = self.preparing, None
        self.known.discard(name)
        self.forgotten.discard(name)
        self.tell(Unfit(name))

    def put_off(self) -> None:
        """A plan cannot be made ready yet."""
        assert self.preparing is not None
        name, self.preparing = self.preparing, None
        require(self.tell(NotNow(name)) == (), "it is not waited, after {} was put off", name)

    def settle(self, frames: int = 30) -> None:
        """Frames while nothing changes."""
        for _ in range(frames):
            self.frame()
            self.answer()

    def settle_for_good(self) -> None:
        """Until whatever has changed has been seen, the link by probes, and plans found for it."""
        self.settle(60 + 2 * COOL_DOWN)
        if self.pause_s > 0:
            while self.pause_s > 0:
                self.frame()
            self.settle(3 * SETTLED)

    def is_right(self, of: set[str] | None = None) -> None:
        """Whether the plan in use is as good as any of some, or of all known, where all is seen."""
        believed = self.machine.conditions
        if of is None:  # time enough to see how quick the link is, whatever plans send over it
            believed = replace(
                believed,
                up=self.seen(believed.up, self.here.up, self.here.down),
                down=self.seen(believed.down, self.here.down, self.here.up),
            )
        if differ(believed, self.here, NOTICEABLE) or believed.further_s != self.here.further_s:
            return  # a plan that makes no use of a machine does not show how quick it is
        best_s = min(
            self.predicted_s(name, self.here) for name in (of or self.known) - set(self.liars)
        )
        used_s = self.predicted_s(self.machine.current, self.here)
        require(used_s * WORTH <= best_s * 1.02, "{} s are taken, not {}", used_s, best_s)

    def seen(self, believed: float, slowness: float, back: float) -> float:
        """What can be known of one way: the most that is sent over a far link may not show it.

        Where the other way is slow, less is sent.
        """
        most = min(MOST, LONG_S * RATE / back)
        times = 2 * (UNCLEAR_S + self.far_s) * RATE / most
        return believed if max(believed, slowness) < times else slowness


def choose(random: Random) -> None:
    """Conditions that change for good a few times.

    Raises:
        Violation: the machine does what cannot be done, or is content with a bad plan.
    """
    play = Play(random, drawn(random))
    _begin(play)
    for _ in range(random.randint(1, 4)):
        _change(play)
    _exaggerate(play)
    _lie(play)
    _start_anew(play)
    _come_back(play)
    _hear(Play(random, drawn(random)))
    _work_beside(Play(random, drawn(random)))
    _stay(random)
    _rest(random)
    _creep(Play(random, drawn(random)))
    _rush(Play(random, drawn(random)))
    _put_off(Play(random, drawn(random)))
    _flutter(Play(random, drawn(random)))
    last = random.random()  # of these one, for they take long
    if last < 0.15:
        _move(random)
    elif last < 0.2:
        _mislead(random)
    elif last < 0.3:
        _mislead_sometimes(Play(random, drawn(random)))


def _begin(play: Play) -> None:
    require(play.frame() == (), "something is done before anything is known")
    play.known |= set(play.plans)
    play.tell(Known(tuple(play.plans)))
    unfit = play.preparing
    if unfit is not None and len(play.plans) > 3 and play.random.random() < 0.5:
        play.unfit()
        play.settle(2)
        require(unfit not in play.ready, "what is unfit is made ready again")
    play.settle()
    play.is_right()


def _change(play: Play) -> None:
    random = play.random
    what = random.choice(("up", "link", "device", "edge"))
    factor = random.choice((0.1, 0.4, 2.5, 10.0))
    now = play.here
    before = play.here
    match what:
        case "up":
            now = replace(now, up=min(max(now.up * factor, 0.05), 50))
        case "link":
            now = replace(
                now,
                up=min(max(now.up * factor, 0.05), 50),
                down=min(max(now.down * factor, 0.05), 50),
            )
        case "device":
            now = replace(now, device=min(max(now.device * factor, 0.3), 4))
        case "edge":
            now = replace(now, edge=min(max(now.edge * factor, 0.3), 4))
    play.here = before
    uses = len(play.uses)
    for _ in range(3):  # nothing changes, and nothing is done
        play.frame()
        play.answer()
    require(len(play.uses) == uses, "the plan changes and nothing else does")
    play.here = now
    ready = set(play.ready)
    for _ in range(SOON):
        play.frame()
        play.answer()
    play.is_right(ready & play.ready)
    play.settle_for_good()
    if play.machine.up.tells(play.plans[play.machine.current].up_bytes / RATE, UNCLEAR_S):
        near = abs(play.machine.up.slowness / now.up - 1) < 0.1
        require(near, "the link is {}, {} is believed", now.up, play.machine.up.slowness)
    play.is_right()
    uses, searches, prepared_plans = len(play.uses), play.searches, play.prepared_plans
    slow = [gauge for gauge in (play.machine.device, play.machine.edge) if gauge.slowness > 1]
    for _ in range(20):
        play.settle(1)
        if any(gauge.slowness == 1.0 for gauge in slow):
            return  # for long nothing has shown that a machine is slow: it is tried again
    require(len(play.uses) == uses, "plans change while nothing does")
    require(play.searches == searches, "plans are looked for while nothing changes")
    require(play.prepared_plans == prepared_plans, "plans are made ready while nothing changes")


def _promise(play: Play, name: str, promised_s: float, *, times: float) -> None:
    """There is a new plan for the device alone, which takes so many times what it promises."""
    play.plans[name] = Plan(promised_s / play.machine.conditions.device, 0, 0, 0.0)
    play.liars[name] = times
    play.known.add(name)
    play.tell(Known((name,)))


def _await_trial(play: Play, name: str, *, beside: bool = False) -> None:
    """Frames until a plan that promises much is in use."""
    while play.machine.current != name:
        play.frame(beside=beside)
        play.answer()
        require(play.frames < 10_000, "what promises much is never tried")


def _lie(play: Play) -> None:
    """A new plan promises much and keeps nothing of it."""
    before = play.machine.current
    if play.room < 3 or differ(play.machine.conditions, play.here, NOTICEABLE):
        return
    used_s = play.predicted_s(before, play.machine.conditions)
    _promise(play, "liar", used_s / 2, times=4.0)
    for times in (1, 2, 4):
        _await_trial(play, "liar")
        _try_liar(play, times * COOL_DOWN)


def _try_liar(play: Play, cool_down: int) -> None:
    """It is in use, is given up, and then left alone for so many frames."""
    for number in range(TRIAL):
        require(play.machine.current == "liar", "given up after {} frames", number)
        _lying_frame(play)
    require(play.machine.current != "liar", "a plan that lies is kept")
    play.barred["liar"] = play.frames + cool_down


def _start_anew(play: Play) -> None:
    """The edge server is another one: what was given up is tried again, as if it never had been."""
    if "liar" not in play.barred:
        return
    begun = play.frames
    play.tell(Forgotten())
    play.barred.clear()
    _await_trial(play, "liar")
    require(play.frames - begun <= SETTLED, "it is tried after {} frames", play.frames - begun)
    _try_liar(play, COOL_DOWN)
    _await_trial(play, "liar")
    _try_liar(play, 2 * COOL_DOWN)


def _exaggerate(play: Play) -> None:
    """A new plan takes longer than it promises, but less than the one before."""
    if play.room < 3 or differ(play.machine.conditions, play.here, NOTICEABLE):
        return
    used_s = play.predicted_s(play.machine.current, play.machine.conditions)
    _promise(play, "boaster", used_s / 2, times=1.5)
    _await_trial(play, "boaster")
    for _ in range(2 * TRIAL):
        _lying_frame(play)
        require(play.machine.current == "boaster", "a plan that is better is given up")


def _lying_frame(play: Play) -> None:
    """Everything takes what was planned, but the whole does not."""
    play.frame()
    if play.probing is not None:
        play.probing = None
        play.tell(ProbeFailed())


def _come_back(play: Play) -> None:
    """The link was down, and is another, whatever a probe shows that was under way before."""
    if play.probing is not None:
        play.probing = None
        play.tell(ProbeFailed())
    before, went_again = play.here, play.random.random() < 0.5
    if went_again:
        play.tell(Back())
    up, down, edge = (play.random.uniform(3, 6) for _ in range(3))
    play.here = replace(play.here, up=up, down=down, edge=edge)
    play.barred.clear()
    forgotten = play.random.random() < 0.5
    if forgotten:
        require(not play.tell(Forgotten()), "more is done than to take note of it")
    commands = play.tell(Back())
    require(not forgotten or play.ready <= {*play.kept, play.machine.current}, "it is forgotten")
    if went_again:
        require(not commands, "two probes at a time")
        now, play.here = play.here, before
        play.probed()
        play.here = now
    require(play.probing is not None, "nobody looks at a link that is back")
    while play.probing is not None:
        play.answer()
    for gauge, slowness in ((play.machine.up, up), (play.machine.down, down)):
        near = abs(gauge.slowness / slowness - 1) < 0.05
        require(near, "the link is {}, {} is believed", slowness, gauge.slowness)
    shows = play.machine.edge.tells(play.plans[play.machine.current].edge_s, UNCLEAR_S)
    play.frame()
    believed = play.machine.edge.slowness
    near = abs(believed / edge - 1) < 0.05
    require(near or not shows, "the edge server is {}, {} is believed", edge, believed)


def _hear(play: Play) -> None:
    """The edge server tells that others load it: believed where frames do not show it."""
    play.known |= set(play.plans)
    play.tell(Known(tuple(play.plans)))
    edge = play.random.uniform(3, 6)
    play.tell(Told(edge))
    require(play.machine.conditions.edge == edge, "nobody listens to the edge server")
    play.tell(Told(1.0))
    require(play.machine.conditions.edge == edge, "it may be slow for another reason")
    for number in range(2 * HIDDEN):  # "alone" stays, unless another plan is good even so
        play.frame("alone")
        play.tell(Told(edge if number < HIDDEN else 1.0))
        told = number < 2 * HIDDEN - 1
        require((play.machine.conditions.edge == edge) is told, "{} frames later", number)
    play.here = replace(AS_PLANNED, edge=1.5)
    shown = max(play.plans, key=lambda name: play.plans[name].edge_s)
    for _ in range(SOON):
        play.frame(shown)
        play.tell(Told(edge))
    believed = play.machine.conditions.edge
    require(not 1.8 < believed <= edge, "{} is believed, whatever frames show", believed)


def _work_beside(play: Play) -> None:
    """What machines take beside other work of this session's is not believed; what links do is."""
    _begin(play)
    before, used = play.machine.conditions, play.machine.current
    play.here = replace(AS_PLANNED, device=4.0, edge=4.0)
    for _ in range(3 * SOON):
        play.frame(beside=True)
        play.answer()
        require(play.machine.conditions == before, "{} is believed", play.machine.conditions)
    require(play.machine.current == used, "another plan is used for what does not last")
    play.here = replace(AS_PLANNED, up=4.0, down=4.0)
    shown = max(play.plans, key=lambda name: play.plans[name].up_bytes)
    for _ in range(SOON):
        play.frame(shown, beside=True)
        play.answer()
    believed = play.machine.conditions
    sent_s = play.plans[shown].up_bytes / RATE
    seen = believed.down > 2 and (believed.up > 2 or sent_s < UNCLEAR_S)
    require(seen, "nobody sees the link beside other work")
    play.here = AS_PLANNED
    play.settle()
    if play.room < 3 or differ(play.machine.conditions, play.here, NOTICEABLE):
        return
    used_s = play.predicted_s(play.machine.current, play.machine.conditions)
    _promise(play, "liar", used_s / 2, times=4.0)
    _await_trial(play, "liar", beside=True)
    for _ in range(2 * TRIAL):
        play.frame(beside=True)
        require(play.machine.current == "liar", "a plan is judged by what it takes beside work")


def _stay(random: Random) -> None:
    """A link that is as it was for long, but for noise, just where another plan becomes better."""
    play = Play(random, drawn(random))
    sent_s, more_s = random.uniform(0.3, 0.5), random.uniform(0.1, 0.3)
    play.plans = {
        "alone": Plan(1.5, 0, 0, 0.0),
        "less": Plan(1.0 - sent_s, sent_s * RATE, 0, 0.0),
        "more": Plan(1.0 - sent_s - more_s, (sent_s + more_s) * RATE, 0, 0.0),
    }
    play.known |= set(play.plans)
    play.tell(Known(tuple(play.plans)))
    for number in range(500):
        if number == 100:  # by now it is known how much is noise
            play.uses.clear()
        play.here = replace(AS_PLANNED, up=math.exp(random.gauss(0, 0.2)))
        play.frame()
        play.answer()
    # Three frames in a row may be beyond 2.2 standard deviations by chance, to the same side, once
    # in some 2,000 such links: another plan is used, and soon is not any more.
    require(len(play.uses) <= 2, "{} changes of plan on a link that is steady", len(play.uses))


def _rest(random: Random) -> None:
    """More plans than there is room for, some hardly better than others, on a link that stays."""
    play = Play(random, {"alone": Plan(1.5, 0, 0, 0.0)})
    for number in range(8):
        sent_s = random.uniform(0.02, 0.9)
        machines_s = 1.0 - sent_s - random.uniform(0.0, 0.03)
        play.plans[f"plan {number}"] = Plan(max(machines_s, 0.05), sent_s * RATE, 0, 0.0)
    play.known |= set(play.plans)
    play.tell(Known(tuple(play.plans)))
    for number in range(200):
        if number == 100:
            play.prepared_plans = 0
        play.here = replace(AS_PLANNED, up=math.exp(random.gauss(0, 0.2)))
        play.frame()
        play.answer()
    few = play.prepared_plans <= 8
    require(few, "{} plans are made ready on a link that stays", play.prepared_plans)


def _creep(play: Play) -> None:
    """What changes too slowly for a change settles, too: plans for it are looked for."""
    for number in range(2 * SETTLED):
        play.here = replace(AS_PLANNED, device=1.19 if number < 3 else 1.32)
        play.frame()
        require(play.searches == (number >= SETTLED - 1), "{} searches", play.searches)
        play.searching = False
        play.tell(Known(()))


def _rush(play: Play) -> None:
    """A link that is so quick that the most that may be sent takes hardly any time."""
    play.here, play.far_s = replace(AS_PLANNED, up=0.01, down=0.01), 0.0
    play.tell(Back())
    while play.probing is not None:
        play.probed()
    require(not differ(play.machine.conditions, play.here, NOTICEABLE), "it is not believed")


def _put_off(play: Play) -> None:
    """An edge server that makes nothing ready for some time is asked ever more seldom, and then."""
    play.known |= set(play.plans)
    play.tell(Known(tuple(play.plans)))
    asked: list[int] = []
    """The frames at which it was."""
    for _ in range(play.random.choice((10, 40, 1000))):
        if play.preparing is not None:
            asked.append(play.frames)
            play.put_off()
        play.frame()
        if play.probing is not None:
            play.probing = None
            play.tell(ProbeFailed())
    if not asked:
        return
    pauses = [later - sooner for sooner, later in pairwise(asked)]
    usual = [min(4 * 2**number, 256) for number in range(len(pauses))]
    require(pauses == usual, "it is asked again after {} frames, not {}", pauses, usual)
    known, play.prepared_plans = set(play.known), 0
    play.settle(60)
    require(play.known == known, "plans are forgotten that could not be made ready yet")
    require(play.prepared_plans > 0, "nothing is made ready any more")
    play.is_right()


def _flutter(play: Play) -> None:
    """A link that is another for each probe is left to frames in the end."""
    play.known |= set(play.plans)
    play.tell(Known(tuple(play.plans)))
    play.here, play.far_s = replace(AS_PLANNED, up=10.0, down=10.0), 0.0
    play.settle()
    while play.probing is None and play.frames < 8 * SETTLED:
        play.frame()
    probes, times = 0, 40.0
    while (size_bytes := play.probing) is not None:
        probes += 1
        require(probes <= IN_A_ROW, "there is probe after probe")
        play.here = replace(AS_PLANNED, up=times, down=times)
        play.probed()
        if play.probing == size_bytes:  # or it has been too little to show anything
            times = 0.4 if times == 40.0 else 40.0


def _move(random: Random) -> None:
    """The edge server is further away for good, and then is not: the link is as quick as ever."""
    play = Play(random, drawn(random))
    for number in range(6):  # of which some send little, and seem to be on a slow link
        up_bytes = 80_000 * random.random() ** 2 + 1000
        work_s = play.plans["alone"].device_s * (1 - up_bytes / 81_000)
        play.plans[f"other {number}"] = Plan(work_s, up_bytes, 4_000, work_s / 8)
    play.known |= set(play.plans)
    play.tell(Known(tuple(play.plans)))
    play.settle()
    for further_s in (random.uniform(0.01, 0.2), 0.0):
        play.here = replace(AS_PLANNED, further_s=further_s)
        play.jitter = random.choice((0.0, 0.05, 0.1))
        play.settle(60)
        play.uses.clear()
        play.settle(60)
        uses = len(play.uses)
        require(uses <= 1, "{} changes of plan where it stays {} s away", uses, further_s)
        plan = play.plans[play.machine.current]
        most_s = further_s + (plan.up_bytes + plan.down_bytes) / RATE / 2
        near = play.machine.distance.further_s <= most_s + 0.001 + 0.4 * (DELAY_S + most_s)
        require(
            near, "it is {} s away, {} s are believed", further_s, play.machine.distance.further_s
        )
        play.is_right()


def _mislead(random: Random) -> None:
    """All plans but one take much longer than is predicted, and nothing shows why."""
    play = Play(random, {"alone": Plan(0.1, 0, 0, 0.0)})
    for number in range(12):
        plan = Plan(random.uniform(0.01, 0.06), random.uniform(1e3, 3e4), 4_000, 0.005)
        play.plans[f"other {number}"] = plan
    play.known |= set(play.plans)
    play.liars = dict.fromkeys(set(play.plans) - {"alone"}, 10.0)
    play.tell(Known(tuple(play.plans)))
    play.settle(500)
    require(len(play.uses) <= 16, "{} plans are tried one after the other", len(play.uses))
    play.here = replace(AS_PLANNED, up=10.0, down=10.0)  # what is left alone is not missed
    play.settle(3 * SOON)  # unless one was on trial just then
    require(play.machine.current == "alone", "{} is used", play.machine.current)


def _mislead_sometimes(play: Play) -> None:
    """Of plans that come by and by some keep what they promise, and some do not."""
    for batch in range(4):
        names = [f"{batch}.{number}" for number in range(3)]
        for name in names:
            times = 0.9 ** (batch + play.random.random())
            alone = play.plans["alone"]
            play.plans[name] = Plan(alone.device_s * times * 0.9, 1000 * times, 100, 0.001)
        play.liars |= {name: 3.0 for name in names if play.random.random() < 0.6}
        if play.random.random() < 0.2:
            play.liars["alone"] = 2.0
        play.known |= set(names)
        play.tell(Known(tuple(names)))
        play.settle(play.random.choice((10, 60, 120)))
