"""A `Gauge` alone: something that is steady, changes for good, or is quick in bursts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.protocol.gauge import Gauge, Taken
from tests.simulation.clock import require

if TYPE_CHECKING:
    from random import Random

FRAMES, FEW, SOON, FORGIVEN, MOST_DOUBT = 2, 3, 40, 200, 32
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
    gauge = Gauge()
    doubt, since_quicker, steady = 1, SOON, 0

    def near(slowness: float, why: str) -> None:
        require(abs(gauge.slowness / slowness - 1) < NOISE, f"{gauge.slowness}: {why}")

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
        require(gauge.is_trusted == (doubt == 1), f"trusted: {gauge.is_trusted}, doubt {doubt}")
        gauge.handle(taken(2 * believed))
        require(gauge.is_unsure, "an unusual frame is not noticed")
        gauge.handle(taken(0.5 * believed))
        near(believed, "frames to both sides are believed")
        gauge.handle(taken(believed))
        require(not gauge.is_unsure, "a frame as expected is unusual")
        steady, since_quicker = 1, since_quicker + 3
        near(believed, "a frame as expected is believed")
        quicker = believed > 0.5 and random.random() < 0.5
        factors = sorted((random.uniform(2, 3), random.uniform(3, 4)))
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
        if doubt == 1:
            gauge.forget()
            gauge.handle(taken(settled))
            near(settled, "after forgetting, the first frame is not believed")
        for _ in range(FEW):
            gauge.handle(taken(settled))
        since_quicker += 1 + FEW
        steady += 1 + FEW
