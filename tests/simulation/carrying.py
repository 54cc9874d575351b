"""A `Gauge` alone: something that is steady, changes for good, or is quick in bursts."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

from fusepath.faults.clock import require
from fusepath.protocol.gauge import Gauge, Taken

if TYPE_CHECKING:
    from random import Random

FRAMES, FEW, SOON, FORGIVEN, MOST_DOUBT = 2, 3, 40, 200, 32
HIDDEN, MOST_PATIENCE = 100, 32
PLANNED_S, UNCLEAR_S = 0.1, 0.002
NOISE = 0.04


def taken(slowness: float) -> Taken:
    """What a frame takes of something so many times slower than planned."""
    return Taken(PLANNED_S * slowness, PLANNED_S, UNCLEAR_S)


def carry(random: Random) -> None:
    """Something that changes for good a few times, and what frames show of it.

    Raises:
        Violation: it is believed too soon, too late, or is taken for what it is not.
    """
    _noisy(random)
    _calm(random.uniform(0.3, 3), random.choice((-1, 1)))
    _by_chance(random.uniform(0.3, 3))
    _bursts(random)
    _firsts(random.uniform(0.3, 3))
    _hidden(random.uniform(1.3, 9), random.choice((0, FORGIVEN)))
    _told(random.uniform(1.3, 9))
    _differing(random.uniform(0.3, 3), random.uniform(0.04, 0.15))
    gauge = Gauge()
    doubt, since_quicker, steady = 1, SOON, 0

    def near(slowness: float, why: str) -> None:
        require(abs(gauge.slowness / slowness - 1) < NOISE, "{}: {}", gauge.slowness, why)

    for nothing in (
        Taken(0.1, 0.0, UNCLEAR_S),
        Taken(UNCLEAR_S, UNCLEAR_S, UNCLEAR_S),
        Taken(2 * UNCLEAR_S, 0.0001, UNCLEAR_S),
    ) * (FORGIVEN // 4):
        gauge.handle(nothing)
        require(gauge.slowness == 1.0 and not gauge.is_unsure, "what says nothing is believed")
    for _ in range(random.randint(1, 8)):
        believed = gauge.slowness
        gauge.handle(taken(believed))  # or it is what all before have been
        steady, since_quicker = steady + 1, since_quicker + 1
        quiet = random.choice((FEW, SOON, FORGIVEN - steady - 1, FORGIVEN))
        for _ in range(max(quiet, FEW)):
            gauge.handle(taken(believed * (1 + NOISE * (random.random() - 0.5))))
            near(believed, "noise is believed")
            steady += 1
            since_quicker += 1
            if steady >= FORGIVEN:
                doubt = 1
        require(gauge.is_trusted == (doubt == 1), "trusted: {}, doubt {}", gauge.is_trusted, doubt)
        gauge.handle(taken(2 * believed))
        require(gauge.is_unsure, "an unusual frame is not noticed")
        gauge.handle(taken(0.5 * believed))
        near(believed, "frames to both sides are believed")
        gauge.handle(taken(believed))
        require(not gauge.is_unsure, "a frame as expected is unusual")
        steady, since_quicker = 1, since_quicker + 3
        near(believed, "a frame as expected is believed")
        quicker = believed > 0.5 and random.random() < 0.5
        factors = sorted((random.uniform(2.2, 3), random.uniform(3, 4)))
        if quicker:
            factors = [1 / factor for factor in factors]
        needed = FRAMES * doubt if quicker else FRAMES
        for number in range(needed):
            near(believed, f"{number} frames are believed, not {needed}")
            gauge.handle(taken(believed * factors[number % 2]))
        since_quicker += needed
        near(believed * factors[0], "what is believed is not what is nearest to what was")
        require(not gauge.is_unsure, "what is believed is unusual")
        if quicker:
            since_quicker = 0
        elif since_quicker < SOON:
            since_quicker, doubt = SOON, min(2 * doubt, MOST_DOUBT)
        steady = 0
        settled = believed * factors[1]
        for _ in range(FEW):  # what came first may have been of before
            gauge.handle(taken(settled))
            since_quicker += 1
        steady += FEW
        require(gauge.is_quicker(taken(0.5 * gauge.slowness)), "half the time is not quicker")
        require(not gauge.is_quicker(taken(0.9 * gauge.slowness)), "a tenth is noise")
        gauge.forget()
        doubt = 1
        gauge.handle(taken(settled))
        near(settled, "after forgetting, the first frame is not believed")
        for _ in range(FEW):
            gauge.handle(taken(settled))
        since_quicker += 1 + FEW
        steady += 1 + FEW


def _hidden(slowness: float, used: int) -> None:
    """A machine that is slow for so many frames and a few, and then is not used."""
    nothing, patience = Taken(0.0, 0.0, UNCLEAR_S), 1
    machine, link = Gauge(is_probed=False), Gauge()
    for _ in range(HIDDEN):
        machine.handle(nothing)  # nothing was believed of it that could be forgotten
    for gauge in (machine, link):
        for _ in range(FRAMES + FEW + used):
            gauge.handle(taken(slowness))
    machine.handle(taken(9 * slowness))  # which nothing confirms
    for turn in range(8):
        for _ in range(HIDDEN * patience - 1):
            machine.handle(nothing)  # which never makes up for what was forgotten too soon
        require(abs(machine.slowness / slowness - 1) < NOISE, "forgotten in turn {}", turn)
        machine.handle(nothing)
        forgotten = machine.slowness == 1.0 and not machine.is_unsure
        require(forgotten, "what nothing shows is not forgotten in turn {}", turn)
        machine.handle(taken(slowness))
        require(abs(machine.slowness / slowness - 1) < NOISE, "not believed again at once")
        patience = min(2 * patience, MOST_PATIENCE)
        if turn == 6:  # it is used for long: what was not so is forgiven
            for _ in range(FORGIVEN):
                machine.handle(taken(slowness))
            patience = 1
        machine.handle(nothing)  # that something was shown in between begins the wait anew
        machine.handle(taken(slowness))
    for _ in range(HIDDEN * MOST_PATIENCE):
        link.handle(nothing)
    require(abs(link.slowness / slowness - 1) < NOISE, "of a link that is probed it is forgotten")
    quick = _after([0.5] * FRAMES)
    quick.is_probed = False
    for _ in range(HIDDEN):
        quick.handle(nothing)
    require(quick.slowness == 0.5, "that a machine is quick is forgotten")


def _noisy(random: Random) -> None:
    """Something steady that differs much from frame to frame."""
    gauge, noise, wrong = Gauge(), 0.12, 0
    for number in range(600):
        gauge.handle(taken(math.exp(random.gauss(0, noise))))
        wrong += number > 100 and abs(math.log(gauge.slowness)) > 1.7 * noise
    require(wrong < 12, "noise is believed in {} frames of 500", wrong)


def _calm(base: float, side: int) -> None:
    """Some frames of something noisy that happen to differ by nothing, and two that do."""
    gauge = Gauge()
    gauge.forget()
    for off in [0.1, -0.1] * 50 + [0.0] * 11 + [0.3 * side] * FRAMES:
        gauge.handle(taken(base * math.exp(off)))
    near = abs(math.log(gauge.slowness / base)) < 0.11
    require(near, "after calm frames noise is believed: {}, not {}", gauge.slowness, base)


def _by_chance(base: float) -> None:
    """Frames in a row that are unusual, of something that differs much anyway."""
    for differs, unusual, by_chance in ((0.15, 0.6, 2), (0.3, 1.1, 2), (0.08, 0.45, 1)):
        gauge = Gauge()
        gauge.forget()
        for _ in range(10):
            gauge.handle(taken(base))
        for number in range(120):  # to one side and the other
            gauge.handle(taken(base * math.exp(differs if number % 2 else -differs)))
        before = gauge.slowness
        require(abs(math.log(before / base)) < 1.1 * differs, "what differs is believed")
        for _ in range(by_chance):
            gauge.handle(taken(base * math.exp(unusual)))
            require(gauge.slowness == before, "what may be by chance is believed")
        for _ in range(FRAMES):
            gauge.handle(taken(base * math.exp(unusual)))
        require(gauge.slowness > 1.3 * before, "what is not by chance is not believed")


def _bursts(random: Random) -> None:
    """Something that is quick until a burst is spent, again and again."""
    gauge, doubt = Gauge(), 1
    quick = random.uniform(0.1, 0.4)
    for _ in range(7):
        for number in range(FRAMES * doubt):
            require(gauge.slowness == 1.0, "{} quick frames are believed, doubt {}", number, doubt)
            gauge.handle(taken(quick))
        require(
            abs(gauge.slowness / quick - 1) < 1e-9, "{} frames are not believed", FRAMES * doubt
        )
        for _ in range(random.randint(FEW, SOON - FRAMES - 1)):
            gauge.handle(taken(quick))
        for _ in range(FRAMES):
            gauge.handle(taken(1.0))
        require(gauge.slowness == 1.0, "slow frames are not believed")
        doubt = min(2 * doubt, MOST_DOUBT)
        require(not gauge.is_trusted, "a burst is not noticed")
        gauge.handle(taken(quick))  # of the burst as it grows back
        require(gauge.slowness == 1.0 and gauge.is_unsure, "a burst that grows is believed")
        gauge.handle(taken(1.0))
    for _ in range(4):  # of frames of both kinds, one of the slower ones is believed
        for slowness in (1.1, 0.9, 0.9):
            gauge.handle(taken(slowness))
    require(gauge.slowness >= 1.0, "the middle is believed of what is quick in bursts")
    # What is slower at once after it has seemed quicker is a burst too.
    fresh = Gauge()
    for slowness in (quick, quick, 1.0):
        fresh.handle(taken(slowness))
    require(not fresh.is_trusted, "a burst of two frames is not noticed")
    # What was quick for long was no burst.
    for frames in (SOON, SOON - 1):
        long = _after([quick] * frames + [1.0] * FRAMES)
        require(long.is_trusted == (frames == SOON), "{} quick frames are doubted or not", frames)
        require(long.slowness == 1.0, "slow frames are not believed")
    _doubted(random, quick)


def _told(slowness: float) -> None:
    """A machine of which somebody says how slow it is."""
    nothing, more = Taken(0.0, 0.0, UNCLEAR_S), 2 * slowness

    def hear(gauge: Gauge, said: float, believed: float) -> None:
        gauge.tell(said)
        require(gauge.slowness == believed, "{} is said, {} believed", said, gauge.slowness)

    machine = Gauge(is_probed=False)
    hear(machine, slowness, slowness)
    hear(machine, 1.0, slowness)  # which is no news
    before = slowness
    for said in (slowness, more):  # as long as somebody says so it is not forgotten
        for _ in range(HIDDEN - 1):
            machine.handle(nothing)
        require(machine.slowness == before, "what was said is forgotten too soon")
        hear(machine, said, said)
        before = said
    for _ in range(HIDDEN - 1):
        machine.handle(nothing)
        hear(machine, 1.0, more)
    machine.handle(nothing)
    require(machine.slowness == 1.0, "what was said is not forgotten")
    # Frames know better, as long as they show it.
    machine = Gauge(is_probed=False)
    hear(machine, slowness, slowness)
    machine.handle(taken(1.5 * more))
    shown = machine.slowness
    require(abs(shown / more - 1.5) < 1e-9, "what frames show first is not believed")
    hear(machine, 9 * more, shown)
    for _ in range(FEW):
        machine.handle(taken(1.5 * more))
    machine.handle(nothing)
    hear(machine, shown, shown)
    machine.handle(taken(9 * more))
    require(machine.slowness == shown, "a single frame is believed, as nothing new was said")
    machine.handle(nothing)
    require(not machine.is_unsure, "nothing is shown, and more is waited for")
    other = copy.deepcopy(machine)
    other.handle(taken(9 * more))
    require(other.slowness > shown, "an unusual frame is forgotten as nothing is shown")
    hear(machine, 2 * more, 2 * more)
    machine.handle(taken(2 * more))
    require(not machine.is_unsure, "what frames have shown before is not over")


def _after(frames: list[float]) -> Gauge:
    """A gauge that has seen some frames."""
    gauge = Gauge()
    for slowness in frames:
        gauge.handle(taken(slowness))
    return gauge


def _doubted(random: Random, quick: float) -> None:
    """After one burst."""
    burst = [quick] * FRAMES + [1.0] * FRAMES
    gauge = _after([*burst, *[4.0] * FRAMES])
    gauge.handle(taken(10.0))
    require(not gauge.is_unsure, "a first frame that is slower is not believed at once")
    # To become slower still is no other burst.
    gauge = _after([*burst, *[4.0] * FRAMES])
    for number in range(2 * FRAMES):
        require(gauge.slowness == 4.0, "{} quick frames are believed", number)
        gauge.handle(taken(1.0))
    require(gauge.slowness == 1.0, "quick frames are not believed")
    gauge, said = _after(burst), list(burst)
    for _ in range(random.randint(5, 36)):
        said.append(random.uniform(0.95, 1.15))
        gauge.handle(taken(said[-1]))
    wanted = sorted(said)[3 * len(said) // 4]
    require(abs(gauge.slowness / wanted - 1) < 1e-9, "another than one of the slower is believed")
    gauge = _after([*burst, quick])
    for number in range(FORGIVEN):
        require(not gauge.is_trusted, "forgiven after {} frames", number)
        gauge.handle(taken(1.0))
    require(gauge.is_trusted, "a burst is never forgiven")


def _differing(slowness: float, chance: float) -> None:
    """What frames differ by is known: once they have, for a while."""
    gauge = _after([slowness] * (FRAMES + FEW))
    for number in range(2 * SOON):
        gauge.handle(taken(slowness * math.exp(chance * (-1) ** number)))
    near = 0.9 * chance < gauge.noise < 1.1 * chance
    require(near, "frames differ by {}, {} is believed", chance, gauge.noise)


def _firsts(slowness: float) -> None:
    """The first frames after a change, and what is just enough."""
    for third, middle in ((2.0, 1.0), (0.5, 1.0), (1.1, 1.0)):
        gauge = Gauge()
        for times in (4.0, 4.0, 4.0 * third):
            gauge.handle(taken(times))
        require(gauge.slowness == 4.0 * middle and not gauge.is_unsure, "a first frame is unusual")
        gauge.handle(taken(4.0 * 2.0))
        require(gauge.is_unsure, "a later frame is believed at once")
    gauge = Gauge()
    gauge.forget()
    gauge.handle(taken(slowness))
    require(abs(gauge.slowness / slowness - 1) < 1e-9, "what is said first is not believed")
    gauge = _after([1.0, 4.0])
    gauge.forget()
    require(not gauge.is_unsure, "what was unusual is not forgotten")
    unclear = Taken(PLANNED_S * 0.78, PLANNED_S, PLANNED_S * 0.1)
    require(not Gauge().is_quicker(unclear), "what may be as expected is quicker")
    gauge = Gauge()
    gauge.handle(Taken(PLANNED_S * 1.3, PLANNED_S, PLANNED_S * 0.2))
    require(not gauge.is_unsure, "what may be as expected is unusual")
    gauge.handle(Taken(PLANNED_S * 0.95, PLANNED_S, PLANNED_S * 0.3))
    require(not gauge.is_unsure, "what may be as expected is unusual")
    gauge = _after([10.0] * (FRAMES + FEW))
    gauge.handle(Taken(0.0, 0.5 * UNCLEAR_S, UNCLEAR_S))
    require(gauge.is_unsure, "what was to take long and did not is not noticed")
    gauge = _after([10.0] * (FRAMES + FEW))
    for times, quicker in ((1 / 1.25, True), (1 / 1.15, False)):
        said = Taken(PLANNED_S * 10.0 * times, PLANNED_S, 0.0)
        require(
            gauge.is_quicker(said) == quicker, "{} of the time, quicker: not {}", times, quicker
        )
    require(not Gauge().is_quicker(Taken(1.0 / 1.2, 1.0, 0.0)), "a sixth less is noise")
    gauge = Gauge()
    require(not gauge.tells(2 * UNCLEAR_S, UNCLEAR_S), "what matters as little as that is told")
    gauge.handle(Taken(1.2, 1.0, 0.0))
    require(not gauge.is_unsure, "a fifth more is unusual")
    gauge = _after([10.0] * (FRAMES + FEW))
    for times, told in ((2.01, True), (1.99, False)):
        require(
            gauge.tells(times * UNCLEAR_S / 10.0, UNCLEAR_S) is told,
            "{} times what is unclear is told: not {}",
            times,
            told,
        )
    for times, heard in ((2.5, True), (1.9, False)):
        gauge = Gauge()
        gauge.handle(Taken(times * UNCLEAR_S, 0.01 * UNCLEAR_S, UNCLEAR_S))
        require(gauge.is_unsure == heard, "{} times what is unclear, heard: not {}", times, heard)
